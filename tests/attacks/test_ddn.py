"""DDN against algorithm 1, written out again from the paper, and what it does where that has no answer."""

import math

import pytest
import torch
from affine import convolutional, middle
from torch import Tensor, nn
from torch.nn import functional

from brittle import DDN, Classifier, InputError, Lp, run


def algorithm_1(classifier: Classifier, image: Tensor, label: Tensor, steps: int) -> tuple[float, list[bool]]:
    """One image, step by step; the smallest adversarial change and which steps were adversarial."""
    delta, radius, best, met = torch.zeros_like(image), 0.1, math.inf, []
    for k in range(steps + 1):
        leaf = (image + delta)[None].requires_grad_()
        logits = classifier.module(leaf)
        met.append(bool(logits.argmax(1) != label))
        best = min(best, float(delta.norm())) if met[-1] else best
        (slope,) = torch.autograd.grad(functional.cross_entropy(logits, label[None]), leaf)
        alpha = 0.01 + 0.99 * (1 + math.cos(math.pi * k / steps)) / 2
        moved = delta + alpha * slope[0] / slope.norm()
        radius = min(radius * (0.95 if met[-1] else 1.05), float(torch.maximum(image, 1 - image).norm()))
        delta = (image + radius * moved / moved.norm()).clamp(0, 1) - image
    return best, met


def test_it_is_algorithm_1():
    classifier, images = convolutional(), middle(6)
    labels = classifier.logits(images).argmax(1).detach()
    result = run(DDN(steps=30, radius=0.1), classifier, images, threat=Lp(2))
    turns = 0
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        best, met = algorithm_1(classifier, image, label, 30)
        turns += any(met) and not all(met[1:])
        assert float(result.size[row]) == pytest.approx(best, rel=1e-9)
    assert turns >= 3


def test_where_there_is_no_slope_it_looks_around():
    """Flat up to a wall: only a random direction finds it, another one for every image and seed."""

    class Wall(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            far = (x - 0.5).flatten(1).norm(dim=1) > 0.3
            return torch.stack([torch.ones_like(far).double(), 3.0 * far], 1) * 2 + 0 * x.flatten(1)[:, :2]

    images = torch.full((3, 1, 2, 2), 0.5, dtype=torch.float64)
    result = run(DDN(steps=20), Classifier(Wall()), images, threat=Lp(2))
    assert result.success.all()
    changes = (result.adversarial - images).flatten(1)
    assert not torch.allclose(changes[0], changes[1])


def test_levels_round_to_pixels_that_a_file_can_hold():
    classifier = convolutional()
    for span in (1.0, 255.0):
        network = convolutional(scale=span)
        result = run(DDN(steps=20, levels=256), network, (middle() * 255).round() / 255 * span, threat=Lp(2))
        found = result.adversarial[result.success] / span * 255
        assert len(found)
        torch.testing.assert_close(found, found.round(), atol=1e-9, rtol=0)
    free = run(DDN(steps=20), classifier, middle(), threat=Lp(2)).adversarial * 255
    assert not torch.allclose(free, free.round(), atol=1e-3)


@pytest.mark.parametrize("settings", [{"gamma": 1.0}, {"radius": 0.0}, {"levels": 1}, {"steps": 0}])
def test_what_cannot_be_meant_is_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        DDN(**settings)
