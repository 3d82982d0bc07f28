"""Changes measured by a norm."""

import math
from dataclasses import dataclass

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
from brittle.threats.threat import Threat
from brittle.types import Images, PerImage

_NAMED = {"l0": 0.0, "l1": 1.0, "l2": 2.0, "linf": math.inf, "0": 0.0, "1": 1.0, "2": 2.0, "inf": math.inf}


@dataclass(frozen=True, init=False)
class Lp(Threat):
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
    def counts(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]  # one class is all norms
        """Whether it counts the entries that differ."""
        return self.p == 0

    @property
    def spelt(self) -> str:
        """How the threat is made with a radius, for messages."""
        return f"Lp('{self.p:g}', radius)"

    @property
    def dual(self) -> float:
        """The exponent q of the dual norm, 1/p + 1/q = 1, by which distances to hyperplanes are measured."""
        return norms.dual(self.p)

    def size(self, clean: Images, moved: Images) -> PerImage:
        """Measure the p-norm of the difference."""
        return norms.size(moved - clean, self.p)

    def project(self, clean: Images, moved: Images) -> Images:
        """Project the difference on the ball; the box is the probe's business."""
        return norms.project(moved - clean, self.p, self.radius).add_(clean)

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

    def ceiling(self, clean: Images, bounds: Bounds) -> PerImage:
        """Measure the change to the farthest corner of the box."""
        return norms.size(torch.maximum(clean - bounds.lower, bounds.upper - clean), self.p)
