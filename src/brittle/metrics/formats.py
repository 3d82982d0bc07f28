"""Numbers as a reader wants them."""

import math
from dataclasses import dataclass

from brittle.arguments.numbers import levels_text
from brittle.metrics.estimate import Estimate
from brittle.threats import described

THIN = "\u202f"
"""A narrow space that does not break a line, between a number and its unit."""
MEASURED = 1e-4
"""How far, in levels, a size measured in float32 may be from a whole number of them."""
NO_INTERVAL = "too few for an interval"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def title(p: str) -> str:
    """The name of a threat, such as L∞.

    Example:
        >>> title("linf"), title("flow")
        ('L∞', 'T-norm')
    """
    return described(p).title


def percent(rate: float) -> str:
    """A rate with one decimal; what is not quite none or not quite all is not rounded to it.

    Example:
        >>> percent(0.7154).replace(THIN, " "), percent(0.0001).replace(THIN, " "), percent(0.9999).replace(THIN, " ")
        ('71.5 %', '< 0.1 %', '> 99.9 %')
    """
    if 0 < rate < 0.0005:
        return f"<{THIN}0.1{THIN}%"
    if 0.9995 <= rate < 1:
        return f">{THIN}99.9{THIN}%"
    return f"{100 * rate:.1f}{THIN}%"


def interval(estimate: Estimate) -> str:
    """The interval of a rate, such as 0.0–1.8 %."""
    if not estimate.has_interval:
        return NO_INTERVAL
    return f"{100 * estimate.low:.1f}–{100 * estimate.high:.1f}{THIN}%"


def significant(value: float, digits: int = 3) -> str:
    """A number with three significant digits, thousands separated.

    Example:
        >>> [significant(value) for value in (0.0, 0.01234, 2.5, 1234.5, 4.56e-7, math.inf)]
        ['0', '0.0123', '2.50', '1,234', '4.56×10⁻⁷', '∞']
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    mantissa, exponent = f"{abs(value):.{digits - 1}e}".split("e")
    power, sign = int(exponent), "−" if value < 0 else ""
    if power < -4 or power > 8:
        return f"{sign}{mantissa}×10{str(power).translate(_SUPERSCRIPTS)}"
    return f"{sign}{abs(value):,.{max(0, digits - 1 - power)}f}"


def estimate_text(estimate: Estimate, style: str = ".1%") -> str:
    """A rate, or a number in another style, with its interval and n, as plain text.

    Args:
        estimate: the number.
        style: how numbers are written, as of `format`.

    Example:
        >>> from brittle.metrics import proportion
        >>> estimate_text(proportion(1, 2))
        '50.0%  (95 % interval 1.3% to 98.7%, n = 2)'
    """
    value, low, high = (f"{number:{style}}" for number in (estimate.value, estimate.low, estimate.high))
    return _with_interval(estimate, value, f"{low} to {high}")


def _with_interval(estimate: Estimate, value: str, ends: str) -> str:
    ends = f"95 % interval {ends}" if estimate.has_interval else "no interval"
    return f"{value}  ({ends}, n = {estimate.n})"


@dataclass(frozen=True)
class Units:
    """How sizes of changes are written for images within these bounds.

    Attributes:
        span: greatest less least value of a pixel; where it is 1, sizes in the largest-change norm are in 1/255.
    """

    span: float

    def factor(self, p: str) -> float:
        """What a size is multiplied by before it is shown on an axis."""
        return 255.0 if self.span == 1 and p and described(p).levels else 1.0

    def axis(self, text: str, p: str) -> str:
        """The title of an axis of sizes, with their norm and unit; the text alone where there is no norm.

        Example:
            >>> Units(1.0).axis("largest change", "linf"), Units(1.0).axis("largest change", "")
            ('largest change, L∞ in 1/255', 'largest change')
        """
        if not p:
            return text
        unit = described(p).unit or ("1/255" if self.factor(p) != 1 else "")
        return f"{text}, {title(p)}" + (f" in {unit}" if unit else "")

    def size(self, value: float, p: str) -> str:
        """A size as its threat writes it; radii that are a whole number of steps of 8 bits are written as such.

        Example:
            >>> Units(1.0).size(8 / 255, "linf"), Units(1.0).size(0.0125, "linf"), Units(1.0).size(0.5, "l2")
            ('8/255', '3.19/255', '0.500')
        """
        threat = described(p)
        if threat.counts and math.isfinite(value):
            return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
        if threat.unit and math.isfinite(value):
            number = f"{value:g}" if value == int(value) else significant(value)
            return f"{number}{THIN}{threat.unit}"
        if self.factor(p) == 1 or not math.isfinite(value) or value == 0:
            return significant(value)
        return levels_text(value, near=MEASURED) or f"{significant(value * 255)}/255"

    def interval(self, estimate: Estimate, p: str) -> str:
        """The interval of a size."""
        return self.bounds(estimate.low, estimate.high, p) if estimate.has_interval else NO_INTERVAL

    def bounds(self, lowest: float, highest: float, p: str) -> str:
        """A range of sizes, the unit said once."""
        low, high = (self.size(max(0.0, value), p) for value in (lowest, highest))
        if low == high:
            return low
        for unit in ("/255", f"{THIN}{described(p).unit}"):
            if low.endswith(unit) and high.endswith(unit):
                low = low.removesuffix(unit)
        return f"{low}–{high}"

    def text(self, value: float, p: str) -> str:
        """A size as plain text, for a terminal: no character that a log may not have.

        Example:
            >>> Units(1.0).text(2.5, "flow"), Units(1.0).text(0.07, "linf")
            ('2.50 px', '17.9/255')
        """
        return self.size(value, p).replace(THIN, " ")

    def estimate(self, estimate: Estimate, p: str) -> str:
        """A size with its interval and n, as plain text, all numbers in one unit.

        Example:
            >>> Units(1.0).estimate(Estimate(0.07, 0.06, 0.088, 40), "linf")
            '17.9/255  (95 % interval 15.3–22.4/255, n = 40)'
        """
        return _with_interval(estimate, self.text(estimate.value, p), self.interval(estimate, p).replace(THIN, " "))
