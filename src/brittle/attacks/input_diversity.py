"""Images shown smaller and elsewhere in their frame, and gradients brought back from there."""

from dataclasses import dataclass

import torch
from torch import Tensor

from brittle.base.rows import Rows
from brittle.base.seeds import Streams
from brittle.types import Images

SMALLEST = 299 / 330
"""The smallest size of a shown image, of its frame: the paper enlarges 299 x 299 to at least that within 330 x 330."""


@dataclass(frozen=True)
class Placement(Rows):
    """Where each value of a shown image comes from: the nearest pixel of an image resized and padded.

    Input diversity, Xie, Zhang, Zhou, Bai, Wang, Ren & Yuille, CVPR 2019, section 3.2 (arXiv:1803.06978): an image is
    resized to r x r, r drawn uniformly, and put at a random place of a larger frame, by a given probability.
    Deviations: the paper enlarges 299 x 299 within 330 x 330, here a frame has the image's own size, which every
    network takes, and the image shrinks in the same proportion; every image has draws of its own, and the rest of the
    frame has the lowest value of the bounds.

    Attributes:
        rows_of, columns_of: which row and column of the image each one of the frame shows, int64 (n, h) and (n, w).
        inside_rows, inside_columns: whether it shows any; bool, of the same shapes.
    """

    rows_of: Tensor
    columns_of: Tensor
    inside_rows: Tensor
    inside_columns: Tensor

    @staticmethod
    def drawn(images: Images, probability: float, streams: Streams, of: Tensor) -> "Placement":
        """Draw a placement for each image.

        Args:
            images: (n, c, h, w).
            probability: that an image is shown elsewhere, and not as it is.
            streams: of random numbers.
            of: positions of the images in the streams, (n,).

        Example:
            >>> first = torch.tensor([0])
            >>> placed = Placement.drawn(torch.rand(1, 3, 20, 20), 1.0, Streams(0, first), first)
            >>> int(placed.inside_rows.sum()) in (18, 19)
            True
        """
        chance, share, *places = streams.uniform(of, (4,)).double().unbind(1)
        moved = chance < probability
        lines = [_lines(side, moved, share, at) for side, at in zip(images.shape[2:], places, strict=True)]
        (rows, inside_rows), (columns, inside_columns) = lines
        return Placement(rows, columns, inside_rows, inside_columns)

    def of(self, images: Images, lowest: float) -> Images:
        """Return the images as they are shown, with the lowest value around them."""
        n, channels, height, width = images.shape
        rows = self.rows_of[:, None, :, None].expand(n, channels, height, width)
        columns = self.columns_of[:, None, None, :].expand(n, channels, height, width)
        return images.gather(2, rows).gather(3, columns).where(self._inside, lowest)

    def back(self, gradient: Images) -> Images:
        """Return the gradient by the images, given that by what was shown: the transpose of `of`."""
        n, channels, height, width = gradient.shape
        rows = self.rows_of[:, None, :, None].expand(n, channels, height, width)
        columns = self.columns_of[:, None, None, :].expand(n, channels, height, width)
        empty, kept = torch.zeros_like(gradient), gradient * self._inside
        return empty.scatter_add(2, rows, torch.zeros_like(gradient).scatter_add_(3, columns, kept))

    @property
    def _inside(self) -> Tensor:
        return self.inside_rows[:, None, :, None] & self.inside_columns[:, None, None, :]


def _lines(side: int, moved: Tensor, share: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """Return for one direction which line each line of the frame shows, and whether it shows any, (n, side) each."""
    least = max(1, int(side * SMALLEST))
    inner = torch.where(moved, least + (share * (side - least)).long(), side)
    start = (at * (side - inner + 1)).long()
    place = torch.arange(side, device=at.device) - start[:, None]
    inside = (place >= 0) & (place < inner[:, None])
    nearest = place.mul(side).div(inner[:, None], rounding_mode="floor").clamp(0, side - 1)
    return nearest, inside
