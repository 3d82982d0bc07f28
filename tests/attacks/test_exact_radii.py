"""Images and radii in float64 stay so: nothing on the way goes through a narrower type."""

import math
from dataclasses import replace

import pytest
import torch
from affine import affine, convolutional, middle
from cases import CASES, Case
from torch import Tensor

from brittle import FAB, FGSM, PGD, Attack, BasicIterative, Classifier, Lp, Square, run

THIRD = 1 / 3
"""A fraction of a radius that float32 rounds."""
TAKEN = [case for case in CASES if case.threat.bounded]
COUNTED = ("l0", "pixels")


def shortened(case: Case) -> Case:
    """Return the case with a radius that float32 does not hold; counts stay whole."""
    whole = case.threat.name in COUNTED
    return case if whole else replace(case, threat=case.threat.within(float(case.threat.radius) * (1 - THIRD / 7)))


@pytest.mark.parametrize("case", TAKEN, ids=str)
def test_a_radius_given_once_and_one_for_each_image_give_the_same_to_the_last_digits(case: Case):
    """A number of Python's has another way into tensors than a tensor of float64."""
    case = shortened(case)
    images, classifier = middle(4), convolutional()
    each = torch.full((4,), float(case.threat.radius), dtype=torch.float64)
    one, other = (
        run(case.attack, classifier, images, threat=threat, seed=2)
        for threat in (case.threat, case.threat.within(each))
    )
    torch.testing.assert_close(one.adversarial, other.adversarial, rtol=0, atol=1e-13)
    assert torch.equal(one.success, other.success)
    assert torch.equal(one.forward, other.forward)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_comes_back_is_in_float64_and_measured_so(case: Case):
    case = shortened(case) if case.threat.bounded else case
    images = middle(4)
    found = run(case.attack, convolutional(), images, threat=case.threat)
    for column in (found.adversarial, found.size, found.margin, found.l2, found.linf, found.confidence):
        assert column.dtype == torch.float64
    if case.threat.bounded:
        points = found.adversarial if found.field is None else found.field
        size = case.threat.size(images, points)
        assert (size <= float(case.threat.radius) * (1 + 1e-12)).all()
    if case.threat.name in COUNTED:
        kept = found.adversarial == images
        assert (kept.flatten(1).sum(1) >= images[0].numel() - found.l0).all()


@pytest.mark.parametrize(
    ("attack", "p"),
    [
        (FGSM(), math.inf), (FGSM(), 2), (FGSM(), 1), (PGD(steps=4), math.inf), (PGD(steps=6), 2),
        (BasicIterative(step_size=0.01), math.inf), (Square(queries=3), math.inf), (Square(queries=3), 2),
    ],
)  # fmt: skip
def test_the_whole_radius_is_used_and_no_more(attack: Attack, p: float):
    images, radius = middle(4), 0.1 * THIRD
    found = run(attack, Unmoved(), images, torch.zeros(4).long(), threat=Lp(p, radius))
    size = Lp(p).size(images, found.adversarial)
    torch.testing.assert_close(size, torch.full_like(size, radius), rtol=1e-12, atol=0)


class Unmoved(Classifier):
    """Class 0 leads everywhere by far; its lead falls with the sum of some values less the others."""

    def __init__(self):
        classifier = affine(classes=2)
        with torch.no_grad():
            classifier.module[1].bias[0] += 100
        super().__init__(classifier.module)


def looked_at(attack: Attack, images: Tensor, threat: Lp) -> list[Tensor]:
    """Return the points that the network was shown."""
    classifier, seen = Unmoved(), list[Tensor]()
    classifier.module.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    run(attack, classifier, images, torch.zeros(len(images)).long(), threat=threat)
    return seen


@pytest.mark.parametrize("p", [1, 2, math.inf])
def test_a_restart_of_fab_begins_half_the_radius_away(p: float):
    images, radius = middle(4), 0.2 * THIRD
    once, twice = (looked_at(FAB(steps=2, restarts=count), images, Lp(p, radius)) for count in (1, 2))
    first = twice[len(once) - 1]
    half = torch.full((4,), radius / 2, dtype=torch.float64)
    torch.testing.assert_close(Lp(p).size(images, first), half, rtol=1e-12, atol=0)
