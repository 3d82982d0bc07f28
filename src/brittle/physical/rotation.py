"""Turned images."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from brittle.arguments import Within
from brittle.base.seeds import Streams
from brittle.maths.geometry import rigid, warp
from brittle.physical.channel import Channel, drawn
from brittle.types import Images


@dataclass(frozen=True)
class Rotation(Channel):
    """A turn about the centre, interpolated bilinearly; beyond the border the outermost pixels go on.

    Args:
        degrees: against the clock, -180 to 180; 10 by default (ours). 0 changes nothing.
        spread: each image's angle is drawn from degrees - spread to degrees + spread.

    Example:
        >>> import torch
        >>> Rotation(degrees=90)(torch.tensor([[0.0, 1.0], [0.0, 0.0]]).reshape(1, 1, 2, 2))[0, 0].round().abs()
        tensor([[1., 0.],
                [0., 0.]])
    """

    title: ClassVar[str] = "Rotation"

    degrees: Annotated[float, Within(-180, 180)] = 10.0
    spread: Annotated[float, Within(0, 180)] = 0.0

    def transform(self, images: Images, streams: Streams) -> Images:
        """Turn each image."""
        angles = drawn(images, streams, self.degrees, self.spread).flatten()
        return warp(images, rigid(angles, images.new_zeros(len(images), 2), *images.shape[2:])).clamp(0, 1)
