"""Searches around an attack: survivors alone, the smallest radius, one after the other."""

from dataclasses import dataclass, replace

import pytest
import torch
from affine import affine, convolutional, distance, middle

from brittle import (
    FGSM,
    PGD,
    Attack,
    Cascade,
    DeepFool,
    InputError,
    Lp,
    RandomNoise,
    Restarts,
    SmallestRadius,
    UnsupportedThreat,
    run,
)
from brittle.core.attack import uses_gradients
from brittle.core.problem import Problem

CALLS: list[list[int]] = []


class Tenth(Lp):
    """Finds every change 0.1 large."""

    def size(self, clean, moved):
        return super().size(clean, moved) * 0 + 0.1


@dataclass(frozen=True)
class Spy(Attack):
    """Notes which images it is given, and breaks those of them that it is told to, at the size it is told."""

    breaks: tuple[int, ...] = ()

    def perturb(self, problem: Problem) -> None:
        CALLS.append(problem.ids.tolist())
        here = [i for i, place in enumerate(problem.ids.tolist()) if place in self.breaks]
        if here:
            some = problem.rows(torch.tensor(here))
            replace(some, threat=Tenth(2, some.threat.radius)).probe(1 - some.images)


@pytest.fixture(autouse=True)
def _fresh():
    CALLS.clear()


def broken_by_inversion(n: int = 12) -> list[int]:
    classifier, images = convolutional(), middle(n)
    return (classifier.logits(images).argmax(1) != classifier.logits(1 - images).argmax(1)).nonzero()[:, 0].tolist()


def test_a_cascade_gives_each_attack_the_survivors():
    able = broken_by_inversion()
    assert len(able) >= 4
    first, second = tuple(able[:2]), tuple(able[1:4])
    run(Cascade((Spy(first), Spy(second), Spy())), convolutional(), middle(), threat=Lp(2, 0.2))
    everyone = list(range(12))
    assert CALLS[0] == everyone
    assert CALLS[1] == [i for i in everyone if i not in first]
    assert CALLS[2] == [i for i in everyone if i not in {*first, *second}]


def test_restarts_run_on_survivors_alone_and_stop_when_there_are_none():
    able = broken_by_inversion()
    images = middle()[able]
    run(Restarts(Spy(tuple(range(len(able)))), 5), convolutional(), images, threat=Lp(2, 0.2))
    assert [list(range(len(able)))] == CALLS
    CALLS.clear()
    run(Restarts(Spy((0,)), 3), convolutional(), images, threat=Lp(2, 0.2))
    assert [list(range(len(able))), list(range(1, len(able))), list(range(1, len(able)))] == CALLS


def test_what_was_found_outside_the_radius_does_not_end_a_cascade():
    """A size of 0.1 is not within 0.05: such images are still survivors."""
    able = tuple(broken_by_inversion())
    run(Cascade((Spy(able), Spy())), convolutional(), middle(), threat=Lp(2, 0.05))
    assert [list(range(12))] * 2 == CALLS


def test_restarts_find_more_than_one_run():
    images, threat = middle(40), Lp("inf", 0.08)
    once, often = (run(Restarts(RandomNoise(1), n), convolutional(), images, threat=threat) for n in (1, 20))
    assert often.success.sum() > once.success.sum()
    assert (often.success >= once.success).all()
    same = run(RandomNoise(20), convolutional(), images, threat=threat)
    assert torch.equal(often.adversarial, same.adversarial)


@pytest.mark.parametrize("p", [2.0, torch.inf])
@pytest.mark.parametrize("inner", [FGSM(), PGD(steps=3, random_start=False, loss="margin")], ids=["fgsm", "pgd"])
def test_the_smallest_radius_is_the_closed_form_for_two_classes(inner, p):
    classifier, images = affine(classes=2), middle()
    labels = classifier.logits(images).argmax(1)
    result = run(SmallestRadius(inner, steps=20), classifier, images, threat=Lp(p))
    least = distance(classifier, images, labels, Lp(p).dual)
    assert result.success.all()
    assert (result.size >= least * (1 - 1e-9)).all()
    assert (result.size <= least * 1.01).all()
    assert least.max() > 1.5 * least.min()


def test_the_smallest_radius_keeps_within_a_given_radius_per_image():
    classifier, images = affine(classes=2), middle()
    least = distance(classifier, images, classifier.logits(images).argmax(1), 2)
    radius = least * torch.tensor([0.9, 1.2], dtype=torch.float64).repeat(6)
    result = run(SmallestRadius(FGSM(), steps=20), classifier, images, threat=Lp(2, radius), batch=5)
    assert torch.equal(result.success, radius > least)
    assert (result.l2 <= radius + 1e-6).all()


