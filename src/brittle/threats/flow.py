"""Deformations: a change of where the pixels lie, not of what they show."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from brittle.base.bounds import Bounds
from brittle.base.rows import column
from brittle.base.seeds import Streams
from brittle.maths import geometry
from brittle.threats.parametric import Parametric
from brittle.types import Fields, Images, PerImage


@dataclass(frozen=True)
class Flow(Parametric):
    """A deformation, measured by the longest vector of its field: the T-norm of Alaifari et al. (ICLR 2019).

    What an attack proposes under this threat are fields (n, 2, h, w) in pixels, not images; the network sees the clean
    image deformed by them (`brittle.maths.geometry.warp`). A deformation never leaves the box.

    Args:
        radius: how far a pixel may be moved, in pixels.
        grid: levels that the deformed images are rounded to before the network sees them; none by default.

    Example:
        >>> Flow(3).size(torch.zeros(1, 1, 2, 2), torch.ones(1, 2, 2, 2))
        tensor([1.4142])
    """

    title: ClassVar[str] = "T-norm"
    unit: ClassVar[str] = "px"
    default_radius: ClassVar[float] = 3.0
    kind: ClassVar[str] = "deformations"

    @property
    def name(self) -> str:
        """`flow`."""
        return "flow"

    def zero(self, clean: Images) -> Fields:
        """Return the field that leaves everything where it is."""
        return torch.zeros_like(clean[:, :1]).repeat(1, 2, 1, 1)

    def sentence(self, size: str) -> str:
        """Return what a deformation of at most this size is."""
        return f"A deformation that moves no pixel by more than {size}"

    def changed(self, clean: Images, moved: Fields, bounds: Bounds) -> Images:
        """Return the clean images deformed by fields."""
        return geometry.warp(clean, moved)

    def pulled_back(self, clean: Images, moved: Fields, gradient: Images, bounds: Bounds) -> Fields:
        """Carry a gradient by the deformed images back to the fields, in closed form."""
        return geometry.pulled_back(clean, moved, gradient)

    def size(self, clean: Images, moved: Fields) -> PerImage:
        """Measure the longest vector, in pixels."""
        return geometry.longest(moved)

    def project(self, clean: Images, moved: Fields) -> Fields:
        """Shorten the vectors that are longer than the radius."""
        return geometry.shortened_to(moved, column(self.radius, moved))

    def draw(self, clean: Images, streams: Streams, ids: Tensor, bounds: Bounds) -> Fields:
        """Draw every vector uniformly from the disc."""
        polar = streams.uniform(ids, (2, *clean.shape[2:]))
        length, turn = column(self.radius, clean)[:, 0] * polar[:, 0].sqrt(), 2 * math.pi * polar[:, 1]
        return torch.stack([length * torch.cos(turn), length * torch.sin(turn)], 1)

    def max_size(self, clean: Images, bounds: Bounds) -> PerImage:
        """Measure the image's diagonal: nothing new is seen by looking farther away."""
        diagonal = math.hypot(clean.shape[2] - 1, clean.shape[3] - 1)
        return torch.full((len(clean),), diagonal, dtype=clean.dtype, device=clean.device)
