"""Patches and frames of single images: against the closed form of two linear classes, and by brute force."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from brittle import Classifier, Frame, Patch, PatchAscent, RandomNoise, SmallestRadius, run

SHAPE = (2, 6, 7)


def linear(offset: float = 0.0) -> Classifier:
    layer = nn.Linear(84, 2).double()
    with torch.no_grad():
        generator = torch.Generator().manual_seed(4)
        layer.weight.copy_(torch.randn(2, 84, generator=generator, dtype=torch.float64))
        layer.bias.copy_(torch.tensor([offset, 0.0]) - layer.weight.sum(1) / 2)
    return Classifier(nn.Sequential(nn.Flatten(), layer))


def images(count: int = 40) -> Tensor:
    return torch.rand((count, *SHAPE), generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def best_gains(classifier: Classifier, clean: Tensor) -> tuple[Tensor, Tensor]:
    """What each pixel can take from the margin, (n, h, w), and the margins, (n,)."""
    weight = classifier.module[1].weight.detach()
    logits = classifier.logits(clean)
    sign = torch.where(logits[:, 0] >= logits[:, 1], 1.0, -1.0).double()
    slope = (sign[:, None] * (weight[1] - weight[0])).reshape(-1, *SHAPE)
    return (slope * torch.where(slope > 0, 1 - clean, -clean)).sum(1), (logits[:, 0] - logits[:, 1]).abs()


def covered_best(gain: Tensor, side: int) -> Tensor:
    """The most that a patch of a side takes, over all places, (n,)."""
    places = itertools.product(range(max(1, 7 - side)), range(max(1, 8 - side)))
    return torch.stack([gain[:, top : top + side, left : left + side].sum((1, 2)) for top, left in places]).amax(0)


@pytest.mark.parametrize("side", [1, 2, 3, 6, 7])
def test_a_patch_breaks_every_image_that_one_can_break(side):
    classifier, clean = linear(), images()
    gain, margin = best_gains(classifier, clean)
    result = run(PatchAscent(restarts=1), classifier, clean, threat=Patch(float(side)))
    assert torch.equal(result.success, covered_best(gain, side) > margin)
    assert bool((result.size[result.success] <= side).all())


@pytest.mark.parametrize("width", [1, 2])
def test_a_frame_breaks_every_image_that_one_can_break(width):
    classifier, clean = linear(8.0), images()
    gain, margin = best_gains(classifier, clean)
    inside = torch.ones(6, 7, dtype=torch.bool)
    inside[width:-width, width:-width] = False
    result = run(PatchAscent(restarts=1), classifier, clean, threat=Frame(float(width)))
    possible = gain[:, inside].sum(1) > margin
    assert int(possible.sum()) > 0
    assert torch.equal(result.success, possible)


def test_the_smallest_patch_is_found_by_bisection():
    classifier, clean = linear(), images()
    gain, margin = best_gains(classifier, clean)
    sides = torch.stack([covered_best(gain, side) > margin for side in range(1, 8)]).int().argmax(0) + 1
    result = run(SmallestRadius(PatchAscent(restarts=1)), classifier, clean, threat=Patch())
    assert torch.equal(result.size, sides.double())


def test_other_places_are_tried_where_the_first_one_fails():
    """Where the gradient points to a corner that does nothing more, another place is needed."""

    class Saturating(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            corner = 5 * torch.tanh(9 * x[:, :, :2, :2].flatten(1).mean(1)) / 9
            rest = x[:, :, 3:, 3:].flatten(1).mean(1)
            return torch.stack([torch.ones_like(rest), corner + 1.5 * rest], 1)

    clean = torch.full((3, *SHAPE), 0.05, dtype=torch.float64)
    once = run(PatchAscent(restarts=1), Classifier(Saturating()), clean, threat=Patch(4.0))
    again = run(PatchAscent(restarts=40), Classifier(Saturating()), clean, threat=Patch(4.0))
    assert not once.success.any()
    assert again.success.all()


def test_it_finds_more_than_random_patches():
    classifier, clean = linear(), images()
    found = run(PatchAscent(), classifier, clean, threat=Patch(2.0)).success.sum()
    assert found > run(RandomNoise(100), classifier, clean, threat=Patch(2.0)).success.sum() + 5
