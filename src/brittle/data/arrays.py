"""Images that are arrays of numbers: which axis is which, and what their values may be."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from brittle.data.fit import Pixels
from brittle.errors import BoundsError, DataError
from brittle.tolerance import in_range


def layout(shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> tuple[tuple[int, ...], bool]:
    """Return the shape of one image as stored, and whether its channels come last.

    Args:
        shape: of all images, n first.
        dtype: of the values.
        where: what to call the array in an error.

    Raises:
        DataError: for integers other than uint8, and for shapes that are no images or leave the channels open.
    """
    if dtype != np.uint8 and dtype.kind != "f":
        raise DataError(f"{where} is {dtype}; expected uint8 (0..255) or float (0..1)")
    grid = shape[1:]
    if not all(shape) or len(shape) not in (3, 4):
        raise DataError(
            f"{where} has shape {shape}; expected n x h x w, n x h x w x c or n x c x h x w, none of them 0"
        )
    if len(grid) == 2:
        return grid, False
    first, last = grid[0] in (1, 3), grid[2] in (1, 3)
    if first == last:
        what = "both the second and the last axis" if first else "neither the second nor the last axis"
        raise DataError(
            f"{where} has shape {shape}: {what} could be channels (1 or 3); transpose it, or save n x h x w"
        )
    return grid, last


def to_pixels(values: NDArray[Any], channels_last: bool, where: str) -> Pixels:
    """Return one image as float32 c x h x w in [0, 1].

    Raises:
        BoundsError: for floats outside [0, 1].
    """
    if channels_last:
        values = np.moveaxis(values, -1, 0)
    values = np.ascontiguousarray(values if values.ndim == 3 else values[None])
    if values.dtype == np.uint8:
        return values.astype(np.float32) / np.float32(255)
    return checked(values, where)


def checked(values: NDArray[Any], where: str) -> Pixels:
    """Return floats as float32 in [0, 1]; clip what lies outside by the tolerance, and refuse what lies farther.

    Raises:
        BoundsError: with the numbers seen.
    """
    low, high = float(values.min()), float(values.max())
    if not in_range(low, high):
        if not np.isfinite((low, high)).all():
            raise BoundsError(f"{where} holds NaN or infinite values; expected 0..1: find out where they come from")
        if low >= 0 and 1 < high <= 255:
            advice = "divide by 255, or save uint8"
        else:
            advice = "data look normalised: save them as they were before, and normalise inside the network"
        raise BoundsError(f"{where} has values {low:.6g}..{high:.6g}; expected 0..1: {advice}")
    return values.astype(np.float32).clip(0, 1)
