"""SGA: its inner search by hand, its passes, its optimum where it is known, and its options in the ascent."""

from dataclasses import replace

import pytest
import torch
from affine import affine, convolutional

from brittle import SGA, InputError, Lp, UniversalAscent, find_universal
from brittle.maths.losses import cross_entropy
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.objective import away
from brittle.universal_attacks.problem import UniversalProblem
from brittle.universal_attacks.pull import Pull

RADIUS = 0.3


def some_images(count=24):
    classifier = convolutional()
    images = torch.rand(count, 1, 6, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return ImageSet(classifier, images)


def problem_of(some, p="inf"):
    return UniversalProblem(some.classifier, some.shape, Lp(p, RADIUS), some, seed=3)


@pytest.mark.parametrize("p", ["inf", 2])
def test_on_an_affine_network_it_goes_straight_away(p):
    classifier = affine(classes=2, shape=(1, 3, 4))
    images = 0.5 + 0.02 * torch.randn(30, 1, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    every = ImageSet(classifier, images)
    label = int(every.clean[0])
    some, weight = ImageSet(classifier, images[every.clean == label]), classifier.module[1].weight.detach()
    normal = (weight[1 - label] - weight[label]).reshape(1, 3, 4)
    method = SGA(passes=10, batch=8, small=4, clip=1e9)
    v = find_universal(method, problem_of(some, p), lambda v: float((v * normal).sum())).tensor
    best = RADIUS * (normal.sign() if p == "inf" else normal / normal.norm())
    assert float((v * normal).sum()) == pytest.approx(float((best * normal).sum()), rel=1e-6)


def test_what_is_aggregated_are_the_gradients_of_a_search_that_is_thrown_away():
    some = some_images(9)
    problem, images = problem_of(some), some.at(torch.arange(9))
    clean = some.clean_logits[torch.arange(9)].double()
    pull = Pull(problem, images, clean, away("cross_entropy", 9.0), torch.Generator().manual_seed(7))
    v = 0.1 * torch.randn(some.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    before = v.clone()
    found, seen = pull.aggregated(v, 4, 3, 0.05)
    generator, inner, gradients = torch.Generator().manual_seed(7), v, []
    for _ in range(3 * 9 // 4):
        rows = torch.randperm(9, generator=generator)[:4]
        moving = inner.clone().requires_grad_()
        logits = some.classifier.module((images[rows] + moving).clamp(0, 1))
        (gradient,) = torch.autograd.grad(cross_entropy(logits, clean[rows].argmax(1)).clamp_max(9).mean(), moving)
        gradients.append(gradient)
        inner = (inner + 0.05 * gradient.sign()).clamp(-RADIUS, RADIUS)
    assert seen == 6 * 4
    torch.testing.assert_close(found, torch.stack(gradients).mean(0))
    assert torch.equal(v, before)


@pytest.mark.parametrize(
    ("method", "backward"),
    [
        # 24 images in large batches of 10, 10 and 4: 6, 6 and 3 small ones of 5, 5 and 4 images
        (SGA(passes=2, batch=10, small=5, rounds=3), 2 * 72),
        (UniversalAscent(passes=2, batch=5, large=10, rounds=3), 2 * 72),
        (SGA(passes=2, batch=99, small=7, rounds=2), 2 * 42),  # 48 // 7 = 6 small ones
        (UniversalAscent(passes=2, batch=5), 2 * 24),
    ],
)
def test_passes_are_those_that_a_hook_counts(method, backward):
    some, seen = some_images(), [0, 0]

    def count(module, given, logits):
        seen[0] += len(logits)
        if logits.requires_grad:
            seen[1] += len(logits)

    handle = some.classifier.module.register_forward_hook(count)
    found = find_universal(method, problem_of(some), judge=lambda v: 0.0)
    handle.remove()
    last = found.made["passes"][-1]
    assert [last["forward"], last["backward"]] == seen == [24 + backward, backward]


def test_it_begins_with_nothing_and_returns_the_last():
    some = some_images()
    problem, method = problem_of(some), SGA(passes=3, batch=12)
    assert not method.start(problem).perturbation.any()
    scores = iter([3.0, 2.0, 1.0])
    last = find_universal(method, problem, judge=lambda v: next(scores)).tensor
    state = method.start(problem)
    for number in range(3):
        state = method.advance(problem, state, number)
    assert torch.equal(last, state.perturbation)


def test_momentum_keeps_older_directions():
    some = some_images()
    one, other = (
        find_universal(SGA(passes=3, batch=8, momentum=momentum), problem_of(some)).tensor for momentum in (0.0, 0.9)
    )
    assert not torch.equal(one, other)


def test_the_ascent_that_aggregates_fools():
    some = some_images(60)
    problem = problem_of(some)
    plain = UniversalAscent(passes=6, batch=5)
    rates = [find_universal(one, problem).made["passes"][-1]["score"] for one in (plain, replace(plain, large=20))]
    assert min(rates) > 0.3


def test_large_batches_are_no_smaller_than_small_ones():
    with pytest.raises(InputError, match="large is 5; expected at least 10"):
        UniversalAscent(batch=10, large=5)


@pytest.mark.parametrize("name", ["passes", "batch", "small", "rounds"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(InputError, match=f"{name} is 0; expected at least 1"):
        SGA(**{name: 0})
