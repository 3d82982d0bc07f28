"""A number with its interval and the number of images behind it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from brittle.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
LEVEL = 0.95
"""Probability with which an interval covers the truth, for images drawn like the ones measured."""
RESAMPLES = 2000
"""Draws of the bootstrap (Efron and Tibshirani 1993 advise 1,000 and more for percentile intervals)."""
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Estimate:
    """A measured number: nothing measured is an error, not a zero.

    Attributes:
        value: the number.
        low: lower end of its interval.
        high: upper end of its interval.
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


def wilson(successes: int, n: int, level: float = LEVEL) -> Estimate:
    """Estimate a rate by Wilson's score interval, which is sound for small n and for rates of 0 and 1.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).

    Args:
        successes: how many of `n`.
        n: how many were tried.
        level: coverage of the interval.

    Returns:
        The rate in [0, 1] with its interval.

    Raises:
        InputError: n is 0, or `successes` is not between 0 and n.

    Example:
        >>> estimate = wilson(0, 200)
        >>> f"{estimate.value:.1%} ({estimate.low:.1%} to {estimate.high:.1%})"
        '0.0% (0.0% to 1.9%)'
    """
    if n <= 0:
        raise InputError("a rate of no images does not exist: n = 0")
    if not 0 <= successes <= n:
        raise InputError(f"{successes} successes of {n} cannot be")
    z = NormalDist().inv_cdf((1 + _checked(level)) / 2)
    rate = successes / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else centre - reach
    high = 1.0 if successes == n else centre + reach
    return Estimate(rate, low, high, n)


def bootstrap(
    values: Floats,
    statistic: Callable[[Floats], Floats],
    seed: int = 0,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Estimate a statistic of independent values by the percentile bootstrap.

    Args:
        values: one number per image, shape (n,).
        statistic: maps samples (r, n) to one number each (r,), such as ``lambda x: x.mean(axis=1)``.
        seed: of the draws; the same seed gives the same interval.
        level: coverage of the interval.
        resamples: number of draws.

    Returns:
        The statistic of `values` with its interval, which is unbounded when there is only one value.

    Raises:
        InputError: there are no values.
    """
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    if n == 0:
        raise InputError("a statistic of no values does not exist: n = 0")
    value = float(statistic(values[None])[0])
    if n == 1:
        return Estimate(value, -math.inf, math.inf, 1)
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK // n)
    drawn: list[Floats] = []
    for first in range(0, resamples, rows):
        picks = generator.integers(n, size=(min(rows, resamples - first), n))
        drawn.append(np.asarray(statistic(values[picks]), dtype=np.float64))
    low, high = _percentiles(np.concatenate(drawn), level)
    return Estimate(value, low, high, n)


def mean(values: Floats, seed: int = 0, level: float = LEVEL) -> Estimate:
    """Estimate the mean of independent values, one number per image (n,), by `bootstrap`."""
    return bootstrap(values, lambda samples: samples.mean(axis=1), seed, level)


def quantile(values: Floats, q: float, seed: int = 0, level: float = LEVEL, resamples: int = RESAMPLES) -> Estimate:
    """Estimate a quantile of numbers of at least 0, infinity allowed, with its bootstrap interval.

    Quantiles interpolate linearly between neighbours (a quantile between a finite and an infinite value is infinite).
    A resample's k-th smallest value is the value at rank ``floor(n U)``, where U is the k-th smallest of n uniform
    numbers; drawing U from its Beta distribution gives the bootstrap itself without making the resamples.

    Args:
        values: one number per image, shape (n,).
        q: which quantile, in [0, 1].
        seed: of the draws.
        level: coverage of the interval.
        resamples: number of draws.

    Returns:
        The quantile with its interval, from 0 to infinity when there is only one value.

    Raises:
        InputError: there are no values, or q is outside [0, 1].
    """
    if not 0 <= q <= 1:
        raise InputError(f"the quantile {q} is not between 0 and 1")
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    if n == 0:
        raise InputError("a quantile of no values does not exist: n = 0")
    place = q * (n - 1)
    below, part = math.floor(place), place - math.floor(place)
    value = float(_between(ordered[[below]], ordered[[min(below + 1, n - 1)]], part)[0])
    if n == 1:
        return Estimate(value, 0.0, math.inf, 1)
    generator = np.random.default_rng(seed)
    lower = generator.beta(below + 1, n - below, resamples)
    upper = lower
    if below + 1 < n:
        upper = lower + (1 - lower) * generator.beta(1, n - below - 1, resamples)
    ranks = [np.minimum((n * u).astype(np.int64), n - 1) for u in (lower, upper)]
    low, high = _percentiles(_between(ordered[ranks[0]], ordered[ranks[1]], part), level)
    return Estimate(value, low, high, n)


def _between(lower: Floats, upper: Floats, part: float) -> Floats:
    if part == 0:
        return lower
    with np.errstate(invalid="ignore"):  # infinity minus infinity, not used
        return np.where(lower == upper, lower, lower + part * (upper - lower))


def _percentiles(drawn: Floats, level: float) -> tuple[float, float]:
    """Both ends of the interval; by rank and not interpolated, because infinities may be among the draws."""
    tail = (1 - _checked(level)) / 2
    ordered = np.sort(drawn)
    last = len(ordered) - 1
    return float(ordered[math.floor(tail * last)]), float(ordered[math.ceil((1 - tail) * last)])


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise InputError(f"the level {level} of an interval is not between 0 and 1")
    return level
