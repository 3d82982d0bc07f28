"""What a channel, such as print and photograph, leaves of adversarial images: the destruction rate, and accuracies."""

# pyright: reportUnknownParameterType=false, reportUnknownMemberType=false
# pyarrow ships no types
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brittle.errors import InputError
from brittle.metrics.estimate import LEVEL, Estimate, Flags, Integers, proportion
from brittle.metrics.rows import floats
from brittle.near import meant

SURE, MISSED_BY = 0.8, 5
"""Of the prefiltered case (Kurakin et al., section 3.2): the least confidence of an image that is taken, before and
after the attack, and how many of the likeliest classes of the adversarial one must miss the true class."""
RANKS = ("clean_rank", "rank", "clean_channel_rank", "channel_rank")
"""Columns of places of the true class among the classes, from 0 for the likeliest: of the clean image, of the
adversarial one, and of both behind the channel."""


def destruction_rate(
    table: pa.Table, top: int = 1, *, prefiltered: bool = False, sure: float = SURE, level: float = LEVEL
) -> Estimate:
    """Estimate the fraction of adversarial images that a channel makes harmless.

    Kurakin, Goodfellow, Bengio, "Adversarial examples in the physical world", ICLR 2017 workshop, section 3.1
    (arXiv:1607.02533): d = sum C(x, y) notC(x_adv, y) C(T(x_adv), y) / sum C(x, y) notC(x_adv, y), where C says whether
    the true class is among the `top` likeliest.

    Args:
        table: one row per image, with columns `clean_rank`, `rank` and `channel_rank` (see `RANKS`; null where there is
            no such image, or none was photographed), and for the prefiltered case `clean_confidence` and `confidence`,
            of the likeliest class before the channel.
        top: how many classes may be named, 1 or 5 in the paper.
        prefiltered: count only images of which the network is sure: the clean one is right, the adversarial one wrong
            at top 1 and at top 5 alike, both with a confidence of at least `sure`. The average case, by default, takes
            all.
        sure: that confidence, from 0 to 1.
        level: coverage of the interval.

    Returns:
        The rate with its interval; n is the number of adversarial images that count. The survivors are the rest.

    Raises:
        InputError: no adversarial image counts, or `top` is below 1.

    Example:
        >>> rows = pa.table({"clean_rank": [0, 0, 0, 3], "rank": [1, 2, 0, 4], "channel_rank": [0, 1, 0, 0]})
        >>> destruction_rate(rows).value
        0.5
    """
    counted = adversarial_at(table, top) & (_ranks(table, "channel_rank") >= 0)
    if prefiltered:
        _checked_sure(sure)
        counted &= right_at(table, "clean_rank", 1) & ~right_at(table, "rank", MISSED_BY)
        counted &= (floats(table, "clean_confidence") >= sure) & (floats(table, "confidence") >= sure)
    if not counted.any():
        also = f" and {MISSED_BY}, both with a confidence of {sure:g} or more" if prefiltered else ""
        raise InputError(
            f"no image of {len(counted)} is right at first and wrong once attacked at top {top}{also}, so there is "
            "nothing to destroy; give more images, or those of a stronger attack"
        )
    return proportion(int((counted & right_at(table, "channel_rank", top)).sum()), int(counted.sum()), level)


def top_accuracy(table: pa.Table, column: str = "clean_rank", top: int = 1, level: float = LEVEL) -> Estimate:
    """Estimate the fraction of images whose true class is among the likeliest.

    Args:
        table: one row per image.
        column: one of `RANKS`; images where it is null are left out.
        top: how many classes may be named.
        level: coverage of the interval.

    Raises:
        InputError: there are no images, another column, or `top` is below 1.

    Example:
        >>> top_accuracy(pa.table({"clean_rank": [0, 2, 7, 1]}), top=5).value
        0.75
    """
    there = _ranks(table, column) >= 0
    return proportion(int(right_at(table, column, top).sum()), int(there.sum()), level)


def adversarial_at(table: pa.Table, top: int = 1) -> Flags:
    """Which images are right at first and wrong once attacked, C(x, y) notC(x_adv, y), (n,)."""
    attacked = _ranks(table, "rank") >= 0
    return right_at(table, "clean_rank", top) & attacked & ~right_at(table, "rank", top)


def right_at(table: pa.Table, column: str, top: int = 1) -> Flags:
    """Whose true class is among the `top` likeliest, (n,); False where the column is null.

    Raises:
        InputError: another column, or `top` is below 1.
    """
    if top < 1:
        raise InputError(f"top is {top}; expected how many classes may be named, at least 1")
    ranks = _ranks(table, column)
    return (ranks >= 0) & (ranks < top)


def _ranks(table: pa.Table, column: str) -> Integers:
    """A column of places, -1 where there is none."""
    if column not in RANKS:
        raise InputError(f"{column!r} is no column of places{meant(column, RANKS)}; expected {', '.join(RANKS)}")
    return np.asarray(pc.fill_null(table[column].cast(pa.int64()), -1).to_numpy(), dtype=np.int64)


def _checked_sure(sure: float) -> None:
    if not 0 <= sure < 1:
        raise InputError(f"sure is {sure}; expected a confidence from 0 up to, but not including, 1")
