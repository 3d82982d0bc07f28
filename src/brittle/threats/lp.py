"""Changes measured by a norm."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from brittle.arguments import fitted
from brittle.base.bounds import Bounds
from brittle.base.rows import column
from brittle.base.seeds import Streams
from brittle.errors import InputError
from brittle.maths import norms
from brittle.maths.elementary import power
from brittle.threats.pixels import anywhere
from brittle.threats.shared import SharedThreat
from brittle.threats.threat import Array
from brittle.types import Images, PerImage

USUAL = (
    (1, 28, 32, {math.inf: 0.3, 2.0: 2.0, 1.0: 10.0}, "MNIST"),
    (3, 32, 64, {math.inf: 8 / 255, 2.0: 0.5, 1.0: 12.0}, "CIFAR-10"),
    (3, 128, 1024, {math.inf: 4 / 255, 2.0: 3.0}, "ImageNet"),
)
"""Channels, sides from and to, the usual radius of each norm, and for which data: RobustBench (Croce et al., NeurIPS
2021 Datasets and Benchmarks, arXiv:2010.09670) for CIFAR-10 and ImageNet; for MNIST Madry et al., ICLR 2018
(arXiv:1706.06083), in l2 and l1 Maini et al., ICML 2020 (arXiv:1909.04068), who also have 12 on CIFAR-10. In l1 nothing
is usual on ImageNet: 60 and 255 are published."""
_NAMED = {"l0": 0.0, "l1": 1.0, "l2": 2.0, "linf": math.inf, "0": 0.0, "1": 1.0, "2": 2.0, "inf": math.inf}


@dataclass(frozen=True, init=False)
class Lp(SharedThreat):
    """A change measured by a p-norm over all channel values.

    Args:
        p: 0, 1, 2 or inf, as a number or as text ("inf", "linf", "l2").
        radius: in the units of the images; infinite by default.

    Raises:
        InputError: another p, or a radius that is negative or not a number.

    Example:
        >>> Lp("inf", 8 / 255).name, Lp(2).radius
        ('linf', inf)
    """

    p: float

    def __init__(self, p: float | str, radius: float | Tensor = math.inf):
        number = (
            _NAMED.get(p.lower()) if isinstance(p, str) else p if isinstance(p, float) else fitted("the norm", p, float)
        )
        if number not in (0.0, 1.0, 2.0, math.inf):
            raise InputError(f"the norm is {p!r}; expected 0, 1, 2 or 'inf'")
        number = float(number)
        object.__setattr__(self, "p", number)
        object.__setattr__(self, "radius", radius)
        self.__post_init__()

    @property
    def name(self) -> str:
        """`l0`, `l1`, `l2` or `linf`."""
        return f"l{self.p:g}"

    @property
    def title(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]  # one class is all norms
        """L0, L1, L2 or L∞."""
        return "L∞" if self.p == math.inf else f"L{self.p:g}"

    @property
    def levels(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether sizes are written in 1/255: those of the largest change."""
        return self.p == math.inf

    @property
    def default_radius(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """RobustBench's for linf and l2 (CIFAR-10), Croce & Hein's for l1, ten values for l0."""
        return {0.0: 10.0, 1.0: 12.0, 2.0: 0.5}.get(self.p, 8 / 255)

    @property
    def kind(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Such as "changes measured in L2"."""
        return f"changes measured in {self.title}"

    def sentence(self, size: str) -> str:
        """Return what a change of at most this size is."""
        return {
            0.0: f"A change of at most {size} pixel values, each by any amount",
            1.0: f"A change that adds up to at most {size} over all pixel values (L1)",
            2.0: f"A change of length at most {size} (L2)",
        }.get(self.p, f"A change of at most {size} per pixel value")

    def usual_radius(self, shape: Sequence[int]) -> tuple[float, str] | None:
        """Return the usual radius of images like those of MNIST, CIFAR-10 or ImageNet."""
        channels, *sides = shape
        for known, least, most, usual, name in USUAL:
            if self.p in usual and channels == known and all(least <= side <= most for side in sides):
                return usual[self.p], name
        return None

    @property
    def counts(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]  # one class is all norms
        """Whether it counts the entries that differ."""
        return self.p == 0

    @property
    def constructor_hint(self) -> str:
        """How the threat is made with a radius, for messages."""
        return f"Lp('{self.p:g}', radius)"

    @property
    def dual(self) -> float:
        """The exponent q of the dual norm, 1/p + 1/q = 1, by which distances to hyperplanes are measured."""
        return norms.dual(self.p)

    def size(self, clean: Images, moved: Images) -> PerImage:
        """Measure the p-norm of the difference."""
        return norms.size(moved - clean, self.p, ours=True)

    def project(self, clean: Images, moved: Images) -> Images:
        """Project the difference on the ball; the box is the probe's business."""
        return norms.project(moved - clean, self.p, self.radius, ours=True).add_(clean)

    def measured(self, clean: Array, moved: Array) -> Array:
        """Measure the p-norm of the difference by numpy."""
        flat = np.abs(moved - clean).reshape(len(moved), -1)
        if self.p == 0:
            return (flat > 0).sum(axis=1).astype(np.float64)
        return np.linalg.norm(flat, self.p, axis=1)

    def steepest(self, gradient: Images) -> Images:
        """Return the direction of p-norm 1 along which a function with this gradient grows fastest."""
        return norms.steepest(gradient, self.p)

    def draw(self, clean: Images, streams: Streams, ids: Tensor, bounds: Bounds) -> Images:
        """Draw uniformly from the ball (for p = 0: any values at a random set of `radius` entries)."""
        shape = tuple(clean.shape[1:])
        if self.p == math.inf:
            unit = streams.uniform(ids, shape) * 2 - 1
        elif self.p == 0:
            ranks = streams.uniform(ids, shape).flatten(1).argsort(1).argsort(1).reshape(clean.shape)
            return torch.where(ranks < column(self.radius, clean), anywhere(shape, streams, ids, bounds), clean)
        else:
            spread = (
                streams.normal(ids, shape)
                if self.p == 2
                else streams.exponential(ids, shape) * streams.signs(ids, shape)
            )
            inside = power(streams.uniform(ids, ()), 1 / math.prod(shape))
            unit = spread * column(inside / norms.size(spread, self.p), spread)
        return clean + column(self.radius, clean) * unit

    def max_size(self, clean: Images, bounds: Bounds) -> PerImage:
        """Measure the change to the farthest corner of the box."""
        return norms.size(torch.maximum(clean - bounds.lower, bounds.upper - clean), self.p)

    @property
    def exponent(self) -> float:
        """The norm's own."""
        return self.p

    def change_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return the images' shape."""
        return shape

    def blank_change(self, shape: tuple[int, int, int], bounds: Bounds) -> Tensor:
        """Return nothing added."""
        return torch.zeros(shape)

    def put_on(
        self, images: Images, change: Tensor, bounds: Bounds, ids: Tensor | None = None, seed: int = 0
    ) -> Images:
        """Add the change and clamp."""
        return bounds.clamp(images + change.to(images))

    def project_change(self, change: Tensor, bounds: Bounds) -> Tensor:
        """Return the nearest change within the radius, whose values do not exceed the span.

        Beyond the span a value changes no image more.
        """
        return norms.project(change[None], self.p, self.radius)[0].clamp(-bounds.span, bounds.span)

    def change_size(self, change: Tensor) -> float:
        """Measure the p-norm."""
        return float(norms.size(change[None], self.p)[0])

    def reach(self, bounds: Bounds) -> float:
        """Return the radius."""
        return float(self.radius)

    def draw_change(self, shape: tuple[int, int, int], streams: Streams) -> Tensor:
        """Draw uniformly in the box for linf, of the radius' length for others."""
        nothing, first = torch.zeros((1, *shape)), torch.zeros(1, dtype=torch.int64)
        drawn = self.draw(nothing, streams, first, Bounds())[0]
        return drawn if self.p == math.inf else drawn * (float(self.radius) / float(self.size(nothing, drawn[None])))

    def rescaled_change(self, change: Tensor, before: Bounds, after: Bounds) -> Tensor:
        """Bring what is added from one span to the other."""
        return change * (after.span / before.span)
