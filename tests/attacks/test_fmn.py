"""FMN against algorithm 1, written out again from the paper, and the box that stops it as published."""

import math

import pytest
import torch
from affine import convolutional, middle
from torch import Tensor, nn

from brittle import FMN, Classifier, InputError, Lp, run


def algorithm_1(classifier: Classifier, image: Tensor, label: int, steps: int) -> float:
    """One image in the 2-norm, step by step: the smallest adversarial change."""
    delta, radius, best = torch.zeros_like(image), math.inf, math.inf
    for k in range(steps + 1):
        fall = (1 + math.cos(math.pi * k / steps)) / 2
        alpha, gamma = 0.01 + 0.99 * fall, 0.001 + 0.049 * fall
        leaf = (image + delta)[None].requires_grad_()
        logits = classifier.module(leaf)[0]
        gap = torch.cat([logits[:label], logits[label + 1 :]]).max() - logits[label]
        (slope,) = torch.autograd.grad(gap, leaf)
        gap = float(gap.detach())
        if gap > 0:
            best = min(best, float(delta.norm()))
            shrunk = radius * (1 - gamma)
            radius = shrunk if shrunk < best else best * (1 - gamma)  # a deviation
        elif best < math.inf:
            radius = radius * (1 + gamma)
        else:
            radius = float(delta.norm() + abs(gap) / slope.norm())
        moved = delta + alpha * slope[0] / slope.norm()
        delta = (image + moved * min(1, radius / float(moved.norm()))).clamp(0, 1) - image
    return best


def test_it_is_algorithm_1():
    classifier, images = convolutional(), middle(6)
    labels = classifier.logits(images).argmax(1)
    result = run(FMN(steps=25, inward=False, nudge=0), classifier, images, threat=Lp(2))
    for row, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        assert float(result.size[row]) == pytest.approx(algorithm_1(classifier, image, label, 25), rel=1e-9)


@pytest.mark.parametrize("p", [1, 2])
def test_as_published_the_box_keeps_it_from_ever_arriving(p):
    """The steep value is at the upper end and would have to rise: the ball is used up by what the box cuts off."""
    layer = nn.Linear(4, 2).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, 0, 0, 0], [1000.0, 1.0, 0, 0]]))
        layer.bias.copy_(torch.tensor([0.0, -1000.5]))
    image = torch.tensor([1.0, 0.1, 0.5, 0.5], dtype=torch.float64).reshape(1, 1, 2, 2)
    classifier = Classifier(nn.Sequential(nn.Flatten(), layer))
    assert not run(FMN(steps=300, inward=False), classifier, image, threat=Lp(p)).success
    mended = run(FMN(steps=100), classifier, image, threat=Lp(p))
    assert mended.success
    assert mended.size == pytest.approx(0.4, rel=0.01)


def test_an_image_that_needs_many_values_gets_them_before_the_steps_run_out():
    """All of 400 values have the same small say, and 250 of them are needed; published, the count grows by 1 a step."""
    layer = nn.Linear(400, 2).double()
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[1] = 1 + 1e-3 * torch.arange(400) / 400
        layer.bias.copy_(torch.tensor([0.0, -249.5]))
    classifier, image = Classifier(nn.Sequential(nn.Flatten(), layer)), torch.zeros(1, 1, 20, 20, dtype=torch.float64)
    published, mended = (FMN(first_stride=20, last_stride=20, inward=inward) for inward in (False, True))
    assert not run(published, classifier, image, threat=Lp(0)).success
    assert run(mended, classifier, image, threat=Lp(0)).size == pytest.approx(250, rel=0.02)


@pytest.mark.parametrize("settings", [{"first_gamma": 1.0}, {"last_gamma": -0.1}, {"first_stride": -1.0}, {"steps": 0}])
def test_what_cannot_be_meant_is_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        FMN(**settings)
