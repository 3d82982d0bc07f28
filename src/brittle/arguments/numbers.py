"""Numbers as people write them: read, and written."""

import math
import re

from brittle.arguments.rules import seen
from brittle.errors import InputError
from brittle.tolerance import TOLERANCE

NUMBER = re.compile(
    r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40}|inf)([eE][+-]?\d{1,4})?(/\d{1,40}(\.\d{0,40})?)?", re.ASCII
)
"""How a number or a fraction is written."""


def parse_number(text: str) -> float:
    """Read a number or a fraction such as 8/255.

    Raises:
        InputError: neither.

    Example:
        >>> parse_number("51/255"), parse_number("0.5")
        (0.2, 0.5)
    """
    try:
        if not NUMBER.fullmatch(text):
            raise ValueError
        over, _, under = text.partition("/")
        value = float(over) / float(under or 1)
        if math.isinf(value) and "inf" not in text:
            raise OverflowError
        return value
    except (ValueError, ArithmeticError):
        raise InputError(f"{seen(text)} is no number; expected one such as 0.5 or 8/255") from None


def levels_text(value: float, most: int | None = None, near: float = TOLERANCE) -> str | None:
    """Write a number as levels of 255, as people write a radius, where it is a whole number of them.

    Args:
        value: finite.
        most: levels that are written so; by default however many.
        near: how far from a whole number the levels may be.

    Returns:
        Such as "8/255"; None for other numbers, and for those below one level.

    Example:
        >>> levels_text(8 / 255), levels_text(0.5), levels_text(0.4, most=63)
        ('8/255', None, None)
    """
    levels = value * 255
    whole = round(levels)
    fits = whole > 0 and abs(levels - whole) < near and (most is None or whole <= most)
    return f"{whole}/255" if fits else None
