"""Accuracy before and after, and how often an attack succeeds."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from brittle.metrics.estimate import LEVEL, Estimate, Flags, proportion
from brittle.metrics.rows import changes, common_images, flags, integers, within


def clean_accuracy(table: pa.Table, level: float = LEVEL) -> Estimate:
    """Fraction of the images that the network gets right before any attack.

    Args:
        table: the rows of any one attack.
        level: coverage of the interval.

    Returns:
        The rate with its interval.

    Raises:
        InputError: the table is empty.
    """
    return _rate(flags(table, "correct"), level)


def broken(table: pa.Table, p: str | None = None, radius: float | None = None) -> Flags:
    """Which images an attack broke: right before, at its goal and not refused after, changed by no more than allowed.

    Args:
        table: the rows of an attack, whatever norm it worked in.
        p: the norm of the question, "0", "1", "2" or "inf"; None to take the attack's own word for the size.
        radius: the largest change allowed in that norm; None for no limit.

    Returns:
        One truth value per row.
    """
    success = flags(table, "correct") & flags(table, "success")
    return success if p is None else success & within(changes(table, p), radius)


def standing(tables: Sequence[pa.Table], p: str | None = None, radius: float | None = None) -> Flags:
    """Which images are right before and broken by no attack: the worst case for each image.

    Of a targeted attack (`target` is a column) an image that became another wrong class counts as broken too.

    Args:
        tables: one per attack, their rows about the same images in the same order (`common_images`).
        p: the norm of the question; None counts every success.
        radius: the largest change allowed in that norm.

    Returns:
        One truth value per row.
    """
    fallen = np.any([_fallen(table, p, radius) for table in tables], axis=0)
    return flags(tables[0], "correct") & ~fallen


def _fallen(table: pa.Table, p: str | None, radius: float | None) -> Flags:
    """Which images an attack broke or, where its goal was a target, brought to any other wrong class."""
    fallen = broken(table, p, radius)
    if "target" not in table.column_names:
        return fallen
    wrong = (integers(table, "prediction") != integers(table, "label")) & ~_if_there(table, "refused")
    return fallen | (wrong if p is None else wrong & within(changes(table, p), radius))


def robust_accuracy(
    tables: Sequence[pa.Table], p: str | None = None, radius: float | None = None, level: float = LEVEL
) -> Estimate:
    """Fraction of the images that are right before and that no attack breaks: the worst case for each image.

    Args:
        tables: one per attack; images that not all of them have are left out.
        p: the norm of the question; None counts every success.
        radius: the largest change allowed in that norm; a larger change that some attack made does not count.
        level: coverage of the interval.

    Returns:
        The rate, an upper bound on the true one (a better attack can only lower it), with its interval.

    Raises:
        InputError: there are no tables, no common images, or tables of different runs.
    """
    return _rate(standing(common_images(tables), p, radius), level)


def success_rate(table: pa.Table, p: str | None = None, radius: float | None = None, level: float = LEVEL) -> Estimate:
    """Fraction of the images right before that an attack breaks.

    Args:
        table: the rows of an attack.
        p: the norm of the question; None counts every success.
        radius: the largest change allowed in that norm.
        level: coverage of the interval.

    Returns:
        The rate with its interval; n is the number of images right before.

    Raises:
        InputError: no image was right before.
    """
    return _rate(broken(table, p, radius)[flags(table, "correct")], level)


def rounded_success_rate(table: pa.Table, level: float = LEVEL) -> Estimate:
    """Fraction of the images right before that an attack breaks even after rounding to 8 bits, as saving a PNG does.

    Raises:
        InputError: no image was right before.
    """
    return _rate((flags(table, "success") & flags(table, "rounded_success"))[flags(table, "correct")], level)


def rounding_survival(table: pa.Table, level: float = LEVEL) -> Estimate:
    """Fraction of an attack's successes that are still successes after rounding to 8 bits.

    Raises:
        InputError: the attack had no success.
    """
    return _rate(flags(table, "rounded_success")[broken(table)], level)


def false_alarms(table: pa.Table, level: float = LEVEL) -> Estimate:
    """Fraction of the clean images that a detector refuses; such images count as not right.

    Args:
        table: the rows of any one attack.
        level: coverage of the interval.

    Raises:
        InputError: the table is empty.
    """
    return _rate(_if_there(table, "clean_refused"), level)


def caught(table: pa.Table) -> Flags:
    """Which images a detector saved: right before, and returned by the attack as another class, but refused."""
    wrong = integers(table, "prediction") != integers(table, "label") if has_detector(table) else None
    return flags(table, "correct") & _if_there(table, "refused") & (True if wrong is None else wrong)


def refused_rate(table: pa.Table, level: float = LEVEL) -> Estimate:
    """Fraction of the images right before that an attack returned as another class and a detector refused.

    Raises:
        InputError: no image was right before.
    """
    return _rate(caught(table)[flags(table, "correct")], level)


def has_detector(table: pa.Table) -> bool:
    """Whether the rows are of a network that may refuse images."""
    return "refused" in table.column_names and table["refused"].null_count < table.num_rows


def _if_there(table: pa.Table, column: str) -> Flags:
    """A column of truth values; False where it is missing or null."""
    return flags(table, column) if has_detector(table) else np.zeros(table.num_rows, dtype=np.bool_)


def _rate(hits: Flags, level: float) -> Estimate:
    return proportion(int(hits.sum()), len(hits), level)
