"""What patches and frames have in common: they cover a part of an image with content of their own."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from brittle.base.bounds import Bounds
from brittle.base.seeds import Streams
from brittle.errors import InputError
from brittle.threats.shared import SharedThreat


@dataclass(frozen=True)
class Stuck(SharedThreat):
    """A part of the image that may show anything, while the rest stays as it is."""

    counts: ClassVar[bool] = True
    unit: ClassVar[str] = "px"

    @property
    def side(self) -> int:
        """The radius in whole pixels."""
        return int(self.radius)

    def check_asked(self) -> None:
        """Refuse a side that is no whole number of pixels."""
        sides = torch.as_tensor(self.radius).reshape(-1)
        wrong = sides[(sides < 1) | (sides != sides.floor())]
        if len(wrong):
            raise InputError(
                f"the radius is {float(wrong[0]):g}, and a {self.name} is measured in whole pixels; say such as --eps "
                "20"
            )

    @property
    def exponent(self) -> float:
        """Infinity: all values of a search's step are alike."""
        return math.inf

    def blank_change(self, shape: tuple[int, int, int], bounds: Bounds) -> Tensor:
        """Return flat grey."""
        return torch.full(self.change_shape(shape), (bounds.lower + bounds.upper) / 2)

    def project_change(self, change: Tensor, bounds: Bounds) -> Tensor:
        """Clamp the content."""
        return bounds.clamp(change)

    def reach(self, bounds: Bounds) -> float:
        """Return the way from grey to black and to white."""
        return bounds.span / 2

    def draw_change(self, shape: tuple[int, int, int], streams: Streams) -> Tensor:
        """Draw every value uniformly."""
        return streams.uniform(torch.zeros(1, dtype=torch.int64), shape)[0]

    def rescaled_change(self, change: Tensor, before: Bounds, after: Bounds) -> Tensor:
        """Bring the content from one range to the other."""
        return (change - before.lower) * (after.span / before.span) + after.lower
