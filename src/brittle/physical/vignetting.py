"""Images that are darker towards the corners."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch

from brittle.arguments import Within
from brittle.base.seeds import Streams
from brittle.physical.channel import Channel, drawn
from brittle.types import Images


@dataclass(frozen=True)
class Vignetting(Channel):
    """Less light towards the corners, as lenses give it: values are multiplied by 1 - amount r^2.

    r is the distance from the centre, 1 in the corners; the first term of how light falls off behind a lens
    (cos^4 of the angle).

    Args:
        amount: of light lost in the corners, 0 to 1; 0.3 by default (ours). 0 changes nothing.
        spread: each image's amount is drawn from amount - spread to amount + spread, within 0 to 1.

    Example:
        >>> Vignetting(amount=0.5)(torch.ones(1, 1, 3, 3))[0, 0, 0]
        tensor([0.5000, 0.7500, 0.5000])
    """

    title: ClassVar[str] = "Vignetting"

    amount: Annotated[float, Within(0, 1)] = 0.3
    spread: Annotated[float, Within(0, 1)] = 0.0

    def transform(self, images: Images, streams: Streams) -> Images:
        """Darken what lies away from the centre."""
        amounts = drawn(images, streams, self.amount, self.spread).clamp(0, 1)
        rows, columns = (_from_centre(size, images) for size in images.shape[2:])
        radii = (rows.square()[:, None] + columns.square()) / 2
        return images * (1 - amounts * radii)


def _from_centre(size: int, like: Images) -> torch.Tensor:
    """Return where the pixels of an axis lie, from -1 to 1."""
    middle = (size - 1) / 2
    return (torch.arange(size, dtype=like.dtype, device=like.device) - middle) / max(middle, 0.5)
