"""The grid of values that a file can hold, as a value."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from brittle.arguments import check_fields
from brittle.base.bounds import Bounds
from brittle.errors import InputError, UnsupportedThreat
from brittle.maths.quantization import levels_of, values_of
from brittle.threats.threat import Threat
from brittle.tolerance import TOLERANCE
from brittle.types import Images

MOST_LEVELS = 65536
"""Those of 16 bits; float32 tells no more of them apart."""


@dataclass(frozen=True)
class QuantizationGrid:
    """Evenly spaced levels from the lower to the upper bound, such as the 256 of an 8-bit file.

    Attributes:
        levels: how many; level k is lower + span * k / (levels - 1), in float32, as for images read as uint8.
        bounds: of the images.

    Raises:
        InputError: less than 2 levels or more than `MOST_LEVELS`.

    Example:
        >>> grid = QuantizationGrid(256)
        >>> bytes_read = torch.arange(256, dtype=torch.uint8)
        >>> images = grid.images(bytes_read, torch.float32)
        >>> bool(((images * 255).round().to(torch.uint8) == bytes_read).all())
        True
    """

    levels: int = 256
    bounds: Bounds = field(default_factory=Bounds)

    def __post_init__(self):
        check_fields(self)
        if not 2 <= self.levels <= MOST_LEVELS:
            raise InputError(f"quantization is {self.levels}; expected the number of levels, from 2 to {MOST_LEVELS}")

    @property
    def top(self) -> int:
        """Number of the highest level."""
        return self.levels - 1

    def numbers(self, images: Images) -> Images:
        """Return each value as a number of levels above the lowest one, whole where the value is a level.

        Values within the tolerance (1e-6 of the span, or what the images' type can tell apart) of a level are on it.
        """
        wide = torch.promote_types(images.dtype, torch.float32)
        numbers = levels_of(images.to(wide), self.bounds.lower, self.bounds.span, self.top)
        slack = self.top * max(TOLERANCE, torch.finfo(images.dtype).eps / 2)
        return torch.where((numbers - numbers.round()).abs() <= slack, numbers.round(), numbers)

    def images(self, numbers: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the values of levels, bit by bit those of a file read as uint8 (for 256 levels)."""
        return values_of(numbers.to(torch.float32), self.bounds.lower, self.bounds.span, self.top).to(dtype)

    def settled(self, images: Images) -> Images:
        """Put values that are within the tolerance of a level on it, and leave the others as they are."""
        numbers = self.numbers(images)
        return torch.where(numbers == numbers.round(), self.images(numbers.round(), images.dtype), images)

    def rounded(self, images: Images) -> Images:
        """Put every value on the nearest level."""
        return self.images(self.numbers(images).round(), images.dtype)

    def check(self, threat: Threat, images: Images) -> None:
        """Refuse threats and images for which no grid point can be an answer.

        Raises:
            UnsupportedThreat: a size that is not that of a difference of images.
            InputError: sizes that count changed values, and images whose every value has to change to be saved.
        """
        if not threat.on_images:
            raise UnsupportedThreat(
                f"a grid cannot measure changes by {threat.name}; it knows l0, l1, l2, linf, pixels"
            )
        if not threat.counts:
            return
        numbers = self.numbers(images)
        between = (numbers != numbers.round()).flatten(1).sum(1)
        if bool(between.any()):
            first = int(between.nonzero()[0, 0])
            raise InputError(
                f"{int(between[first])} values of image {first} lie between the {self.levels} levels, so saving alone "
                f"changes them and {threat.name} counts them all; round the images to the levels first, for 8 bits: "
                "(images * 255).round() / 255"
            )