def test_the_smallest_radius_around_a_random_search_ends_within_what_it_found():
    result = run(SmallestRadius(RandomNoise(4), steps=8), convolutional(), middle(), threat=Lp(0))
    assert result.success.any()
    assert (result.size[result.success] >= 1).all()
    coarse = run(SmallestRadius(RandomNoise(4), steps=5), convolutional(), middle(), threat=Lp(0))
    assert (result.size <= coarse.size).all()


def test_combinators_refuse_what_their_attacks_refuse():
    for attack in (Restarts(FGSM()), Cascade((RandomNoise(), FGSM())), SmallestRadius(FGSM())):
        with pytest.raises(UnsupportedThreat, match="FGSM cannot measure changes by l0; it knows l1, l2, linf"):
            run(attack, convolutional(), middle(), threat=Lp(0, 2))
    with pytest.raises(InputError, match=r"FGSM works within a radius .*Lp\('2', radius\) .*SmallestRadius\(FGSM"):
        run(Cascade((DeepFool(), FGSM())), convolutional(), middle(), threat=Lp(2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Restarts(FGSM(), 0), "count is 0; expected at least 1"),
        (lambda: Cascade(()), "the number of attacks is 0; expected at least 1"),
        (lambda: SmallestRadius(FGSM(), steps=0), "steps is 0; expected at least 1"),
        (lambda: SmallestRadius(FGSM(), first=0.0), "first is 0.0; expected a fraction"),
        (lambda: SmallestRadius(FGSM(), first=1.5), "first is 1.5; expected a fraction"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@dataclass(frozen=True)
class Both(Attack):
    """Built around two attacks, one of them beside a setting, and needs gradients for itself as far as it says."""

    first: Attack
    rest: tuple[object, ...] = ()
    settings: int = 3

    def perturb(self, problem: Problem) -> None: ...


def test_a_search_needs_gradients_where_one_of_its_attacks_does():
    blind, seeing = RandomNoise(1), PGD()
    assert not uses_gradients(blind)
    assert uses_gradients(seeing)
    for attack, expected in (
        (Cascade((blind, seeing)), True),
        (Cascade((seeing, blind)), True),
        (Cascade((blind, blind)), False),
        (Restarts(SmallestRadius(blind)), False),
        (Restarts(SmallestRadius(seeing)), True),
        (Restarts(Cascade((blind, Restarts(seeing)))), True),
        (Both(blind, (2, blind)), False),
        (Both(blind, (2, seeing)), True),
        (Both(seeing, (2, blind)), True),
    ):
        assert uses_gradients(attack) is expected, attack
    assert Both(blind, (2, seeing)).parts() == [blind, seeing]
    assert PGD().parts() == []


@dataclass(frozen=True)
class Radii(Attack):
    """Notes the radii that it is given, and finds something at some of them."""

    found: float = 2.0

    def perturb(self, problem: Problem) -> None:
        RADII.append(problem.threat.radius.clone())
        size = torch.as_tensor(problem.threat.radius).clamp_max(0.99)
        broken = (size >= self.found).nonzero()[:, 0]
        problem.record.size[problem.ids[broken]] = size[broken]


RADII: list[torch.Tensor] = []


def test_the_smallest_radius_doubles_up_to_the_radius_given_and_then_bisects():
    """To the last bit: no radius is beyond the one given; the first is that share of it."""
    images, given = middle(3), torch.tensor([0.3, 0.7, 1 / 3], dtype=torch.float64)
    for radius in (0.3, given):
        RADII.clear()
        run(SmallestRadius(Radii(), steps=5, first=1 / 8), convolutional(), images, threat=Lp(2, radius))
        expected = [radius * part + torch.zeros(3, dtype=torch.float64) for part in (1 / 8, 1 / 4, 1 / 2, 1, 1)]
        for tried, one in zip(RADII, expected, strict=True):
            assert torch.equal(tried, one)
    RADII.clear()
    run(SmallestRadius(Radii(found=0.5), steps=5, first=1 / 4), convolutional(), images[:1], threat=Lp(2, 0.96))
    assert [float(tried) for tried in RADII] == pytest.approx([0.24, 0.48, 0.96, 0.72, 0.6])
