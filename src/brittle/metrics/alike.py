"""How much the images of a set have in common: one number per set."""

import numpy as np
import scipy  # its parts are imported when they are asked for: `scipy.stats` takes over a second
from numpy.typing import ArrayLike

from brittle.errors import InputError
from brittle.metrics.estimate import LEVEL, Estimate, Floats, without_interval


def class_entropy(labels: ArrayLike) -> Floats:
    """Return the entropy of the classes of each set, in bits: 0 where all images are of one class.

    Args:
        labels: (m, k), the classes of the k images of each set.

    Returns:
        (m,), from 0 to log2 k.

    Example:
        >>> class_entropy([[3, 3, 3, 3], [0, 1, 0, 1]])
        array([0., 1.])
    """
    given = np.asarray(labels)
    if given.ndim != 2 or not given.size:
        raise InputError(f"labels of shape {given.shape}; expected (sets, images of each)")
    found = np.zeros(len(given))
    for kind in np.unique(given):
        share = (given == kind).mean(1)
        found -= share * np.log2(share, where=share > 0, out=np.zeros_like(share))
    return np.abs(found)  # never -0


def pairwise_similarity(vectors: ArrayLike) -> Floats:
    """Return the mean cosine of the angles between all pairs of each set.

    Args:
        vectors: (m, k, d), what stands for the k >= 2 images of each set, less the mean of all images. A vector of 0
            counts as at right angles to every other.

    Returns:
        (m,), from -1 / (k - 1) to 1.

    Example:
        >>> pairwise_similarity([[[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]]).round(3)
        array([0.333])
    """
    given = np.asarray(vectors, np.float64)
    if given.ndim != 3 or given.shape[1] < 2:
        raise InputError(f"vectors of shape {given.shape}; expected (sets, two images or more of each, numbers)")
    lengths = np.linalg.norm(given, axis=2, keepdims=True)
    unit = np.divide(given, lengths, where=lengths > 0, out=np.zeros_like(given))
    count = given.shape[1]
    whole = np.square(unit.sum(1)).sum(1) - np.square(unit).sum((1, 2))  # all ordered pairs of different images
    return whole / (count * (count - 1))


def difference(first: ArrayLike, second: ArrayLike) -> Estimate:
    """Estimate by how much one mean exceeds another, of values that have nothing to do with each other.

    The interval is Welch's, which does not need equal spreads.

    Args:
        first: (n,).
        second: (m,).

    Returns:
        mean(first) - mean(second), with n + m as the number of values; no interval for fewer than 8 of either, or where
        all are equal.

    Example:
        >>> found = difference(range(10, 30), range(20))
        >>> found.value, found.low < 10 < found.high
        (10.0, True)
    """
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.ndim != 1 or two.ndim != 1 or not one.size or not two.size:
        raise InputError(f"values of shapes {one.shape} and {two.shape}; expected some of each, (n,) and (m,)")
    value, count = float(one.mean() - two.mean()), one.size + two.size
    if min(one.size, two.size) < 8 or one.std() == two.std() == 0:
        return without_interval(value, count)
    interval = scipy.stats.ttest_ind(one, two, equal_var=False).confidence_interval(LEVEL)
    return Estimate(value, float(interval.low), float(interval.high), count)
