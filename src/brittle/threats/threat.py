"""What a threat is: how the size of a change is measured, and which changes are allowed."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from brittle.arguments import fitted, seen
from brittle.base.bounds import Bounds
from brittle.base.rows import Rows
from brittle.base.seeds import Streams
from brittle.errors import InputError
from brittle.types import Images, Mask, PerImage, Points

TOLERANCE = 1e-6
"""How far a size may exceed the radius and still count as within it: float32 sums of pixels are no better than this."""


T = TypeVar("T", bound="Threat")


@dataclass(frozen=True)
class Threat(Rows, ABC):
    """The question asked of an attack: how large is a change, and how large may it be?

    Attributes:
        radius: largest size allowed, one number or one per image; infinite for "the smallest there is".
        on_images: whether points are images themselves, so that a size can be read off them; otherwise they are
            parameters of a change (`brittle.threats.parametric`).
        counts: whether the size is a whole number, of the entries or pixels that differ.
    """

    on_images: ClassVar[bool] = True
    counts: ClassVar[bool] = False
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
