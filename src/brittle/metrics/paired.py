"""Two measurements of the same images: what changed between them, and how far chance alone would reach."""

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when they are asked for: `scipy.stats` takes over a second

from brittle.errors import InputError
from brittle.metrics.estimate import LEVEL, Estimate, Flags, Floats, mean, proportion, quantile

RATES = (-1.0, 1.0)
"""Least and greatest difference of two truth values."""


@dataclass(frozen=True)
class PairedRates:
    """A rate of the same images, measured twice.

    Attributes:
        before, after: both rates, each with an interval of its own.
        difference: after minus before, from -1 to 1.
        lost, gained: how many images counted before and no longer, and the other way round.
        chance: how likely images that change sides by chance alone are split at least as unevenly (exact two-sided
            McNemar test); 1 where none changed sides.
    """

    before: Estimate
    after: Estimate
    difference: Estimate
    lost: int
    gained: int
    chance: float


def paired_rates(before: Flags, after: Flags, level: float = LEVEL) -> PairedRates:
    """Compare a rate before and after, image by image.

    Most of what two networks get right or wrong they have in common, so that their difference is known much better than
    each of the two rates: only the images that change sides say anything. Their split is tested as in Q. McNemar, "Note
    on the sampling error of the difference between correlated proportions or percentages", Psychometrika 12 (1947),
    with the binomial distribution itself in place of its approximation. The interval of the difference is that of a
    mean between bounds (`brittle.maths.intervals.bounded_mean`): it covers for every n, also where nothing changed.

    Args:
        before: whether each image counts before, (n,).
        after: whether it counts after, (n,), the same images in the same order.
        level: least coverage of the intervals.

    Raises:
        InputError: there are no images, or not as many after as before.

    Example:
        >>> before, after = np.ones(200, dtype=np.bool_), np.arange(200) >= 10
        >>> found = paired_rates(before, after)
        >>> found.difference.value, found.lost, found.gained, round(found.chance, 4)
        (-0.05, 10, 0, 0.002)
    """
    apart = _apart(before, after)
    lost, gained = int((apart < 0).sum()), int((apart > 0).sum())
    chance = sign_test(lost, gained)
    old, new = (proportion(int(flags.sum()), len(flags), level) for flags in (before, after))
    return PairedRates(old, new, _mean(apart, level), lost, gained, chance)


def sign_test(less: int, more: int) -> float:
    """Return how likely chance alone splits so many values at least as unevenly (exact, two-sided); 1 of none.

    Example:
        >>> sign_test(0, 6), sign_test(0, 0)
        (0.03125, 1.0)
    """
    return float(scipy.stats.binomtest(less, less + more).pvalue) if less + more else 1.0


def least_drop(before: Flags, after: Flags, level: float = LEVEL) -> float:
    """Return by how much a rate fell at least: the lower end of the drop, one-sided; below 0 where it may have risen.

    Args:
        before: as of `paired_rates`.
        after: likewise.
        level: with which probability the drop is not smaller, whatever the truth.

    Example:
        >>> flags = np.ones(1000, dtype=np.bool_)
        >>> least_drop(flags, np.arange(1000) >= 20) > 0, least_drop(flags, flags) < 0
        (True, True)
    """
    return _mean(-_apart(before, after), 2 * level - 1).low


def most_drop(before: Flags, after: Flags, level: float = LEVEL) -> float:
    """Return by how much a rate fell at most, one-sided; arguments as of `least_drop`."""
    return _mean(-_apart(before, after), 2 * level - 1).high


def size_ratio(before: Floats, after: Floats, level: float = LEVEL) -> Estimate | None:
    """Estimate the median factor from the size of each image's smallest change before to that after.

    The median and its interval (`quantile`, exact) hold for infinite factors too, so that images which only one of both
    searches broke count. Where neither did nothing is known of the factor, and the image is left out.

    Args:
        before: sizes above 0, infinite where no change was found, (n,).
        after: likewise, of the same images in the same order.
        level: least coverage of the interval.

    Returns:
        Below 1 where images fall to smaller changes than before; None where no image was broken at all.

    Example:
        >>> size_ratio(np.array([1.0, 2.0, np.inf]), np.array([0.5, 1.0, np.inf])).value
        0.5
    """
    broken = np.isfinite(before) | np.isfinite(after)
    if not broken.any():
        return None
    old, new = before[broken], after[broken]
    factors = np.where(np.isinf(new), np.inf, np.where(np.isinf(new), 1.0, new) / old)
    return quantile(factors, 0.5, level)


def _mean(apart: Floats, level: float) -> Estimate:
    """Estimate the mean of differences, so that the other way round gives the same ends with the other sign."""
    found = mean(apart if apart.sum() >= 0 else -apart, RATES, level)
    if apart.sum() == 0:  # neither way round is the first
        end = max(-found.low, found.high)
        return Estimate(0.0, -end, end, found.n)
    return found if apart.sum() > 0 else Estimate(-found.value, -found.high, -found.low, found.n)


def _apart(before: Flags, after: Flags) -> Floats:
    if before.shape != after.shape:
        raise InputError(f"there are {len(before)} images before and {len(after)} after; expected the same images")
    return after.astype(np.float64) - before.astype(np.float64)
