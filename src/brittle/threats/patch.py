"""Patches: a square at any place, with any content."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from brittle.base.bounds import Bounds
from brittle.base.seeds import Streams
from brittle.threats.pixels import anywhere, differing
from brittle.threats.stuck import Stuck
from brittle.threats.threat import Array
from brittle.types import Images, PerImage

USUAL = 50 / 224
"""Side of a patch as a fraction of the shorter side: Pintor et al., "ImageNet-Patch", Pattern Recognition 2023."""


@dataclass(frozen=True)
class Patch(Stuck):
    """A change within a square of so many pixels a side, at any place and by any amount.

    Brown et al., "Adversarial patch", 2017 (arXiv:1712.09665). As a change of one image it lies where it does most; put
    on all images it lies anywhere, at a place drawn for each. The size of a change is the side of the smallest square
    around all pixels that differ.

    Args:
        radius: the side in pixels.

    Example:
        >>> clean = torch.zeros(1, 3, 8, 8)
        >>> moved = clean.clone()
        >>> moved[0, :, 2:4, 3:6] = 1
        >>> Patch().size(clean, moved)
        tensor([3.])
    """

    placed: ClassVar[bool] = True
    title: ClassVar[str] = "patch"
    default_radius: ClassVar[float] = 5.0
    kind: ClassVar[str] = "patches"
    radius: float | Tensor = torch.inf

    @property
    def name(self) -> str:
        """`patch`."""
        return "patch"

    def sentence(self, size: str) -> str:
        """Return what a patch of at most this size is."""
        return f"A square patch of at most {size} a side, anywhere, with any content"

    def usual_radius(self, shape: Sequence[int]) -> tuple[float, str] | None:
        """Return 50 of 224 pixels, and as much of smaller images."""
        return float(max(1, round(USUAL * min(shape[1:])))), "ImageNet-Patch"

    def size(self, clean: Images, moved: Images) -> PerImage:
        """Measure the side of the smallest square around all pixels that differ."""
        differs = differing(clean, moved)
        return torch.maximum(*(_extent(differs.any(axis)) for axis in (1, 2))).to(clean.dtype)

    def measured(self, clean: Array, moved: Array) -> Array:
        """Measure the same by numpy."""
        differs = np.asarray((np.abs(moved - clean) > 0).any(axis=1))
        found = np.zeros(len(moved))
        for number, one in enumerate(differs):
            places = np.argwhere(one)
            found[number] = 0 if not len(places) else (places.max(axis=0) - places.min(axis=0)).max() + 1
        return found

    def project(self, clean: Images, moved: Images) -> Images:
        """Keep the square in which most changed (by the 2-norm), put the rest back."""
        change = (moved - clean).square().sum(1, keepdim=True)
        kept = torch.zeros_like(change, dtype=torch.bool)
        sides = torch.as_tensor(self.radius, device=clean.device).expand(len(clean))
        sides = sides.clamp_max(max(clean.shape[2:])).floor().int()
        for side in sides.unique().tolist():
            rows = (sides == side).nonzero()[:, 0]
            kept[rows] = _best_square(change[rows], side) if side else kept[rows]
        return torch.where(kept, moved, clean)

    def draw(self, clean: Images, streams: Streams, ids: Tensor, bounds: Bounds) -> Images:
        """Give a square at a random place any values."""
        unit, (height, width) = streams.uniform(ids, (2,)), clean.shape[2:]
        sides = torch.as_tensor(self.radius, device=clean.device).expand(len(clean)).floor()
        top, left = (
            (unit[:, axis] * (length + 1 - sides.clamp_max(length))).floor()
            for axis, length in enumerate((height, width))
        )
        inside = _inside(top, left, sides, sides, clean)
        return torch.where(inside, anywhere(tuple(clean.shape[1:]), streams, ids, bounds), clean)

    def max_size(self, clean: Images, bounds: Bounds) -> PerImage:
        """Return the longer side of the image."""
        return torch.full((len(clean),), float(max(clean.shape[2:])), dtype=clean.dtype, device=clean.device)

    def change_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return a square, as far as the image is large enough."""
        channels, height, width = shape
        return channels, min(self.side, height), min(self.side, width)

    def put_on(
        self, images: Images, change: Tensor, bounds: Bounds, ids: Tensor | None = None, seed: int = 0
    ) -> Images:
        """Return images with the patch, each at a place that is drawn uniformly."""
        count, _, height, width = images.shape
        every = torch.arange(count, device=images.device)
        unit = Streams(seed, every if ids is None else ids.to(images.device)).uniform(every, (2,))
        at = every[:, None, None]
        rows = _places(unit[:, 0], height, change.shape[1])[:, :, None]
        columns = _places(unit[:, 1], width, change.shape[2])[:, None, :]
        content = bounds.clamp(change).to(images).permute(1, 2, 0).expand(count, -1, -1, -1)
        return images.permute(0, 2, 3, 1).index_put((at, rows, columns), content).permute(0, 3, 1, 2).contiguous()

    def change_size(self, change: Tensor) -> float:
        """Return the longer side."""
        return float(max(change.shape[-2:]))


def _extent(differs: Tensor) -> Tensor:
    """Return how long a line is from the first to the last of the places that differ, (n, length)."""
    length = differs.shape[1]
    first = differs.int().argmax(1)
    last = length - 1 - differs.flip(1).int().argmax(1)
    return torch.where(differs.any(1), last - first + 1, 0)


def _best_square(change: Tensor, side: int) -> Tensor:
    """Say which pixels lie in the square of most change, (n, 1, h, w)."""
    height, width = change.shape[2:]
    rows, columns = min(side, height), min(side, width)
    sums = functional.avg_pool2d(change, (rows, columns), stride=1, divisor_override=1).flatten(1)
    best, across = sums.argmax(1), width - columns + 1
    return _inside(best // across, best % across, rows, columns, change)


def _inside(top: Tensor, left: Tensor, rows: Tensor | int, columns: Tensor | int, images: Images) -> Tensor:
    """Say which pixels lie in rectangles that begin at a row and a column of each image, (n, 1, h, w)."""
    lines = (torch.arange(length, device=images.device) for length in images.shape[2:])
    down, along = (
        (line >= first[:, None]) & (line < (first + length)[:, None])
        for line, first, length in zip(lines, (top, left), (rows, columns), strict=True)
    )
    return down[:, None, :, None] & along[:, None, None, :]


def _places(unit: Tensor, length: int, side: int) -> Tensor:
    """Return which rows (or columns) a patch covers, drawn from numbers in [0, 1), (n, side)."""
    first = (unit * (length - side + 1)).long().clamp_max(length - side)
    return first[:, None] + torch.arange(side, device=unit.device)
