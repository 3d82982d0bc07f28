"""The likeliest image near another one, value by value in raster order."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

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
    if not len(images):
        return images.clone()
    model, top = deepcopy(model).double(), model.levels - 1
    near = _Near.of(images.double() * top, radius * top, model)
    found = torch.empty_like(images, dtype=torch.float64)
    count, channels, height, width = images.shape
    walk = RasterPass(model, count, height, width)
    for row in range(height):
        for column in range(width):
            levels = near.likeliest(walk.mixture(row, column), range(channels), row, column)
            found[:, :, row, column] = levels
            walk.fill(row, column, levels * (2 / top) - 1)
    return (found / top).to(images.dtype)


@dataclass(frozen=True)
class _Near:
    """The levels near every value: windows of equally many, some of which may be too low.

    What can be known before the pass is made ready here, as a pass asks pixel after pixel.

    Attributes:
        first: (h, w, c, n), the lowest level of each window; it may lie below 0.
        lowest: (h, w, c, n), the lowest level that a value may take.
        ragged: [h][w][c], whether a window holds levels from 0 on that are below its value's lowest one.
        edges: a row for every first level, from the lowest on, with the values from -1 to 1 at the m + 1 edges of m
            levels. Below level 0 and from the top on they are infinite, so that the lowest and the highest level take
            what lies beyond, and what is no level takes nothing.
        steps: 0 ... m - 1.
        room: (components, n, m + 1), for what is computed at a pixel.
    """

    first: Tensor
    lowest: Tensor
    ragged: list[list[list[bool]]]
    edges: Tensor
    steps: Tensor
    room: Tensor

    @classmethod
    def of(cls, exact: Tensor, radius: float, model: PixelCNN) -> "_Near":
        """Find the levels within a radius of values (n, c, h, w), all in units of levels."""
        top = model.levels - 1
        lowest, highest = (exact - radius - SLACK).ceil().clamp(0, top), (exact + radius + SLACK).floor().clamp(0, top)
        nowhere, nearest = lowest > highest, exact.round().clamp(0, top)
        lowest, highest = torch.where(nowhere, nearest, lowest), torch.where(nowhere, nearest, highest)
        count = int((highest - lowest).max()) + 1
        lowest, highest = (one.permute(2, 3, 1, 0).long().contiguous() for one in (lowest, highest))
        first = highest - count + 1
        steps = torch.arange(count, device=exact.device)
        edges = (torch.arange(1 - count, top + 2, dtype=exact.dtype, device=exact.device) - 0.5) * (2 / top) - 1
        edges[:count], edges[-1] = -torch.inf, torch.inf
        ragged = (lowest > first.clamp_min(0)).any(3).tolist()
        room = exact.new_empty((model.mixtures, len(exact), count + 1))
        return cls(first, lowest, ragged, edges.unfold(0, count + 1, 1).contiguous(), steps, room)

    def likeliest(self, mixture: LogisticMixture, channels: range, row: int, column: int) -> Tensor:
        """Return the likeliest levels (n, c) at a pixel, channel by channel, each given those chosen before."""
        weights, chosen, values = mixture.weights, list[Tensor](), list[Tensor]()
        for channel in channels:
            means = mixture.means_given(channel, values)
            level = self._likeliest(mixture, channel, means, weights, row, column)
            chosen.append(level)
            if channel < channels[-1]:
                values.append(mixture.values(level))
                weights = weights + mixture.components(channel, level[:, None], means).squeeze(1)
                weights = weights - weights.logsumexp(1, keepdim=True)
        return torch.stack(chosen, 1)

    def _likeliest(
        self, mixture: LogisticMixture, channel: int, means: Tensor, weights: Tensor, row: int, column: int
    ) -> Tensor:
        """Compare the differences of the distribution at the edges of levels."""
        first, lowest = self.first[row, column, channel], self.lowest[row, column, channel]
        edges = self.edges.index_select(0, first + (len(self.steps) - 1))
        inverse = (-mixture.log_scales[:, channel]).exp()
        below = torch.sub(edges, means.T[:, :, None], out=self.room)  # (components, n, m + 1)
        below.mul_(inverse.T[:, :, None]).sigmoid_().mul_(weights.exp().T[:, :, None])
        likely = below.sum(0).diff()
        if self.ragged[row][column][channel]:
            likely.masked_fill_(self.steps < (lowest - first)[:, None], -1)
        most, best = likely.max(1)
        unsure = most < UNSURE
        if unsure.any():  # far from all means; the logarithms tell what rounding hides
            levels = first[unsure, None] + self.steps
            exact = mixture.only(unsure).components(channel, levels, means[unsure]) + weights[unsure, None]
            best[unsure] = exact.logsumexp(-1).masked_fill(levels < lowest[unsure, None], -torch.inf).argmax(1)
        return first + best


def log_likelihoods(mixture: LogisticMixture, levels: Sequence[Tensor]) -> list[Tensor]:
    """Return log P of the levels (n,) of each channel, given those of the channels before."""
    weights, found, values = mixture.weights, list[Tensor](), list[Tensor]()
    for channel, level in enumerate(levels):
        means = mixture.means_given(channel, values)
        after = weights + mixture.components(channel, level[:, None], means).squeeze(1)
        found.append(after.logsumexp(1) - weights.logsumexp(1))
        weights, values = after, [*values, mixture.values(level)]
    return found
