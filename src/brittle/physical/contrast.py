"""Images of more or less contrast."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch

from brittle.arguments import Within
from brittle.base.seeds import Streams
from brittle.physical.channel import Channel, drawn
from brittle.types import Images


@dataclass(frozen=True)
class Contrast(Channel):
    """Another contrast: all values move towards their image's mean or away from it, and are cut off at the range.

    Kurakin, Goodfellow & Bengio 2016, section 3.3 (arXiv:1607.02533), who do not say about which value; here it is the
    mean over all pixels and channels.

    Args:
        factor: of the distance from the mean, 0 to 10; 0.8 by default (ours). 1 changes nothing, 0 leaves the mean.
        spread: each image's factor is drawn from factor - spread to factor + spread, not below 0.

    Example:
        >>> Contrast(factor=0.5)(torch.tensor([0.2, 0.8]).reshape(1, 1, 1, 2)).flatten()
        tensor([0.3500, 0.6500])
    """

    title: ClassVar[str] = "Contrast"

    factor: Annotated[float, Within(0, 10)] = 0.8
    spread: Annotated[float, Within(0, 10)] = 0.0

    def transform(self, images: Images, streams: Streams) -> Images:
        """Move every value towards the mean, or away from it."""
        factors = drawn(images, streams, self.factor, self.spread).clamp_min(0)
        means = images.mean((1, 2, 3), keepdim=True) if images.numel() else images
        return torch.lerp(means, images, factors.expand_as(images)).clamp(0, 1)
