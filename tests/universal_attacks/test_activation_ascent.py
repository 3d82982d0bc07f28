"""The ascent of activations: its gradient by hand, its schedule, its passes, and that it beats what it came from."""

import math

import pytest
import torch
from torch import nn

from brittle import ActivationAscent, Classifier, FastFeatureFool, InputError, Lp, find_universal
from brittle.universal_attacks.layers import layers_of
from brittle.universal_attacks.loudness import named_layers
from brittle.universal_attacks.problem import UniversalProblem
from brittle.universal_attacks.pseudo_semantics import Views, crops

SHAPE, RADIUS = (3, 8, 8), 10 / 255


def network(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 3, 1), nn.Flatten(), nn.Linear(48, 5))
        return Classifier(nn.Sequential(*parts).double())


def problem_of(p="inf", classifier=None, radius=RADIUS):
    return UniversalProblem(classifier or network(), SHAPE, Lp(p, radius), seed=1)


@pytest.mark.parametrize(("part", "kept"), [(1.0, 3), (0.7, 2), (0.1, 1)])
def test_the_gradient_is_that_of_the_logarithms_of_the_first_convolutions(part, kept):
    problem = problem_of()
    method = ActivationAscent(part=part, batch=3)
    module, v = problem.classifier.module, 0.02 * torch.randn(SHAPE, dtype=torch.float64)
    layers = named_layers(problem, (), "convolutions")
    found = method._gradient(problem, layers, v, torch.Generator().manual_seed(5))
    generator, moving = torch.Generator().manual_seed(5), v.clone().requires_grad_()
    samples = crops(torch.full((3, *SHAPE), 0.5, dtype=torch.float64) + v, generator)
    shown = Views.drawn(3, 8, 8, generator).of(samples + moving, torch.full((3, 1, 1), 0.5, dtype=torch.float64))
    first = module[0](shown)
    second = module[2](first.relu())
    outputs = [first, second, module[3](second)][:kept]
    loss = -sum((output.square().sum() / 2).log() for output in outputs)
    torch.testing.assert_close(found, torch.autograd.grad(loss, moving)[0])


@pytest.mark.parametrize("p", ["inf", 2])
def test_steps_fall_along_a_cosine_and_stay_within_the_radius(p):
    problem, method = problem_of(p), ActivationAscent(passes=2, steps=2, momentum=0.0)
    first = method.start(problem)
    assert 0 < first.perturbation.abs().max() <= RADIUS
    generator, layers = problem.generator(0), named_layers(problem, (), "convolutions")
    v = first.perturbation
    for done in (0, 0.25):
        gradient = -method._gradient(problem, layers, v, generator)
        direction = gradient.sign() if p == "inf" else gradient / gradient.norm()
        v = problem.project(v + 0.3 * RADIUS * (1 + math.cos(math.pi * done)) / 2 * direction)
    torch.testing.assert_close(method.advance(problem, first, 0).perturbation, v)
    found = find_universal(method, problem, judge=lambda _: 0.0)
    assert found.size <= RADIUS * (1 + 1e-9)


def test_every_pass_of_the_network_is_counted():
    problem, seen = problem_of(), []
    handle = problem.classifier.module.register_forward_hook(lambda _, given, said: seen.append(len(said)))
    found = find_universal(ActivationAscent(passes=3, steps=4, batch=2), problem, judge=lambda _: 0.0)
    handle.remove()
    last = found.made["passes"][-1]
    assert (last["forward"], last["backward"]) == (24, 24)
    assert sum(seen) == 24 + 3, "to find the layers takes one image a pass"


def test_layers_become_louder_than_by_fast_feature_fool():
    problem = problem_of(radius=0.2)
    layers = layers_of(problem.classifier.module, torch.zeros(1, *SHAPE, dtype=torch.float64), kind="convolutions")

    def loud(v):
        outputs = layers(v[None] + 0.5)
        return sum(float(output.detach().square().sum().log()) for output in outputs)

    ours = find_universal(ActivationAscent(passes=4, steps=15, part=1.0), problem, loud).tensor
    theirs = find_universal(FastFeatureFool(iterations=120, step=0.05), problem, loud).tensor
    assert loud(ours) > loud(problem.zeros()) + 0.5
    assert loud(ours) > loud(theirs)


def test_the_last_perturbation_is_returned_whatever_a_judge_says():
    problem, method = problem_of(), ActivationAscent(passes=3, steps=2)
    scores = iter([3.0, 2.0, 1.0])
    found = find_universal(method, problem, judge=lambda _: next(scores))
    assert torch.equal(found.tensor, find_universal(method, problem, judge=lambda _: 0.0).tensor)


def test_noise_lies_under_the_crops_where_it_is_asked_for():
    problem = problem_of()
    grey = torch.full((3, 1, 1), 0.5, dtype=torch.float64)
    plain, noisy = (
        ActivationAscent(noise=noise, batch=2)._carriers(problem, grey, torch.Generator().manual_seed(0))
        for noise in (0.0, 40.0)
    )
    assert torch.equal(plain, torch.full((2, *SHAPE), 0.5, dtype=torch.float64))
    assert noisy.std() > 0.05
    assert noisy.shape == plain.shape


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"passes": 0}, "passes is 0; expected at least 1"),
        ({"part": 0.0}, "part is 0.0; expected a fraction above 0"),
        ({"momentum": 1.0}, "momentum is 1.0; expected a fraction from 0 up to"),
        ({"noise": -1.0}, "noise is -1.0; expected a finite number, at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        ActivationAscent(**settings)
