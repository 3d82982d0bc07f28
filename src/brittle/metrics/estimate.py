"""A number with its interval and the number of images behind it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brittle.errors import InputError
from brittle.maths import intervals

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
LEVEL = 0.95
"""Probability with which an interval covers the truth, for images drawn like the ones measured."""
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Estimate:
    """A measured number: nothing measured is an error, not a zero.

    Attributes:
        value: the number.
        low: lower end of its interval.
        high: upper end of its interval; infinite for a size where too few images were broken to know it. Where both
            ends are infinite, `low` below 0 and `high` above it, n allows no interval.
        n: how many images it was measured on.

    Raises:
        InputError: `n` is not positive.
    """

    value: float
    low: float
    high: float
    n: int

    def __post_init__(self):
        if self.n <= 0:
            raise InputError(f"nothing was measured (n = {self.n}): there is no estimate from no images")

    @property
    def has_interval(self) -> bool:
        """Whether n was large enough for an interval."""
        return not (self.low == -math.inf and self.high == math.inf)


def without_interval(value: float, n: int) -> Estimate:
    """Return a number that has no interval, because n is too small for one or because none would cover the truth."""
    return Estimate(value, -math.inf, math.inf, n)


def proportion(successes: int, n: int, level: float = LEVEL) -> Estimate:
    """Estimate a rate, with the exact interval of Clopper and Pearson (`brittle.maths.intervals.clopper_pearson`).

    Args:
        successes: how many of `n`.
        n: how many were tried.
        level: least coverage of the interval.

    Returns:
        The rate in [0, 1] with its interval.

    Raises:
        InputError: n is 0, or `successes` is not between 0 and n.

    Example:
        >>> estimate = proportion(0, 200)
        >>> f"{estimate.value:.1%} ({estimate.low:.1%} to {estimate.high:.1%})"
        '0.0% (0.0% to 1.8%)'
    """
    if n <= 0:
        raise InputError("a rate of no images does not exist: n = 0")
    if not 0 <= successes <= n:
        raise InputError(f"{successes} successes of {n} cannot be")
    low, high = intervals.clopper_pearson(np.asarray(successes), n, _checked(level))
    return Estimate(successes / n, float(low), float(high), n)


def mean(values: Floats, bounds: tuple[float, float] | None = None, level: float = LEVEL, seed: int = 0) -> Estimate:
    """Estimate the mean of independent values, one number per image (n,).

    Between known bounds, such as fractions in (0, 1), the interval covers the truth for every distribution and every n
    (Gaffke's). Without bounds no interval can: this one (Student's, widened by the studentised bootstrap) was chosen by
    simulation, and covers in 93 % or more of the samples, from 8 values on, of normal, uniform, exponential, gamma
    (from shape 1/2), lognormal (up to a spread of 1 in the logarithm), Student's (from 2.2 degrees) and Pareto's (from
    index 2.5) distribution. It covers less often where the mean rests on rare values that a sample may well lack: one
    in ten that is ten times as large needs 30 values (67 % at 8, 87 % at 20), and a lognormal spread of 1.5 about 100.

    Args:
        values: one number per image, shape (n,).
        bounds: least and greatest value that an image can have; None where there are none.
        level: coverage of the interval.
        seed: of the draws; the same seed gives the same interval.

    Returns:
        The mean. No interval without bounds for fewer than 8 values, for values that are all equal, and for an infinite
        mean.

    Raises:
        InputError: there are no values, or they exceed the bounds.

    Example:
        >>> mean(np.array([0.2, 0.4])).has_interval, mean(np.array([0.2, 0.4]), bounds=(0, 1)).has_interval
        (False, True)
    """
    values = _some(values, "mean")
    value = float(values.mean())
    if bounds is None:
        low, high = intervals.studentised_mean(values[None], _checked(level), seed)
        return Estimate(value, float(low[0]), float(high[0]), len(values))
    if not (bounds[0] <= values.min() and values.max() <= bounds[1]):
        raise InputError(f"values from {values.min():g} to {values.max():g} exceed the bounds {bounds[0]}, {bounds[1]}")
    low, high = intervals.bounded_mean(values[None], bounds, _checked(level), seed)
    return Estimate(value, float(low[0]), float(high[0]), len(values))


def jackknife(values: Floats, statistic: Callable[[Floats], Floats], level: float = LEVEL, seed: int = 0) -> Estimate:
    """Estimate a smooth statistic of independent values, such as a ratio of two sums.

    J. W. Tukey, "Bias and confidence in not quite large samples", Annals of Mathematical Statistics 29 (1958): what
    each value contributes is told by leaving it out, and the interval is that of the mean of the contributions, by
    `mean` without bounds. Medians and other quantiles are not smooth: for them there is `quantile`.

    Args:
        values: one number per image, shape (n,); often positions into arrays that the statistic holds.
        statistic: maps samples (r, m) to one number each (r,), such as ``lambda x: x.mean(axis=1)``.
        level: coverage of the interval.
        seed: of the draws of `mean`.

    Returns:
        The statistic of `values` with its interval; none where `mean` gives none.

    Raises:
        InputError: there are no values.
    """
    values = _some(values, "statistic")
    n = len(values)
    value = float(statistic(values[None])[0])
    if n < intervals.SMALLEST_MEAN or not math.isfinite(value):
        return without_interval(value, n)
    rows, left = max(1, _CHUNK // n), np.arange(n - 1)
    without: list[Floats] = []
    for first in range(0, n, rows):
        gone = np.arange(first, min(first + rows, n))[:, None]
        without.append(np.asarray(statistic(values[left + (left >= gone)]), dtype=np.float64))
    contributions = n * value - (n - 1) * np.concatenate(without)
    shift = value - float(contributions.mean())
    low, high = intervals.studentised_mean(contributions[None], _checked(level), seed)
    return Estimate(value, float(low[0]) + shift, float(high[0]) + shift, n)


def quantile(values: Floats, q: float, level: float = LEVEL) -> Estimate:
    """Estimate a quantile, infinity allowed, with an exact interval between two of the ordered values.

    Quantiles interpolate linearly between neighbours (a quantile between a finite and an infinite value is infinite).
    The interval is `brittle.maths.intervals.quantile_ranks`: for every distribution it covers in at least `level` of
    the samples.

    Args:
        values: one number per image, shape (n,).
        q: which quantile, in [0, 1].
        level: least coverage of the interval.

    Returns:
        The quantile with its interval; none where n is too small, which for the median is below 6.

    Raises:
        InputError: there are no values, or q is outside [0, 1].
    """
    if not 0 <= q <= 1:
        raise InputError(f"the quantile {q} is not between 0 and 1")
    ordered = np.sort(_some(values, "quantile"))
    n = len(ordered)
    place = q * (n - 1)
    below, part = math.floor(place), place - math.floor(place)
    lower, upper = float(ordered[below]), float(ordered[min(below + 1, n - 1)])
    value = lower if part == 0 or lower == upper else lower + part * (upper - lower)
    ranks = intervals.quantile_ranks(n, q, _checked(level))
    if ranks is None:
        return without_interval(value, n)
    return Estimate(value, float(ordered[ranks[0] - 1]), float(ordered[ranks[1] - 1]), n)


def _some(values: Floats, what: str) -> Floats:
    values = np.asarray(values, dtype=np.float64)
    if len(values) == 0:
        raise InputError(f"a {what} of no values does not exist: n = 0")
    return values


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise InputError(f"the level {level} of an interval is not between 0 and 1")
    return level
