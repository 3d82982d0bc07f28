"""Changes of so many pixels, by any amount."""

import math
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from brittle.base.bounds import Bounds
from brittle.base.seeds import Streams
from brittle.threats.threat import Array, Threat
from brittle.types import Images, PerImage


@dataclass(frozen=True)
class Pixels(Threat):
    """A change of at most so many pixels, each in all of its channels and by any amount.

    Args:
        radius: the number of pixels; a pixel counts once, however many of its channels change.

    Example:
        >>> Pixels(1).size(torch.zeros(1, 3, 2, 2), torch.eye(2).expand(1, 3, 2, 2))
        tensor([2.])
    """

    counts: ClassVar[bool] = True
    title: ClassVar[str] = "pixels"
    default_radius: ClassVar[float] = 1.0
    kind: ClassVar[str] = "changes of a few pixels"

    @property
    def name(self) -> str:
        """`pixels`."""
        return "pixels"

    def sentence(self, size: str) -> str:
        """Return what a change of at most so many pixels is."""
        return f"A change of at most {size} {'pixel' if size == '1' else 'pixels'}, by any amount"

    def measured(self, clean: Array, moved: Array) -> Array:
        """Count the pixels that differ, by numpy."""
        return (np.abs(moved - clean) > 0).any(axis=1).reshape(len(moved), -1).sum(axis=1).astype(np.float64)

    def size(self, clean: Images, moved: Images) -> PerImage:
        """Count the pixels that differ in any channel."""
        return differing(clean, moved).flatten(1).sum(1).to(clean.dtype)

    def project(self, clean: Images, moved: Images) -> Images:
        """Keep the pixels that changed most (by the 2-norm over channels), put the others back."""
        change = (moved - clean).norm(dim=1).flatten(1)
        ranks = change.argsort(dim=1, descending=True, stable=True).argsort(1)
        kept = (ranks < torch.as_tensor(self.radius, device=clean.device).reshape(-1, 1)).reshape(
            len(clean), 1, *clean.shape[2:]
        )
        return torch.where(kept, moved, clean)

    def draw(self, clean: Images, streams: Streams, ids: Tensor, bounds: Bounds) -> Images:
        """Give a random set of `radius` pixels any values."""
        ranks = streams.uniform(ids, tuple(clean.shape[2:])).flatten(1).argsort(1).argsort(1)
        chosen = (ranks < torch.as_tensor(self.radius, device=clean.device).reshape(-1, 1)).reshape(
            len(clean), 1, *clean.shape[2:]
        )
        return torch.where(chosen, anywhere(tuple(clean.shape[1:]), streams, ids, bounds), clean)

    def max_size(self, clean: Images, bounds: Bounds) -> PerImage:
        """Count all pixels: the box lets every one of them change."""
        return torch.full((len(clean),), float(math.prod(clean.shape[2:])), dtype=clean.dtype, device=clean.device)


def differing(clean: Images, moved: Images) -> Tensor:
    """Say which pixels differ in any channel, (n, h, w)."""
    return reduce(torch.logical_or, (moved != clean).unbind(1))  # a quarter faster than `any` over so few


def anywhere(shape: tuple[int, ...], streams: Streams, ids: Tensor, bounds: Bounds) -> Images:
    """Draw values from the whole box, (n, *shape)."""
    return streams.uniform(ids, shape) * bounds.span + bounds.lower
