"""How far two labellings of pixels agree: fraction of equal pixels and mean intersection over union."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brittle.errors import InputError
from brittle.metrics.estimate import Floats, Integers


def pixel_confusion(
    expected: NDArray[np.integer[Any]], given: NDArray[np.integer[Any]], classes: int, ignored: int | None = None
) -> Integers:
    """Count pixels by the class expected (rows) and the class given (columns).

    Args:
        expected: classes of pixels, any shape: the truth, or what a network says of the clean image.
        given: of the same shape, what it says now.
        classes: how many there are, k.
        ignored: an expected class that is not counted, such as the 255 of Pascal VOC's borders.

    Returns:
        Shape (k, k); the counts of several images may be added.

    Raises:
        InputError: shapes that differ, or a class that is none of 0..k-1.

    Example:
        >>> pixel_confusion(np.array([[0, 1], [1, 1]]), np.array([[0, 1], [0, 1]]), 2).tolist()
        [[1, 0], [1, 2]]
    """
    if expected.shape != given.shape:
        raise InputError(f"the labels expected have shape {expected.shape}, those given {given.shape}")
    counted = np.ones(expected.shape, bool) if ignored is None else expected != ignored
    rows, columns = expected[counted].astype(np.int64), given[counted].astype(np.int64)
    for labels in (rows, columns):
        if labels.size and not (labels.min() >= 0 and labels.max() < classes):
            seen = f"{labels.min()} to {labels.max()}"
            raise InputError(f"the labels reach from {seen}; expected 0 to {classes - 1}")
    counts = np.bincount(rows * classes + columns, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def agreement(confusion: Integers) -> float:
    """Return the fraction of the pixels that have the class expected.

    Raises:
        InputError: no pixel was counted.

    Example:
        >>> agreement(np.array([[1, 0], [1, 2]]))
        0.75
    """
    total = int(confusion.sum())
    if total == 0:
        raise InputError("no pixel was counted, so there is no agreement to speak of")
    return float(np.trace(confusion) / total)


def intersection_over_union(confusion: Integers) -> Floats:
    """Return each class's intersection over union, NaN for a class that is neither expected nor given.

    Everingham et al., "The Pascal visual object classes challenge: a retrospective", IJCV 2015, section 4.2: pixels of
    the class in both, over those of the class in either.

    Example:
        >>> [round(float(one), 3) for one in intersection_over_union(np.array([[1, 0], [1, 2]]))]
        [0.5, 0.667]
    """
    both = np.diag(confusion).astype(np.float64)
    either = confusion.sum(0) + confusion.sum(1) - both
    return np.divide(both, either, out=np.full(len(both), np.nan), where=either > 0)


def mean_iou(confusion: Integers) -> float:
    """Return the mean intersection over union of the classes that are expected.

    A class that is given but expected nowhere lowers the others' figures and has none of its own: otherwise one wrong
    pixel of a new class would cost as much as a whole class.

    Raises:
        InputError: no pixel was counted.

    Example:
        >>> round(mean_iou(np.array([[1, 0], [1, 2]])), 3)
        0.583
    """
    expected = confusion.sum(1) > 0
    if not expected.any():
        raise InputError("no pixel was counted, so there is no mean of the classes")
    return float(intersection_over_union(confusion)[expected].mean())


def of_all(confusions: Sequence[Integers]) -> Integers:
    """Add the counts of several images up.

    Raises:
        InputError: there are none.
    """
    if not len(confusions):
        raise InputError("there are no counts of pixels to add up")
    return np.sum(np.asarray(confusions), axis=0)
