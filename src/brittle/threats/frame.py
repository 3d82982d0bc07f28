"""Frames: the pixels along the border, with any content."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from brittle.base.bounds import Bounds
from brittle.base.rows import column
from brittle.base.seeds import Streams
from brittle.threats.pixels import anywhere, differing
from brittle.threats.stuck import Stuck
from brittle.threats.threat import Array
from brittle.types import Images, PerImage

USUAL = 4 / 224
"""Width of a frame as a fraction of the shorter side: Zajac et al., AAAI 2019, use 1 to 4 pixels on photographs."""


@dataclass(frozen=True)
class Frame(Stuck):
    """A change of the pixels within so many pixels of the border, by any amount.

    Zajac et al., "Adversarial framing for image and video classification", AAAI 2019 (arXiv:1812.04599); there the
    frame is put around the image, here it covers its border. The size of a change is the width of the narrowest frame
    that holds all pixels that differ.

    Args:
        radius: the width in pixels.

    Example:
        >>> clean = torch.zeros(1, 3, 8, 8)
        >>> moved = clean.clone()
        >>> moved[0, :, 1, 4] = 1
        >>> Frame().size(clean, moved)
        tensor([2.])
    """

    title: ClassVar[str] = "frame"
    default_radius: ClassVar[float] = 1.0
    kind: ClassVar[str] = "frames"
    radius: float | Tensor = torch.inf

    @property
    def name(self) -> str:
        """`frame`."""
        return "frame"

    def sentence(self, size: str) -> str:
        """Return what a frame of at most this size is."""
        return f"A frame along the border, at most {size} wide, with any content"

    def usual_radius(self, shape: Sequence[int]) -> tuple[float, str] | None:
        """Return 4 of 224 pixels, and as much of smaller images."""
        return float(max(1, round(USUAL * min(shape[1:])))), "Zajac et al."

    def size(self, clean: Images, moved: Images) -> PerImage:
        """Measure the width of the narrowest frame that holds all pixels that differ."""
        return (differing(clean, moved) * _depth(clean)).flatten(1).amax(1).to(clean.dtype)

    def measured(self, clean: Array, moved: Array) -> Array:
        """Measure the same by numpy, cutting one frame after the other off."""
        differs = np.asarray((np.abs(moved - clean) > 0).any(axis=1))
        found = np.zeros(len(moved))
        for number, one in enumerate(differs):
            while one.any():
                found[number] += 1
                one = one[1:-1, 1:-1]
        return found

    def project(self, clean: Images, moved: Images) -> Images:
        """Put back what lies farther within."""
        return torch.where(_depth(clean) <= column(self.radius, clean), moved, clean)

    def draw(self, clean: Images, streams: Streams, ids: Tensor, bounds: Bounds) -> Images:
        """Give the frame any values."""
        return self.project(clean, anywhere(tuple(clean.shape[1:]), streams, ids, bounds))

    def max_size(self, clean: Images, bounds: Bounds) -> PerImage:
        """Return half of the shorter side, rounded up: such a frame is the whole image."""
        most = float((min(clean.shape[2:]) + 1) // 2)
        return torch.full((len(clean),), most, dtype=clean.dtype, device=clean.device)

    def change_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return the images' shape, of which the border counts."""
        return shape

    def put_on(
        self, images: Images, change: Tensor, bounds: Bounds, ids: Tensor | None = None, seed: int = 0
    ) -> Images:
        """Return images whose border shows the frame."""
        return torch.where(_depth(images) <= self.side, bounds.clamp(change).to(images), images)

    def change_size(self, change: Tensor) -> float:
        """Return the width, as far as the image is large enough."""
        return float(min(self.side, (min(change.shape[-2:]) + 1) // 2))


def _depth(images: Images) -> Tensor:
    """Return how deep within the border pixels lie, 1 at the edge, (h, w)."""
    lines = (torch.arange(1, length + 1, device=images.device) for length in images.shape[2:])
    down, along = (torch.minimum(line, line.flip(0)) for line in lines)
    return torch.minimum(down[:, None], along[None])
