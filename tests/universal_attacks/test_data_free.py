"""Fast Feature Fool and GD-UAP on networks so small that every step is known in closed form."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from brittle import Classifier
from brittle.errors import InputError, UnsupportedThreat
from brittle.maths.substitutes import substitutes
from brittle.threats import Lp
from brittle.universal_attacks import curriculum, fast_feature_fool, gd_uap, loudness
from brittle.universal_attacks.activation_ascent import ActivationAscent
from brittle.universal_attacks.augment import augmented, blurred
from brittle.universal_attacks.excitation import (
    ActivationState,
    activation_objective,
    image_views,
    noise_image,
    noise_views,
    saturation_of,
)
from brittle.universal_attacks.fast_feature_fool import FastFeatureFool
from brittle.universal_attacks.gd_uap import GDUAP
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.loudness import named_layers
from brittle.universal_attacks.psp_uap import PSPUAP
from brittle.universal_attacks.search import Pass, UniversalProblem, find_universal
from brittle.universal_attacks.trm_uap import TRMUAP

SHAPE, RADIUS = (1, 4, 4), 10 / 255


def pixelwise(weight=2.0, bias=0.0, span=1.0):
    """A network whose one layer is relu(weight * x + bias) at every pixel."""
    layers = (nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Conv2d(1, 2, 4), nn.Flatten())
    module = nn.Sequential(*layers).double()
    with torch.no_grad():
        module[0].weight.fill_(weight)
        module[0].bias.fill_(bias)
        module[2].weight[0].fill_(1)
        module[2].weight[1].fill_(-1)
        module[2].bias.copy_(torch.tensor([-8.0 * weight * span, 8.0 * weight * span]))
    return Classifier(module, (0, span))


def problem_of(classifier, shape=SHAPE, images=None, radius=RADIUS, seed=0):
    return UniversalProblem(classifier, shape, Lp("inf", radius * classifier.bounds.span), images, seed)


def total(perturbation):
    return float(perturbation.sum())


@pytest.mark.parametrize("method", [GDUAP(iterations=3), FastFeatureFool(iterations=3)])
def test_what_is_made_small_is_minus_the_logarithms_of_the_layers(method):
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 3, generator=generator), torch.randn(4, generator=generator)
    if isinstance(method, GDUAP):
        sizes = [float((one**2).sum()) / 2 for one in (first, second)]
    else:
        sizes = [float(one.abs().mean()) for one in (first, second)]
    loss = float(activation_objective([method.loudness(one) for one in (first, second)]))
    assert loss == pytest.approx(-sum(math.log(size) for size in sizes), rel=1e-5)


def test_a_silent_layer_says_nothing():
    value = torch.tensor(2.0, requires_grad=True)
    silent = value * 0
    (gradient,) = torch.autograd.grad(activation_objective([value, silent]), value)
    assert float(gradient) == pytest.approx(-0.5)


def test_a_step_is_that_of_torchs_adam():
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn(7, *SHAPE, generator=generator, dtype=torch.float64)
    variable = torch.zeros(SHAPE, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([variable], lr=0.01)
    course = ActivationState(*(torch.zeros(SHAPE, dtype=torch.float64) for _ in range(3)))
    for gradient in gradients:
        variable.grad = gradient.clone()
        optimiser.step()
        course = course.stepped(gradient, 0.01, 1e-8)
    torch.testing.assert_close(course.raw, variable.detach())
    assert course.steps == 7


@pytest.mark.parametrize("method", [GDUAP(iterations=230), FastFeatureFool(iterations=200)])
def test_the_loudest_perturbation_is_found(method, monkeypatch):
    """relu(2 x) is loudest where every pixel is as bright as it may be; relu(2 - 2 x) where it is as dark."""
    monkeypatch.setattr(gd_uap, "SATURATED", 1.0)  # with so few values their fraction stands still before all are there
    for weight, bias, sign in ((2.0, 0.0, 1), (-2.0, 2.0, -1)):
        found = find_universal(method, problem_of(pixelwise(weight, bias)), judge=lambda v, sign=sign: sign * total(v))
        loudest = torch.full(SHAPE, sign * RADIUS, dtype=torch.float64)
        torch.testing.assert_close(found.tensor, loudest, rtol=0, atol=1 / 255)


def test_the_first_step_moves_every_value_by_the_rate():
    problem = problem_of(pixelwise())
    start, after = (
        GDUAP(iterations=1).start(problem),
        find_universal(GDUAP(iterations=1), problem, judge=total),
    )
    moved = (start.perturbation + 0.1 / 255).clamp(-RADIUS, RADIUS)
    torch.testing.assert_close(after.tensor, moved, rtol=0, atol=1e-6)
    assert start.perturbation.abs().amax() <= RADIUS
    assert saturation_of(start.perturbation, 0.7 * RADIUS) > 0.1


def test_other_bounds_give_the_same_rescaled():
    near = find_universal(GDUAP(iterations=30), problem_of(pixelwise()), judge=total)
    far = find_universal(GDUAP(iterations=30), problem_of(pixelwise(span=255.0)), judge=total)
    torch.testing.assert_close(far.tensor / 255, near.tensor, rtol=0, atol=1e-9)


def test_half_the_values_at_the_radius_and_no_change_halves():
    course = ActivationState(torch.zeros(4), torch.zeros(4), torch.zeros(4), steps=500)
    method = GDUAP()

    def after(saturation, before, since):
        return method.pause(replace(course, saturation=saturation), before, since)

    assert after(0.6, 0.6, 201) == (True, True)
    assert after(0.6, 0.6, 200) == (False, True)
    assert after(0.6, 0.6 - 2e-5, 399) == (False, False)
    assert after(0.5, 0.5, 399) == (False, False)
    assert after(0.1, 0.0, 400) == (True, False)
    halved = ActivationState(torch.tensor([0.2, -0.1, 0.05, 0.0]), torch.ones(4), torch.ones(4), 9, 0.5).halved(0.1)
    assert halved.raw.tolist() == pytest.approx([0.1, -0.05, 0.025, 0.0])
    assert (halved.saturation, halved.steps) == (0.25, 9)
    assert torch.equal(halved.first, torch.ones(4))


def test_a_halving_restarts_the_count_of_steps(monkeypatch):
    """Halved every 150 steps, it is never looked at but at the end: no 200 steps lie between two halvings."""
    problem, asked = problem_of(pixelwise()), []

    def pause(method, course, before, since):
        asked.append(since)
        return since > 200, since >= 150

    monkeypatch.setattr(GDUAP, "pause", pause)
    found = find_universal(GDUAP(iterations=450), problem, judge=total)
    assert len(found.made["passes"]) == 1
    assert asked == [*range(1, 151)] * 3


def test_a_perturbation_is_looked_at_before_it_is_halved(monkeypatch):
    """All values grow to the radius; a validation sees them there, and the variable goes on from half."""
    monkeypatch.setattr(gd_uap, "SATURATED", 0.99)  # so few values stand still before all are there
    problem, method = problem_of(pixelwise()), GDUAP(iterations=500, step=0.06 / 255)
    state = method.advance(problem, method.start(problem), 0)
    assert 200 < int(state.extras["steps"]) < 400
    assert saturation_of(state.perturbation, RADIUS) > 0.5
    assert float(state.extras["raw"].abs().max() / RADIUS) < 0.7
    torch.testing.assert_close(problem.project(2 * state.extras["raw"]), state.perturbation)


def test_fast_feature_fool_validates_at_200_500_800_and_halves_at_300_600():
    method, course = FastFeatureFool(), ActivationState(*(torch.zeros(1) for _ in range(3)))
    marks = {steps: method.pause(replace(course, steps=steps), 0.0, 0) for steps in range(1, 1001)}
    assert [steps for steps, (validates, _) in marks.items() if validates] == [200, 500, 800]
    assert [steps for steps, (_, halves) in marks.items() if halves] == [300, 600, 900]


@pytest.mark.parametrize(("method", "patience"), [(FastFeatureFool(), 5), (GDUAP(), 10)])
def test_it_ends_after_so_many_validations_without_improvement(method, patience):
    history = [Pass(1, 0.5, 0, 1, 1, 0)]
    for number in range(2, patience + 2):
        assert not method.finished(history)
        history.append(Pass(number, 0.5, 0, number, number, 0))
    assert method.finished(history)
    assert not method.finished([*history[:-1], Pass(patience + 1, 0.6, 0, 99, 99, 0)])


@pytest.mark.parametrize("iterations", [1, 203])
@pytest.mark.parametrize("method", [GDUAP(), FastFeatureFool(), TRMUAP(prior="none"), PSPUAP(prior="none", copies=1)])
def test_all_iterations_are_made_and_none_more(method, iterations):
    calls = []
    problem = replace(problem_of(pixelwise()), progress=calls.append)
    handle = problem.classifier.module.register_forward_hook(lambda *_: calls.append("forward"))
    scores = iter(range(99))
    found = find_universal(replace(method, iterations=iterations), problem, judge=lambda v: float(next(scores)))
    handle.remove()
    last = found.made["passes"][-1]
    shown = iterations * method.shown
    assert (last["forward"], last["backward"]) == (method.looks * shown, shown)
    assert calls.count("forward") == method.looks * iterations + len(found.made["passes"])
    assert max(call for call in calls if call != "forward") == 1
    assert found.size <= RADIUS * (1 + 1e-6)


def coloured(seed=0):
    """A small network of three channels with two layers."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5))
        return Classifier(nn.Sequential(*parts))


