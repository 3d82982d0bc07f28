"""The box that images live in."""

import math
from dataclasses import dataclass

from brittle.arguments import check_fields
from brittle.errors import BoundsError
from brittle.types import Images


@dataclass(frozen=True)
class Bounds:
    """The box that every image lies in.

    Attributes:
        lower, upper: lowest and highest value of an image.

    Raises:
        BoundsError: not two numbers of which the lower one comes first.
    """

    lower: float = 0.0
    upper: float = 1.0

    def __post_init__(self):
        check_fields(self)
        if not 0 < self.span < math.inf:
            raise BoundsError(
                f"the bounds are {self.lower} and {self.upper}; expected two numbers, the lower one first"
            )

    @property
    def span(self) -> float:
        """The width of the box; constants of published code are meant for a span of 1 and scaled by it."""
        return self.upper - self.lower

    def clamp(self, images: Images) -> Images:
        """Move every value into the box."""
        return images.clamp(self.lower, self.upper)
