"""What a threat is: how the size of a change is measured, and which changes are allowed."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from brittle.arguments import fitted, seen
from brittle.base.bounds import Bounds
from brittle.base.rows import Rows
from brittle.base.seeds import Streams
from brittle.errors import InputError, UnsupportedThreat
from brittle.tolerance import TOLERANCE
from brittle.types import Images, Mask, PerImage, Points

T = TypeVar("T", bound="Threat")
Array = npt.NDArray[np.float64]


def _limit(radius: Tensor, span: float) -> Tensor:
    """Return the largest sizes that are allowed, rounded as the radius is."""
    return radius + TOLERANCE * radius.clamp_min(span)


@lru_cache(maxsize=256)
def _limit_of_all(radius: float, span: float, dtype: torch.dtype) -> Tensor:
    return _limit(torch.tensor(radius, dtype=dtype), span)


@dataclass(frozen=True)
class Threat(Rows, ABC):
    """The question asked of an attack: how large is a change, and how large may it be?

    Attributes:
        radius: largest size allowed, one number or one per image; infinite for "the smallest there is".
        on_images: whether points are images themselves, so that a size can be read off them; otherwise they are
            parameters of a change (`brittle.threats.parametric`).
        counts: whether the size is a whole number, of the entries or pixels that differ.
        title: its name for readers, as in a table's head.
        unit: what stands behind a size, such as px; "" for none.
        levels: whether sizes are written in 1/255 where pixels are from 0 to 1.
        default_radius: the radius most often reported.
        kind: what the changes are called, in the plural.
        generic: whether attacks that know no mathematics of it may search it, by `draw`, `project`, `steepest` and
            `pulled_back` alone.
        flattens: whether a large enough change makes any image any other, such as one flat grey.
    """

    on_images: ClassVar[bool] = True
    counts: ClassVar[bool] = False
    title: ClassVar[str] = ""
    unit: ClassVar[str] = ""
    levels: ClassVar[bool] = False
    default_radius: ClassVar[float] = math.inf
    kind: ClassVar[str] = "changes"
    generic: ClassVar[bool] = False
    flattens: ClassVar[bool] = True
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
    def constructor_hint(self) -> str:
        """How the threat is made with a radius, for messages."""
        return f"{type(self).__name__}(radius)"

    def zero(self, clean: Images) -> Points:
        """Return the points that change nothing: the clean images themselves, where points are images."""
        return clean

    def sentence(self, size: str) -> str:
        """Return what a change of at most this size is, as the beginning of a sentence."""
        return f"A change of at most {size} in {self.title or self.name}"

    def check_asked(self) -> None:
        """Refuse a radius that a user cannot mean, though a search may try it on its way; none here.

        Raises:
            InputError: with the radius.
        """

    def usual_radius(self, shape: Sequence[int]) -> tuple[float, str] | None:
        """Return the radius that others use for images (channels, height, width) and for which data; None for none."""
        return None

    def apply(self, clean: Images, moved: Points, bounds: Bounds) -> Images:
        """Return the images that points stand for, within the box."""
        return bounds.clamp(moved)

    def pulled_back(self, clean: Images, moved: Points, gradient: Images, bounds: Bounds) -> Points:
        """Carry a gradient by the images that points stand for back to the points."""
        return gradient

    def steepest(self, gradient: Points) -> Points:
        """Return the direction of size 1 along which a function with this gradient by the points grows fastest.

        Raises:
            UnsupportedThreat: the threat knows none.
        """
        raise UnsupportedThreat(f"{self.name} has no steepest direction; an attack made for it knows another way")

    def measured(self, clean: Array, moved: Array) -> Array:
        """Measure changes of images by other code than `size`, in float64 and by numpy, to check that one.

        Args:
            clean: one image (c, h, w), or one for each.
            moved: images, (m, c, h, w).

        Returns:
            Sizes (m,); infinite where a size cannot be read off the images.
        """
        return np.full(len(moved), np.inf)

    def seen(self, clean: Images, moved: Points, bounds: Bounds) -> tuple[Points, Images]:
        """Return the points as they count, and the images that the network sees of them, both within the box."""
        inside = self.apply(clean, moved, bounds)
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
    def max_size(self, clean: Images, bounds: Bounds) -> PerImage:
        """Return the size of the largest change that the box allows each image."""

    def allows(self, size: PerImage, span: float = 1.0) -> Mask:
        """Say which sizes are within the radius, up to `TOLERANCE` of the larger of the radius and the bounds' span."""
        if isinstance(self.radius, Tensor):
            return size <= _limit(self.radius.to(size.device, size.dtype), span)
        return size <= _limit_of_all(float(self.radius), span, size.dtype)

    def within(self: T, radius: float | Tensor) -> T:
        """Return the same threat with another radius."""
        return replace(self, radius=radius)

    @property
    def bounded(self) -> bool:
        """Whether the radius is finite for every image."""
        return bool(torch.isfinite(torch.as_tensor(self.radius)).all())
