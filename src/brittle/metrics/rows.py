"""Columns of the tables of attacks as arrays, and the tables of several attacks side by side."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Sequence
from functools import reduce

import numpy as np
import pyarrow as pa

from brittle.errors import InputError
from brittle.metrics.estimate import Flags, Floats, Integers
from brittle.names import OLDER_NORMS, OWN_THREAT
from brittle.near import meant
from brittle.tolerance import most_within

COLUMNS = ("l0", "l1", "l2", "linf", "pixels", "flow")
"""Ways to measure changes that have a column of their own in every table."""


def floats(table: pa.Table, column: str) -> Floats:
    """A column of numbers, shape (n,)."""
    return np.asarray(table[column].to_numpy(), dtype=np.float64)


def flags(table: pa.Table, column: str) -> Flags:
    """A column of truth values, shape (n,)."""
    return np.asarray(table[column].to_numpy(), dtype=np.bool_)


def integers(table: pa.Table, column: str) -> Integers:
    """A column of whole numbers, shape (n,)."""
    return np.asarray(table[column].to_numpy(), dtype=np.int64)


def changes(table: pa.Table, p: str) -> Floats:
    """Size of every returned change, shape (n,); says nothing about whether the change succeeded.

    Args:
        table: of one attack.
        p: how changes are measured: l0, l1, l2, linf (or 0, 1, 2, inf), pixels, flow, or the name of the threat that
            the attack ran under, whose sizes are those of the column `size`.
    """
    name = OLDER_NORMS.get(p, p)
    if name not in COLUMNS and not OWN_THREAT.fullmatch(name):
        raise InputError(
            f"there is no norm {p!r}{meant(p, COLUMNS)}; known are {', '.join(COLUMNS)}, and threats by their names"
        )
    return floats(table, name if name in COLUMNS else "size")


def within(sizes: Floats, radius: float | None) -> Flags:
    """Which sizes are allowed by a radius, up to the tolerance; None allows all finite sizes."""
    if radius is None:
        return np.isfinite(sizes)
    return sizes <= most_within(radius)


def common_images(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """Bring tables to the images that all of them have, in the order of the images.

    Args:
        tables: one per attack, one row per image; of an unfinished run some may lack images.

    Returns:
        The tables, their rows about the same images in the same order.

    Raises:
        InputError: there are no tables, an image occurs twice in one, or two disagree about an image's label or about
            whether it was right before.

    Example:
        >>> one = pa.table({"index": [3, 1], "label": [0, 1], "correct": [True, True]})
        >>> two = pa.table({"index": [1, 2], "label": [1, 0], "correct": [True, True]})
        >>> [table["index"].to_pylist() for table in common_images([one, two])]
        [[1], [1]]
    """
    if not tables:
        raise InputError("there are no tables: give at least one attack")
    indices = [integers(table, "index") for table in tables]
    for index in indices:
        if len(np.unique(index)) < len(index):
            raise InputError("an image occurs twice in one table; give one row per image and attack")
    shared = reduce(np.intersect1d, indices[1:], np.unique(indices[0]))
    aligned: list[pa.Table] = []
    for table, index in zip(tables, indices, strict=True):
        if np.array_equal(index, shared):
            aligned.append(table)
            continue
        order = np.argsort(index)
        aligned.append(table.take(order[np.searchsorted(index[order], shared)]))
    for column in ("label", "correct"):
        for table in aligned[1:]:
            if not np.array_equal(table[column].to_numpy(), aligned[0][column].to_numpy()):
                raise InputError(
                    f"two attacks disagree about {column!r} of the same images: they are of different runs"
                )
    return aligned


def nearest_examples(tables: Sequence[pa.Table], p: str) -> pa.Table:
    """For every image that some attack broke, the row with the smallest change.

    Args:
        tables: one per attack.
        p: the norm in which changes are compared.

    Returns:
        One row per broken image, in the order of the images.
    """
    aligned = common_images(tables)
    sizes = np.stack([np.where(flags(table, "success"), changes(table, p), np.inf) for table in aligned])
    best = sizes.argmin(axis=0)
    found = np.isfinite(sizes.min(axis=0))
    picked = [table.filter(pa.array(found & (best == number))) for number, table in enumerate(aligned)]
    return pa.concat_tables(picked).sort_by("index")
