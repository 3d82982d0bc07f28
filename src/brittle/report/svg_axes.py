"""The axes of a figure: where a value stands between both ends, and round numbers to write beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from brittle.metrics.curve_figure import Figure

TICKS = 6
"""About how many numbers stand along an axis."""
PADDING = 0.05
"""Part of the span of the values that an axis goes on at both ends."""
STEPS = (1, 2, 5, 10)
"""Distances between round numbers, times a power of ten."""


@dataclass(frozen=True)
class Axis:
    """An axis, from its low to its high end.

    Attributes:
        low, high: values at its ends; their decimal logarithms where it is logarithmic.
        ticks: values that are written, with what is written.
        between: values that only have a grid line.
        logarithmic: whether equal ratios are equally far from each other.
        reversed: whether the low end is where the high one usually is.
        grid: whether lines are drawn at the ticks.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    between: tuple[float, ...] = ()
    logarithmic: bool = False
    reversed: bool = False
    grid: bool = True

    def place(self, value: float) -> float:
        """Return where a value stands: 0 at the left or lower end, 1 at the right or upper one."""
        scaled = math.log10(value) if self.logarithmic else value
        part = (scaled - self.low) / (self.high - self.low)
        return 1 - part if self.reversed else part

    def holds(self, value: float) -> bool:
        """Whether a value stands between the ends."""
        return -1e-9 <= self.place(value) <= 1 + 1e-9


def axis_of(layout: Figure, values: Sequence[float]) -> Axis:
    """Return an axis.

    Args:
        layout: plotly's of the axis.
        values: all that stand along it; where all are whole, whole numbers alone are written.
    """
    if layout.get("type") == "log":
        return _logarithmic([value for value in values if value > 0])
    low, high = layout.get("range") or _ends(values, zero=layout.get("rangemode") == "tozero")
    turned, (low, high) = low > high, sorted((float(low), float(high)))
    if "tickvals" in layout:
        ticks = tuple(zip(layout["tickvals"], layout["ticktext"], strict=True))
    else:
        ticks = round_ticks(low, high, _style(layout), whole=_whole(values), step=layout.get("dtick"))
    return Axis(low, high, ticks, reversed=turned, grid=layout.get("showgrid", True))


def round_ticks(
    low: float, high: float, style: str = "", *, whole: bool = False, step: float | None = None
) -> tuple[tuple[float, str], ...]:
    """Return round numbers between two ends with what is written of them.

    Args:
        low: the lower end of the axis.
        high: its other end.
        style: how a number is written, as of `format`; "" for as many decimals as tell neighbours apart.
        whole: whether what is counted has no halves.
        step: distance of the numbers; by default 1, 2 or 5 times a power of ten, so that there are about six.

    Example:
        >>> round_ticks(0, 1.1)
        ((0.0, '0.0'), (0.2, '0.2'), (0.4, '0.4'), (0.6, '0.6'), (0.8, '0.8'), (1.0, '1.0'))
        >>> round_ticks(0.9, 3.1, whole=True)
        ((1.0, '1'), (2.0, '2'), (3.0, '3'))
    """
    if step is None:
        rough = (high - low) / TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * one for one in STEPS if power * one >= rough * (1 - 1e-9))
        step = max(1.0, step) if whole else step
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    style = style or (f",.{decimals}f" if decimals < TICKS else ".3g")
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [round(number * step, decimals + 2) for number in range(first, last + 1)]
    return tuple((value, format(value, style).replace("-", "−")) for value in values)


def _logarithmic(values: Sequence[float]) -> Axis:
    """Write the powers of ten, and between them twice and five times as much where there are few."""
    ends = [math.log10(value) for value in values] or [0.0, 1.0]
    room = PADDING * (max(ends) - min(ends)) or 0.5
    low, high = min(ends) - room, max(ends) + room
    powers = range(math.floor(low), math.ceil(high) + 1)
    inside = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    inside = [value for value in inside if low <= math.log10(value) <= high]
    whole = [value for value in inside if math.log10(value).is_integer()]
    written = whole if len(whole) > 1 else inside  # one number says nothing of an axis
    rest = tuple(value for value in inside if value not in written)
    return Axis(low, high, tuple((value, f"{value:,g}") for value in written), rest, logarithmic=True)


def _ends(values: Sequence[float], *, zero: bool) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = PADDING * (high - low) or abs(high) * PADDING or 0.5
    return (0.0 if zero and low >= 0 else low - room), high + room


def _whole(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(value, int) for value in values)


def _style(layout: Figure) -> str:
    """How plotly writes a number, as Python does it."""
    return str(layout.get("tickformat", "")).replace("~", "")
