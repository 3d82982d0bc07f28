"""Images brought to another size and back."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch

from brittle.arguments import Within
from brittle.base.seeds import Streams
from brittle.maths.filters import along_both
from brittle.maths.resampling import there_and_back
from brittle.physical.channel import Channel, drawn
from brittle.types import Images

SMALLEST = 0.01
"""Factor, below which nothing is left of an image."""


@dataclass(frozen=True)
class Scaling(Channel):
    """Another size and back: bilinear, and every pixel counts when the image shrinks (antialiasing).

    Args:
        factor: of both sides, 0.01 to 4; 0.5 by default (ours). 1 changes nothing.
        spread: each image's factor is drawn from factor - spread to factor + spread, not below 0.01.

    Example:
        >>> Scaling(factor=0.5)(torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2)).flatten()
        tensor([0.5000, 0.5000])
    """

    title: ClassVar[str] = "Scaling"

    factor: Annotated[float, Within(SMALLEST, 4)] = 0.5
    spread: Annotated[float, Within(0, 4)] = 0.0

    def transform(self, images: Images, streams: Streams) -> Images:
        """Resample each image twice."""
        factors = drawn(images, streams, self.factor, self.spread).clamp_min(SMALLEST).flatten()
        if not self.spread:
            factors = factors[:1]  # one matrix for all
        still = torch.zeros_like(factors)
        rows, columns = (there_and_back(size, factors, still) for size in images.shape[2:])
        return along_both(images, rows, columns).clamp(0, 1)
