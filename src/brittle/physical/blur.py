"""Gaussian blur."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from brittle.arguments import Within
from brittle.base.seeds import Streams
from brittle.maths.filters import along_both, gaussians
from brittle.physical.channel import Channel, drawn
from brittle.types import Images


@dataclass(frozen=True)
class Blur(Channel):
    """Gaussian blur; beyond the border the outermost pixels go on.

    Kurakin, Goodfellow & Bengio 2016, section 3.3 (arXiv:1607.02533).

    Args:
        sigma: standard deviation in pixels, 0 to 100; 1 by default (ours). 0 changes nothing.
        spread: each image's deviation is drawn from sigma - spread to sigma + spread, not below 0.

    Example:
        >>> import torch
        >>> Blur(sigma=0.5)(torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0]).reshape(1, 1, 1, 5)).flatten()
        tensor([2.6387e-04, 1.0645e-01, 7.8657e-01, 1.0645e-01, 2.6387e-04])
    """

    title: ClassVar[str] = "Gaussian blur"

    sigma: Annotated[float, Within(0, 100)] = 1.0
    spread: Annotated[float, Within(0, 100)] = 0.0

    def transform(self, images: Images, streams: Streams) -> Images:
        """Blur along both axes."""
        sigmas = drawn(images, streams, self.sigma, self.spread).clamp_min(0).flatten()
        rows, columns = (gaussians(size, sigmas) for size in images.shape[2:])
        return along_both(images, rows, columns).clamp(0, 1)
