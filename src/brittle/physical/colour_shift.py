"""Images in another light, or from another camera."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from brittle.arguments import Within
from brittle.base.seeds import Streams
from brittle.physical.channel import Channel, everyone
from brittle.types import Images


@dataclass(frozen=True)
class ColourShift(Channel):
    """A random gain and offset for each colour channel of each image, as of another light, printer or camera.

    Values become (1 + g) x + o, cut off at the range. Grey images get one gain and one offset.

    Args:
        gain: g is drawn uniformly from -gain to gain, 0 to 1; 0.1 by default (ours).
        offset: o is drawn uniformly from -offset to offset, 0 to 1; 0.05 by default (ours). With 0 for both nothing
            changes.

    Example:
        >>> import torch
        >>> ColourShift()(torch.full((1, 3, 1, 1), 0.5)).unique().numel()
        3
    """

    title: ClassVar[str] = "Colour shift"
    random: ClassVar[bool] = True

    gain: Annotated[float, Within(0, 1)] = 0.1
    offset: Annotated[float, Within(0, 1)] = 0.05

    def transform(self, images: Images, streams: Streams) -> Images:
        """Give every channel its gain and offset."""
        gains, offsets = (2 * streams.uniform(everyone(images), (2, images.shape[1], 1, 1)) - 1).unbind(1)
        return (images * (1 + self.gain * gains) + self.offset * offsets).clamp(0, 1)