METHODS = {
    "fff": FastFeatureFool(iterations=50),
    "none": GDUAP(iterations=50),
    "range": GDUAP(prior="range", batch=2, iterations=50),
    "data": GDUAP(prior="data", batch=2, iterations=50),
    "trm": TRMUAP(iterations=50),
    "psp": PSPUAP(prior="jigsaw", copies=2, iterations=50),
    "activation-ascent": ActivationAscent(passes=3, steps=5),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_killed_search_goes_on_to_the_same_bits(name, tmp_path, monkeypatch):
    for module in (fast_feature_fool, gd_uap, curriculum):
        monkeypatch.setattr(module, "EVERY", 30)
    monkeypatch.setattr(curriculum, "SHORTEST", 20)
    monkeypatch.setattr(fast_feature_fool, "FIRST", 20)
    for kind in (FastFeatureFool, GDUAP, TRMUAP, PSPUAP):
        monkeypatch.setattr(kind, "shortest", 20)
    method, classifier = METHODS[name], coloured()
    images = ImageSet(classifier, torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1)))
    problem = problem_of(classifier, (3, 8, 8), images, seed=3)
    straight = find_universal(method, problem)

    class Killed(Exception):
        pass

    def kill(line):
        raise Killed

    with pytest.raises(Killed):
        find_universal(method, problem, checkpoint=tmp_path / "c", watch=kill)
    resumed = find_universal(method, problem, checkpoint=tmp_path / "c")
    assert torch.equal(resumed.tensor, straight.tensor)
    scores = [[one["score"] for one in found.made["passes"]] for found in (straight, resumed)]
    assert scores[0] == scores[1]
    assert len(scores[0]) >= 2
    other = find_universal(method, replace(problem, seed=4))
    assert not torch.equal(other.tensor, straight.tensor)


