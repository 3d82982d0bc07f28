"""Images as a sensor with pixels of its own sees them."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from brittle.arguments import Within
from brittle.base.seeds import Streams
from brittle.maths.filters import along_both
from brittle.maths.resampling import there_and_back
from brittle.physical.channel import Channel, drawn, everyone
from brittle.physical.scaling import SMALLEST
from brittle.types import Images


@dataclass(frozen=True)
class Resample(Channel):
    """Another grid of pixels, laid at random, and back: the pixels of a sensor do not meet those of the picture.

    As in `scaling`, but the grid is moved by up to half of one of its pixels along each axis, drawn for each image.

    Args:
        factor: pixels of the sensor to each of the picture, along each axis, 0.01 to 4; 1 by default (ours).
        spread: each image's factor is drawn from factor - spread to factor + spread, not below 0.01.

    Example:
        >>> import torch
        >>> Resample()(torch.tensor([0.0, 1.0, 0.0]).reshape(1, 1, 1, 3)).max() < 1
        tensor(True)
    """

    title: ClassVar[str] = "Resampling"
    random: ClassVar[bool] = True

    factor: Annotated[float, Within(SMALLEST, 4)] = 1.0
    spread: Annotated[float, Within(0, 4)] = 0.0

    def transform(self, images: Images, streams: Streams) -> Images:
        """Resample each image twice."""
        factors = drawn(images, streams, self.factor, self.spread).clamp_min(SMALLEST).flatten()
        shifts = streams.uniform(everyone(images), (2,)) - 0.5
        rows, columns = (there_and_back(images.shape[2 + axis], factors, shifts[:, axis]) for axis in (0, 1))
        return along_both(images, rows, columns).clamp(0, 1)
