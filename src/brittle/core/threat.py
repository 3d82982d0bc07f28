"""Threats: what counts as a change's size, and which changes are allowed."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from brittle.arguments import fitted, seen
from brittle.core.bounds import Bounds
from brittle.core.rows import Rows, column
from brittle.core.seeds import Streams
from brittle.errors import InputError
from brittle.maths import norms
from brittle.maths.elementary import power
from brittle.types import Images, Mask, PerImage, Points

TOLERANCE = 1e-6
"""How far a size may exceed the radius and still count as within it: float32 sums of pixels are no better than this."""


T = TypeVar("T", bound="Threat")


@dataclass(frozen=True)
class Threat(Rows, ABC):
    """The question asked of an attack: how large is a change, and how large may it be?

    Attributes:
        radius: largest size allowed, one number or one per image; infinite for "the smallest there is".
    """

    radius: float | Tensor

    def __post_init__(self):
        given = self.radius
        radius = given if isinstance(given, Tensor | float) else fitted("the radius", given, float)
        if isinstance(radius, Tensor) and (radius.dtype == torch.bool or radius.is_complex()):
            raise InputError(f"the radius is {seen(radius)}; expected numbers from 0 up, one for each image (n,)")
        if not isinstance(radius, Tensor) and not radius >= 0:
            raise InputError(f"the radius is {radius}; expected a number from 0 up, or one for each image (n,)")
        if radius is not given:
            object.__setattr__(self, "radius", radius)

    def checked(self: T, images: Images) -> T:
        """Return the same threat with a radius per image beside the images it is for.

        Raises:
            InputError: radii that are not one per image, negative, or not numbers.
        """
        if not isinstance(self.radius, Tensor):
            return self
        if self.radius.shape not in ((), (len(images),)):
            seen = tuple(self.radius.shape)
            raise InputError(
                f"the radii have shape {seen} for {len(images)} images; expected one per image, or one number"
            )
        wrong = torch.logical_not(self.radius >= 0).reshape(-1).nonzero()[:, 0]
        if len(wrong):
            first = int(wrong[0])
            value = float(self.radius.reshape(-1)[first])
            raise InputError(f"radius {first} is {value:g}; expected numbers from 0 up, in the units of the images")
        return self.within(self.radius.to(images.device))

    @property
    @abstractmethod
    def name(self) -> str:
        """A short name, such as `linf`, for messages and tables."""

    @property
    def spelt(self) -> str:
        """How the threat is made with a radius, for messages."""
        return f"{type(self).__name__}(radius)"

    def nothing(self, clean: Images) -> Points:
        """Return the points that change nothing: the clean images themselves, where points are images."""
        return clean

    def seen(self, clean: Images, moved: Points, bounds: Bounds) -> tuple[Points, Images]:
        """Return the points as they count, and the images that the network sees of them, both within the box."""
        inside = bounds.clamp(moved)
        return inside, inside

    @abstractmethod
    def size(self, clean: Images, moved: Points) -> PerImage:
        """Measure the change that points mean."""

    @abstractmethod
    def project(self, clean: Images, moved: Points) -> Points:
        """Return the points nearest to `moved` whose change from `clean` is allowed."""

    @abstractmethod
    def draw(self, clean: Images, streams: Streams, ids: Tensor, bounds: Bounds) -> Points:
        """Return a random point for each of `clean` whose change is allowed; the radius must be finite."""

    @abstractmethod
    def ceiling(self, clean: Images, bounds: Bounds) -> PerImage:
        """Return the size of the largest change that the box allows each image."""

    def allows(self, size: PerImage, span: float = 1.0) -> Mask:
        """Say which sizes are within the radius, up to `TOLERANCE` of the larger of the radius and the bounds' span."""
        radius = torch.as_tensor(self.radius, dtype=size.dtype, device=size.device)
        return size <= radius + TOLERANCE * radius.clamp_min(span)

    def within(self: T, radius: float | Tensor) -> T:
        """Return the same threat with another radius."""
        return replace(self, radius=radius)

    @property
    def bounded(self) -> bool:
        """Whether the radius is finite for every image."""
        return bool(torch.isfinite(torch.as_tensor(self.radius)).all())


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
            return torch.where(ranks < column(self.radius, clean), _anywhere(shape, streams, ids, bounds), clean)
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


@dataclass(frozen=True)
class Pixels(Threat):
    """A change of at most so many pixels, each in all of its channels and by any amount.

    Args:
        radius: the number of pixels; a pixel counts once, however many of its channels change.

    Example:
        >>> Pixels(1).size(torch.zeros(1, 3, 2, 2), torch.eye(2).expand(1, 3, 2, 2))
        tensor([2.])
    """

    @property
    def name(self) -> str:
        """`pixels`."""
        return "pixels"

    def size(self, clean: Images, moved: Images) -> PerImage:
        """Count the pixels that differ in any channel."""
        return (moved != clean).any(1).flatten(1).sum(1).to(clean.dtype)

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
        return torch.where(chosen, _anywhere(tuple(clean.shape[1:]), streams, ids, bounds), clean)

    def ceiling(self, clean: Images, bounds: Bounds) -> PerImage:
        """Count all pixels: the box lets every one of them change."""
        return torch.full((len(clean),), float(math.prod(clean.shape[2:])), dtype=clean.dtype, device=clean.device)


def _anywhere(shape: tuple[int, ...], streams: Streams, ids: Tensor, bounds: Bounds) -> Images:
    return streams.uniform(ids, shape) * bounds.span + bounds.lower