def test_priors_show_what_they_say():
    classifier = coloured()
    problem = problem_of(classifier, (3, 24, 32))
    generator = torch.Generator().manual_seed(0)
    none = GDUAP(mean=(0.2, 0.4, 0.6)).background(problem, generator, None)
    assert none.shape == (1, 3, 24, 32)
    assert none.amax((0, 2, 3)).tolist() == none.amin((0, 2, 3)).tolist() == pytest.approx([0.2, 0.4, 0.6])
    with pytest.raises(InputError, match="mean has 2 numbers"):
        GDUAP(mean=(0.2, 0.4)).background(problem, generator, None)
    noise = noise_views(problem, noise_image(problem.shape, generator), 5, generator)
    assert noise.shape == (5, 3, 24, 32)
    assert noise.mean((0, 2, 3)).tolist() == pytest.approx([0.485, 0.458, 0.408], abs=0.03)
    assert not torch.equal(noise[0], noise[1])
    images = ImageSet(classifier, torch.arange(1.0, 4)[:, None, None, None].expand(3, 3, 24, 32) / 4)
    views = image_views(replace(problem, images=images), 5, generator)
    assert sorted(views.mean((1, 2, 3)).tolist())[::2] == pytest.approx([0.25, 0.5, 0.75], abs=1e-5)


def test_the_range_prior_has_one_image_of_noise_unless_it_is_redrawn():
    problem, generator = problem_of(coloured(), (3, 12, 12), seed=5), torch.Generator()
    images = []

    def remembered(problem, image, count, generator):
        images.append(image)
        return image

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gd_uap, "noise_views", remembered)
        for redrawn in (False, False, True, True):
            GDUAP(prior="range", redrawn=redrawn).background(problem, generator, None)
        GDUAP(prior="range").background(replace(problem, seed=6), generator, None)
    assert torch.equal(images[0], images[1])
    assert not any(torch.equal(images[0], other) for other in images[2:])
    assert not torch.equal(images[2], images[3])


