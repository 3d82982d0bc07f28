"""The likeliest image near another one, value by value in raster order."""

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor

from brittle.models.generative.logistic_mixture import LogisticMixture
from brittle.models.generative.pixelcnn import PixelCNN
from brittle.models.generative.raster import RasterPass
from brittle.types import Images

SLACK = 1e-4
"""Of a level: what is a level but for rounding counts as that level."""

UNSURE = 1e-7
"""Differences of probabilities are right to 1e-16, so that levels with more than this are told apart by them."""


@torch.no_grad()
def likeliest_near(model: PixelCNN, images: Images, radius: float) -> Images:
    """Move every value of images, in raster order, to the likeliest level within a radius.

    Song et al., ICLR 2018 (PixelDefend, arXiv:1710.10766), algorithm 1: each value given those before it as they have
    become. Everything is computed in float64, so that what becomes of an image depends on no rounding and hence on no
    neighbour; of levels that are equally likely the lowest is taken.

    Args:
        model: in whatever floating type; it is copied.
        images: (n, c, h, w) in [0, 1].
        radius: in units of the images; a value without a level that near becomes the nearest level.

    Returns:
        Images of the same shape and type, with values at levels of the model.

    Example:
        >>> model = PixelCNN(1, width=4, depth=1, levels=5)
        >>> (likeliest_near(model, torch.full((1, 1, 3, 3), 0.5), 0.25) - 0.5).abs().max().item() <= 0.25
        True
    """
    model.prepared(images[:1])
    model, top = deepcopy(model).double(), model.levels - 1
    exact = images.double() * top
    lowest = (exact - radius * top - SLACK).ceil().clamp(0, top)
    highest = (exact + radius * top + SLACK).floor().clamp(0, top)
    nowhere = lowest > highest
    nearest = exact.round().clamp(0, top)
    lowest, highest = torch.where(nowhere, nearest, lowest), torch.where(nowhere, nearest, highest)
    found = torch.empty_like(exact)
    if not len(images):
        return images.clone()
    steps = torch.arange(int((highest - lowest).max()) + 1, dtype=torch.float64, device=images.device)
    count, _, height, width = images.shape
    walk = RasterPass(model, count, height, width)
    for row in range(height):
        for column in range(width):
            mixture = walk.mixture(row, column)
            chosen = choose(mixture, lowest[:, :, row, column], highest[:, :, row, column], steps)
            found[:, :, row, column] = chosen
            walk.fill(row, column, mixture.values(chosen))
    return (found / top).to(images.dtype)


def choose(mixture: LogisticMixture, lowest: Tensor, highest: Tensor, steps: Tensor) -> Tensor:
    """Return the likeliest levels of pixels, channel by channel, each given those chosen before.

    Args:
        mixture: of n pixels.
        lowest: (n, c) levels.
        highest: (n, c) levels.
        steps: 0, 1, ... up to the largest difference of the two.

    Returns:
        (n, c) levels.
    """
    weights, chosen, values = mixture.weights, list[Tensor](), list[Tensor]()
    for channel in range(lowest.shape[1]):
        low, beyond = lowest[:, channel, None], lowest[:, channel, None] + steps > highest[:, channel, None]
        means = mixture.means_given(channel, values)
        likely = _masses(mixture, channel, low + steps, means, weights).masked_fill_(beyond, -1)
        most, best = likely.max(1)
        unsure = most < UNSURE
        if unsure.any():  # far from all means; the logarithms tell what rounding hides
            exact = mixture.components(channel, low + steps, means) + weights[:, None]
            best = torch.where(unsure, exact.logsumexp(-1).masked_fill(beyond, -torch.inf).argmax(1), best)
        level = low[:, 0] + steps[best]
        chosen.append(level)
        if channel < lowest.shape[1] - 1:
            values.append(mixture.values(level))
            weights = weights + mixture.components(channel, level[:, None], means).squeeze(1)
            weights = weights - weights.logsumexp(1, keepdim=True)
    return torch.stack(chosen, 1)


def _masses(mixture: LogisticMixture, channel: int, levels: Tensor, means: Tensor, weights: Tensor) -> Tensor:
    """Probabilities of neighbouring levels (n, m), as the differences of the distribution at m + 1 edges."""
    edges = mixture.values(torch.cat([levels[:, :1] - 0.5, levels + 0.5], 1))
    below = (edges[:, :, None] - means[:, None]).mul_((-mixture.log_scales[:, None, channel]).exp()).sigmoid_()
    whole = torch.bmm(below, weights.exp()[:, :, None])[:, :, 0]
    whole[:, 0].masked_fill_(levels[:, 0] <= 0, 0)
    whole[:, 1:].masked_fill_(levels >= mixture.levels - 1, 1)
    return whole[:, 1:] - whole[:, :-1]


def log_likelihoods(mixture: LogisticMixture, levels: Sequence[Tensor]) -> list[Tensor]:
    """Return log P of the levels (n,) of each channel, given those of the channels before."""
    weights, found, values = mixture.weights, list[Tensor](), list[Tensor]()
    for channel, level in enumerate(levels):
        means = mixture.means_given(channel, values)
        after = weights + mixture.components(channel, level[:, None], means).squeeze(1)
        found.append(after.logsumexp(1) - weights.logsumexp(1))
        weights, values = after, [*values, mixture.values(level)]
    return found
