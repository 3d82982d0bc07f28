"""Brighter or darker images."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from brittle.arguments import Within
from brittle.base.seeds import Streams
from brittle.physical.channel import Channel, drawn
from brittle.types import Images


@dataclass(frozen=True)
class Brightness(Channel):
    """Another brightness: one number is added to all values, and what leaves the range is cut off.

    Kurakin, Goodfellow & Bengio 2016, section 3.3 (arXiv:1607.02533).

    Args:
        amount: what is added, -1 to 1, as a part of the range; 0.1 by default (ours). 0 changes nothing.
        spread: each image's amount is drawn from amount - spread to amount + spread.

    Example:
        >>> import torch
        >>> Brightness(amount=0.25)(torch.tensor([0.5, 0.9]).reshape(1, 1, 1, 2)).flatten()
        tensor([0.7500, 1.0000])
    """

    title: ClassVar[str] = "Brightness"

    amount: Annotated[float, Within(-1, 1)] = 0.1
    spread: Annotated[float, Within(0, 1)] = 0.0

    def transform(self, images: Images, streams: Streams) -> Images:
        """Add the amount."""
        return (images + drawn(images, streams, self.amount, self.spread)).clamp(0, 1)