def test_a_step_in_parts_is_a_step_at_once(monkeypatch):
    problem, method = problem_of(coloured(), (3, 8, 8)), GDUAP(prior="range", batch=5)
    views = method.background(problem, torch.Generator().manual_seed(0), None)
    layers = named_layers(problem, method.layers, method.kind)
    raw = method.start(problem).perturbation
    whole = method._gradient(problem, layers, views, raw, None)
    monkeypatch.setattr(loudness, "PART", 2 * raw.numel())
    torch.testing.assert_close(method._gradient(problem, layers, views, raw, None), whole)


def test_substitutes_have_the_range_of_photographs():
    some = substitutes((3, 40, 40), 20, torch.Generator().manual_seed(0)) * 255
    assert some.mean((0, 2, 3)).tolist() == pytest.approx([123.68, 116.779, 103.939], abs=1.5)
    assert some.std((0, 2, 3)).tolist() == pytest.approx([60.5, 56.8, 50.7], abs=2)
    assert 0 <= float(some.amin()) < float(some.amax()) <= 255
    assert substitutes((1, 5, 6), 2, torch.Generator()).shape == (2, 1, 5, 6)


def test_views_are_of_every_kind_and_none_leaves_the_image():
    ramp = torch.linspace(0, 1, 40)[None, None, None].expand(400, 1, 20, 40)
    views = augmented(ramp, 20, 20, torch.Generator().manual_seed(0))
    assert views.shape == (400, 1, 20, 20)
    assert 0 <= float(views.amin()) < float(views.amax()) <= 1
    slopes = views[:, 0, 10, 15] - views[:, 0, 10, 5]
    assert 0.4 < float((slopes < 0).double().mean()) < 0.6
    # ten columns of twenty: a crop has a slope of 10/39, the whole image twice that, an enlargement down to 1/1.5
    assert float(slopes.abs().amin()) == pytest.approx(10 / 39 / 1.5, rel=0.15)
    assert float(slopes.abs().amax()) == pytest.approx(20 / 39, rel=0.1)
    tilt = (views[:, 0, 15, 10] - views[:, 0, 5, 10]) / slopes
    assert 0.35 < float((tilt.abs() > 0.03).double().mean()) < 0.65


def test_a_blur_is_a_gaussian_of_its_own_for_every_image():
    point = torch.zeros(3, 1, 21, 21, dtype=torch.float64)
    point[:, :, 10, 10] = 1
    soft = blurred(point, torch.tensor([1, 3, 9]))
    assert torch.equal(soft[0], point[0])
    assert soft.sum((1, 2, 3)).tolist() == pytest.approx([1, 1, 1])
    assert [int((one > 0).sum()) for one in soft] == [1, 9, 81]
    line = soft[2, 0].sum(0)
    deviation = 0.3 * ((9 - 1) * 0.5 - 1) + 0.8
    assert float(line[11] / line[10]) == pytest.approx(math.exp(-1 / (2 * deviation**2)))


def test_what_cannot_be_done_is_refused():
    problem = problem_of(pixelwise())
    with pytest.raises(InputError, match="given none"):
        find_universal(GDUAP(prior="data"), problem, judge=total)
    with pytest.raises(UnsupportedThreat):
        find_universal(FastFeatureFool(), replace(problem, threat=Lp(2, 1.0)), judge=total)
    with pytest.raises(InputError, match="prior is 'some'"):
        GDUAP(prior="some")
    for options in ({"iterations": 0}, {"patience": 0}, {"step": -1.0}):
        with pytest.raises(InputError):
            FastFeatureFool(**options)
    for layers in (("x",), "1+x"):
        with pytest.raises(InputError, match="no layer 'x'"):
            find_universal(GDUAP(layers=layers), problem, judge=total)


def test_layers_may_be_named():
    problem = problem_of(pixelwise(-2.0, 2.0))
    by_name = [find_universal(FastFeatureFool(iterations=9, layers=names), problem, judge=total) for names in ("1", ())]
    assert torch.equal(by_name[0].tensor, by_name[1].tensor)
    other = find_universal(FastFeatureFool(iterations=9, layers="1+3"), problem, judge=total)
    assert not torch.equal(other.tensor, by_name[0].tensor)
