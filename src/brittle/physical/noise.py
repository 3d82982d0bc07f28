"""Gaussian noise."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from brittle.arguments import Within
from brittle.base.seeds import Streams
from brittle.physical.channel import Channel, drawn, everyone
from brittle.types import Images


@dataclass(frozen=True)
class Noise(Channel):
    """Gaussian noise on every value, cut off at the range.

    Kurakin, Goodfellow & Bengio 2016, section 3.3 (arXiv:1607.02533).

    Args:
        sigma: its standard deviation, 0 to 1, as a part of the range; 0.05 by default (ours). 0 changes nothing.
        spread: each image's deviation is drawn from sigma - spread to sigma + spread, not below 0.

    Example:
        >>> import torch
        >>> Noise(sigma=0.1)(torch.full((1, 1, 100, 100), 0.5)).std()
        tensor(0.0996)
    """

    title: ClassVar[str] = "Gaussian noise"
    random: ClassVar[bool] = True

    sigma: Annotated[float, Within(0, 1)] = 0.05
    spread: Annotated[float, Within(0, 1)] = 0.0

    def transform(self, images: Images, streams: Streams) -> Images:
        """Add noise."""
        sigmas = drawn(images, streams, self.sigma, self.spread).clamp_min(0)
        noise = streams.normal(everyone(images), tuple(images.shape[1:]))
        return (images + sigmas * noise).clamp(0, 1)
