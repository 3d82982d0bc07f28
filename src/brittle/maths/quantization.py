"""Evenly spaced levels that a file can hold, such as the 256 of 8 bits; of NumPy's arrays and of tensors alike.

Level k is lower + span k / top. Neither library is needed to compute it, so that what only draws waits for no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    Values = TypeVar("Values", Tensor, NDArray[Any])
else:
    Values = Any  # what checks types at run time would have to load torch

TOP = 255
"""The highest level of 8 bits."""


def levels_of(values: Values, lower: float = 0.0, span: float = 1.0, top: int = TOP) -> Values:
    """Return values as numbers of levels above the lowest one, whole where a value is a level.

    Args:
        values: floats.
        lower: the lowest level's value.
        span: from there to the highest.
        top: number of the highest.

    Example:
        >>> levels_of(np.array([0.0, 0.5, 1.0]))
        array([  0. , 127.5, 255. ])
    """
    return (values - lower) / span * top


def values_of(levels: Values, lower: float = 0.0, span: float = 1.0, top: int = TOP) -> Values:
    """Return the values of levels, floats.

    Example:
        >>> values_of(np.array([0.0, 51.0, 255.0]), lower=-1.0, span=2.0)
        array([-1. , -0.6,  1. ])
    """
    return levels / top * span + lower


def rounded(values: Values, lower: float = 0.0, span: float = 1.0, top: int = TOP) -> Values:
    """Put every value on the nearest level, of two as near on the even one.

    Example:
        >>> rounded(np.array([0.1, 0.9])) * 255
        array([ 26., 230.])
    """
    return values_of(levels_of(values, lower, span, top).round(), lower, span, top)


def as_bytes(values: Values, lower: float = 0.0, span: float = 1.0) -> Values:
    """Return values within the box as the nearest levels of 8 bits, uint8.

    Example:
        >>> as_bytes(np.array([0.1, 0.9]))
        array([ 26, 230], dtype=uint8)
    """
    levels = levels_of(values, lower, span).round()
    return levels.astype(np.uint8) if isinstance(levels, np.ndarray) else levels.byte()
