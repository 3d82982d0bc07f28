"""Numbers as people write them."""

import math
import re

from brittle.arguments.rules import seen
from brittle.errors import InputError

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
