"""Colour shifts: another gain and offset for each colour channel, as another light or camera gives."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from brittle.base.bounds import Bounds
from brittle.base.rows import column
from brittle.base.seeds import Streams
from brittle.threats.parametric import Parametric
from brittle.types import Images, PerImage, Points


@dataclass(frozen=True)
class ColourShift(Parametric):
    """A gain and an offset for each channel: x becomes lower + (1 + gain) (x - lower) + span offset, within the box.

    What an attack proposes under this threat are parameters (n, 2, c, 1): first the gains, then the offsets, both 0 for
    no change. The size is the largest of their absolute values, so that a radius of 0.1 allows channels 10 % brighter
    or darker and moved by 10 % of the span. It has no unit and does not depend on the images' bounds.

    Args:
        radius: largest gain and offset, from 0 to 1: at 1 every channel can be made flat, of any value.
        grid: levels that the shifted images are rounded to before the network sees them; none by default.

    Example:
        >>> shift = torch.tensor([[0.0, 0.1, 0.0], [0.2, 0.0, 0.0]])[None, :, :, None]
        >>> ColourShift(0.3).size(torch.zeros(1, 3, 2, 2), shift)
        tensor([0.2000])
    """

    title: ClassVar[str] = "colour shift"
    default_radius: ClassVar[float] = 0.1
    kind: ClassVar[str] = "colour shifts"
    generic: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """`colour`."""
        return "colour"

    def sentence(self, size: str) -> str:
        """Return what a shift of at most this size is."""
        return f"A shift of each colour channel by a gain and an offset of at most {size}"

    def zero(self, clean: Images) -> Points:
        """Return the gains and offsets that change nothing."""
        return clean.new_zeros(len(clean), 2, clean.shape[1], 1)

    def changed(self, clean: Images, moved: Points, bounds: Bounds) -> Images:
        """Return the clean images with other gains and offsets."""
        gain, offset = moved[:, 0, :, :, None], moved[:, 1, :, :, None]
        return clean + gain * (clean - bounds.lower) + bounds.span * offset

    def size(self, clean: Images, moved: Points) -> PerImage:
        """Measure the largest gain or offset."""
        return moved.abs().flatten(1).amax(1)

    def project(self, clean: Images, moved: Points) -> Points:
        """Bring every gain and offset to the radius at most."""
        reach = column(self.radius, moved)
        return torch.maximum(torch.minimum(moved, reach), -reach)

    def steepest(self, gradient: Points) -> Points:
        """Return the signs: all gains and offsets move by as much."""
        return gradient.sign()

    def draw(self, clean: Images, streams: Streams, ids: torch.Tensor, bounds: Bounds) -> Points:
        """Draw every gain and offset uniformly."""
        unit = streams.uniform(ids, (2, clean.shape[1], 1)) * 2 - 1
        return column(self.radius, unit) * unit

    def max_size(self, clean: Images, bounds: Bounds) -> PerImage:
        """Return 1, at which every channel can be made flat: nothing new is seen by looking farther away."""
        return torch.ones_like(clean[:, 0, 0, 0])
