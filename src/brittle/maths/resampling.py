"""Images on other grids of pixels: matrices for one axis, and views of a picture from elsewhere."""

import torch
from torch import Tensor

from brittle.types import Fields


def tents(places: Tensor, size: int, reach: float = 1.0) -> Tensor:
    """Return the matrices that read an axis at places between its pixels, weighted by tents.

    With a reach of 1 it is linear interpolation; reducing takes a reach of one new pixel, so that every pixel counts.

    Args:
        places: (n, m), in pixels; 0 is the middle of the first one.
        size: of the axis, in pixels.
        reach: half the width of a tent, in pixels, at least 1.

    Returns:
        (n, m, size), whose rows sum to 1: pixels beyond the border do not count.

    Example:
        >>> tents(torch.tensor([[0.0, 0.75]]), 2)
        tensor([[[1.0000, 0.0000],
                 [0.2500, 0.7500]]])
    """
    places = places.clamp(0, size - 1)[:, :, None]
    pixels = torch.arange(size, dtype=places.dtype, device=places.device)
    weights = (1 - (pixels - places).abs() / reach).clamp_min(0)
    return weights / weights.sum(2, keepdim=True)


def there_and_back(size: int, factors: Tensor, shifts: Tensor) -> Tensor:
    """Return the matrices that bring an axis to another number of pixels and back.

    Args:
        size: of the axis, in pixels.
        factors: (n,), of the number of pixels; the nearest whole number, and at least one, is taken.
        shifts: (n,), of the other grid, as parts of its pixel; 0 lays its ends on those of the first one.

    Returns:
        (n, size, size); the identity for a factor of 1 without shift.

    Example:
        >>> there_and_back(2, torch.tensor([0.5]), torch.zeros(1))
        tensor([[[0.5000, 0.5000],
                 [0.5000, 0.5000]]])
    """
    found = [factors.new_zeros(0, size, size)]
    own = torch.arange(size, dtype=factors.dtype, device=factors.device) + 0.5
    for factor, shift in zip(factors.tolist(), shifts, strict=True):
        other = max(round(size * factor), 1)
        scale = size / other
        theirs = torch.arange(other, dtype=factors.dtype, device=factors.device) + 0.5
        there = tents(((theirs + shift) * scale - 0.5)[None], size, max(scale, 1.0))
        back = tents((own / scale - shift - 0.5)[None], other, max(1 / scale, 1.0))
        found.append(back @ there)
    return torch.cat(found)


def perspectives(corners: Tensor, height: int, width: int) -> Fields:
    """Return the fields that show a picture as a plane seen from elsewhere.

    The projective map of the square onto four points in closed form (Heckbert, "Fundamentals of texture mapping and
    image warping", 1989, section 2.2.3).

    Args:
        corners: (n, 4, 2), how far the place that each corner shows lies from it, down and to the right, as parts of
            the sides; top left, top right, bottom right, bottom left.
        height: of the images, in pixels.
        width: likewise.

    Returns:
        (n, 2, height, width) in pixels, for `brittle.maths.geometry.warp`; 0 where no corner moves.

    Example:
        >>> perspectives(torch.full((1, 4, 2), 0.5), 3, 3)[0, :, 1, 1]
        tensor([1., 1.])
    """
    square = corners.new_tensor([[0, 0], [0, 1], [1, 1], [1, 0]])
    first, second, third, fourth = (square + corners).unbind(1)
    right, down, rest = second - third, fourth - third, first - second + third - fourth
    across = right[:, 0] * down[:, 1] - down[:, 0] * right[:, 1]
    along = ((rest[:, 0] * down[:, 1] - down[:, 0] * rest[:, 1]) / across)[:, None]
    below = ((right[:, 0] * rest[:, 1] - rest[:, 0] * right[:, 1]) / across)[:, None]
    by_column, by_row = second - first + along * second, fourth - first + below * fourth
    rows = _unit(height, corners)[:, None]
    columns = _unit(width, corners)

    def wide(part: Tensor) -> Tensor:
        return part[:, :, None, None]

    depth = wide(along) * columns + wide(below) * rows + 1
    places = (wide(by_column) * columns + wide(by_row) * rows + wide(first)) / depth
    here = torch.stack(torch.broadcast_tensors(rows, columns))
    return (places - here) * corners.new_tensor([height - 1, width - 1])[:, None, None]


def _unit(size: int, like: Tensor) -> Tensor:
    """Return the places of the pixels of an axis from 0 to 1."""
    return torch.arange(size, dtype=like.dtype, device=like.device) / max(size - 1, 1)
