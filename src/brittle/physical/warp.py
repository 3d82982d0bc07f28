"""Pictures seen from another place."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from brittle.arguments import Within
from brittle.base.seeds import Streams
from brittle.maths import geometry
from brittle.maths.resampling import perspectives
from brittle.physical.channel import Channel, everyone
from brittle.types import Images


@dataclass(frozen=True)
class Warp(Channel):
    """A random perspective: the picture as a plane that was not held quite straight before the camera.

    Each corner shows a place drawn uniformly from a rectangle about it; between them the map is projective, and values
    are interpolated bilinearly. Beyond the border the outermost pixels go on.

    Args:
        amount: how far a corner moves at most along each axis, as a part of that side, 0 to 0.3 (beyond it corners
            could meet); 0.05 by default (ours). 0 changes nothing.

    Example:
        >>> import torch
        >>> Warp(amount=0)(torch.tensor([0.0, 0.3, 1.0]).reshape(1, 1, 1, 3)).flatten()
        tensor([0.0000, 0.3000, 1.0000])
    """

    title: ClassVar[str] = "Perspective"
    random: ClassVar[bool] = True

    amount: Annotated[float, Within(0, 0.3)] = 0.05

    def transform(self, images: Images, streams: Streams) -> Images:
        """Show each image in a perspective of its own."""
        corners = self.amount * (2 * streams.uniform(everyone(images), (4, 2)) - 1)
        return geometry.warp(images, perspectives(corners, *images.shape[2:])).clamp(0, 1)
