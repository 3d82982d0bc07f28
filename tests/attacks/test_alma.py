"""ALMA against algorithm 1, written out again from the paper for one image at a time."""

import math
from dataclasses import replace

import pytest
import torch
from affine import affine, convolutional, distance, middle
from torch import Tensor

from brittle import ALMA, Classifier, InputError, Lp, run
from brittle.attacks.alma import penalty_slope
from brittle.core.goal import Targeted


def penalty(d: Tensor, rho: float, mu: float) -> Tensor:
    """P_2, equation 8."""
    return mu * d + mu * rho * d**2 + rho**2 * d**3 / 6 if d >= 0 else mu * d / (1 - rho * d)


def ratio(logits: Tensor, label: int) -> Tensor:
    others = torch.cat([logits[:label], logits[label + 1 :]])
    largest = logits.sort(descending=True).values
    return (logits[label] - others.max() + 1e-4) / (largest[0] - largest[2] + 1e-8)


def first_stride(image: Tensor, slope: Tensor, p: float, wanted: float) -> float:
    """Bisect between 0 and a stride that is too long."""
    low, high = 0.0, 1e9
    for _ in range(200):
        middle_ = (low + high) / 2
        moved = (image - middle_ * slope).clamp(0, 1) - image
        low, high = (low, middle_) if float(moved.norm(p)) > wanted else (middle_, high)
    return (low + high) / 2


def algorithm_1(classifier: Classifier, image: Tensor, label: int, p: float, steps: int) -> tuple[float, float, float]:
    """Return the smallest adversarial change, and mu and rho at the end; checked every 2 steps against half."""
    delta, velocity, square = torch.zeros_like(image), torch.zeros_like(image), torch.ones_like(image)
    mu, rho, before, found, best, stride = 1.0, 1.0, math.inf, math.inf, math.inf, 0.0
    for k in range(steps + 1):
        leaf = delta.clone().requires_grad_()
        logits = classifier.module((image + leaf)[None])[0]
        d = ratio(logits, label)
        value = float(d.detach())
        if int(logits.argmax()) != label:
            best = min(best, float(delta.norm(p)))
        if k == steps:
            break
        if k == 0:
            before = value
        elif (k + 1) % 2 == 0:
            rho = rho * 1.2 if math.isinf(found) and value >= 0.5 * before else rho
            before = value
        if k:
            at = torch.tensor(value, dtype=torch.float64, requires_grad=True)
            (slope,) = torch.autograd.grad(penalty(at, rho, mu), at)
            mu = min(max(0.9 * mu + 0.1 * float(slope), 1e-6), 1e12)
        found = min(found, k) if value < 0 else found
        loss = penalty(d, rho, mu) + (leaf.norm(p) if k else 0)
        (gradient,) = torch.autograd.grad(loss, leaf)
        if k == 0:
            stride = first_stride(image, gradient, p, {1: 0.5, 2: 0.1}[p])
        fallen = 0.01 ** ((k - found) / (steps - found)) if math.isfinite(found) else 1.0
        square = 0.9 * square + 0.1 * gradient**2
        velocity = 0.9 * velocity + gradient / (square.sqrt() + 1e-8)
        delta = (image + delta - stride * fallen * velocity).clamp(0, 1) - image
    return best, mu, rho


@pytest.mark.parametrize("p", [1, 2])
def test_it_is_algorithm_1(p):
    classifier, images = convolutional(), middle(5)
    labels = classifier.logits(images).argmax(1).detach()
    result = run(ALMA(steps=40, check_every=2, improvement=0.5), classifier, images, threat=Lp(p))
    penalties = set()
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        best, _, rho = algorithm_1(classifier, image, int(label), p, 40)
        penalties.add(rho)
        assert float(result.size[row]) == pytest.approx(best, rel=1e-6)
    assert len(penalties) > 1, "some images should have needed a heavier penalty, some not"


def test_the_slope_of_the_penalty_is_its_derivative():
    values = torch.linspace(-3, 3, 41, dtype=torch.float64)
    for value in values:
        at = value.clone().requires_grad_()
        (slope,) = torch.autograd.grad(penalty(at, 1.7, 0.6), at)
        one = torch.ones(1, dtype=torch.float64)
        torch.testing.assert_close(penalty_slope(value[None], 1.7 * one, 0.6 * one)[0], slope)


@pytest.mark.parametrize(("p", "median"), [(1, 1.1), (2, 1.01)])
@pytest.mark.parametrize("classes", [2, 4])
def test_sizes_near_the_closed_form_of_an_affine_network(p, median, classes):
    classifier, images = affine(classes=classes), middle()
    result = run(ALMA(steps=200), classifier, images, threat=Lp(p))
    least = distance(classifier, images, classifier.logits(images).argmax(1), Lp(p).dual)
    fraction = result.size / least
    assert result.success.all()
    assert fraction.min() >= 1 - 1e-9
    assert fraction.median() <= median


@pytest.mark.parametrize("classes", [3, 5])
def test_targets_are_reached_with_few_classes_and_more(classes):
    classifier, images = affine(classes=classes), middle()
    targets = (classifier.logits(images).argmax(1) + 1) % classes
    result = run(ALMA(steps=80), classifier, images, goal=Targeted(targets, confidence=0.02), threat=Lp(2))
    assert result.success.all()
    assert torch.equal(result.prediction, targets)
    assert (result.margin >= 0.02).all()


def test_a_longer_first_step_is_taken_in_any_range_of_values():
    small = run(ALMA(steps=1, first_distance=0.3), convolutional(), middle(), threat=Lp(2), trace=True)
    large = run(ALMA(steps=1, first_distance=0.3), convolutional(scale=255.0), middle() * 255, threat=Lp(2), trace=True)
    shorter = run(ALMA(steps=1), convolutional(), middle(), threat=Lp(2), trace=True)
    torch.testing.assert_close(small.trace, large.trace)
    assert (small.trace[:, 1] > shorter.trace[:, 1]).any()


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 0},
        {"first_distance": 0.0},
        {"smoothing": 1.0},
        {"improvement": -0.1},
        {"growth": 0.9},
        {"last_stride": 0.0},
        {"check_every": 0},
        {"penalty": 0.0},
    ],
)
def test_what_cannot_be_meant_is_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        ALMA(**settings)
    assert replace(ALMA(), steps=3).steps == 3
