"""How hard it is to lead one class to another by changing few features, and how far off the network says it is.

Papernot et al., EuroS&P 2016, section 5 (arXiv:1511.07528).
"""

import math

import numpy as np

from brittle.errors import InputError
from brittle.metrics.estimate import Estimate, Flags, Floats, Integers, without_interval


def adversarial_distance(saliency: Floats) -> Floats:
    """Measure which part of the features says nothing for a class: A(x, t) = 1 - mean_i 1[s(i; x, t) > 0].

    Args:
        saliency: maps of n images, each towards its class, shape (n, ...).

    Returns:
        Shape (n,), 0 where every feature alone leads towards the class, 1 where none does.

    Example:
        >>> adversarial_distance(np.array([[0.0, 2.0, 0.0, 0.1], [0.0, 0.0, 0.0, 0.0]])).tolist()
        [0.5, 1.0]
    """
    flat = saliency.reshape(len(saliency), math.prod(saliency.shape[1:]))
    return 1 - (flat > 0).mean(axis=1)


def robustness(distances: Floats) -> float:
    """The least adversarial distance over all images and classes, R(F) = min A.

    Raises:
        InputError: there are no distances.
    """
    if not distances.size:
        raise InputError("the least of no adversarial distances does not exist: n = 0")
    return float(distances.min())


def pair_means(source: Integers, target: Integers, values: Floats, classes: int) -> Floats:
    """Average a number over the attempts of every source-target pair.

    Args:
        source: class that each attempt starts from, (n,).
        target: class that it is led to, (n,).
        values: what is averaged, (n,) or (n, ...); 0 and 1 give rates.
        classes: how many there are.

    Returns:
        Shape (classes, classes, ...), NaN where there was no attempt.

    Raises:
        InputError: the arrays are not of one length, or hold a class that does not exist.

    Example:
        >>> pair_means(np.array([0, 0]), np.array([1, 1]), np.array([1.0, 0.0]), 2).tolist()
        [[nan, 0.5], [nan, nan]]
    """
    if not len(source) == len(target) == len(values):
        raise InputError(
            f"{len(source)} sources, {len(target)} targets and {len(values)} values; expected as many of each"
        )
    for name, labels in (("source", source), ("target", target)):
        if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
            raise InputError(f"a {name} class lies outside 0 to {classes - 1}: {labels.min()} to {labels.max()}")
    place = source * classes + target
    count = np.bincount(place, minlength=classes * classes)
    total = np.zeros((classes * classes, *values.shape[1:]))
    np.add.at(total, place, values.astype(np.float64))
    shape = (classes, classes, *values.shape[1:])
    weight = count.reshape(-1, *[1] * (values.ndim - 1)).astype(np.float64)
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0).reshape(shape)


def limited(changed: Integers, success: Flags, limits: Integers) -> tuple[Flags, Integers]:
    """Say what the same attempts would have come to with fewer features allowed.

    A search that takes features one after the other goes the same way whatever its limit, so that one run with the
    largest limit tells all.

    Args:
        changed: features changed when each attempt ended, (n,).
        success: whether it had reached its class, (n,).
        limits: most features allowed, (m,).

    Returns:
        Success (n, m), and features changed (n, m); an attempt that is cut off has used its limit up.
    """
    cut = np.minimum(changed[:, None], limits[None])
    return success[:, None] & (changed[:, None] <= limits[None]), cut


def hardness(rates: Floats, distortions: Floats) -> Floats:
    """How much must be changed on the way from low to high success: the area under distortion against success rate.

    H(s, t) = sum_k (tau_{k+1} - tau_k) (eps_{k+1} + eps_k) / 2, tau_k being the success rate at the maximum distortion
    Upsilon_k and eps_k the mean distortion (fraction of features changed) of all attempts, failed ones included.

    Args:
        rates: tau at ascending maximum distortions, shape (..., m), m from 2 up.
        distortions: eps, likewise.

    Returns:
        Shape (...); NaN where a rate is NaN. A pair that is never reached has a hardness of 0: look at its rate too.

    Raises:
        InputError: fewer than two maximum distortions, or shapes that differ.

    Example:
        >>> round(float(hardness(np.array([0.0, 0.5, 1.0]), np.array([0.01, 0.03, 0.05]))), 6)
        0.03
    """
    if rates.shape != distortions.shape or rates.shape[-1] < 2:
        raise InputError(
            f"rates are {rates.shape} and distortions {distortions.shape}; expected the same, (..., m >= 2)"
        )
    return (np.diff(rates, axis=-1) * (distortions[..., 1:] + distortions[..., :-1]) / 2).sum(axis=-1)


def correlation(one: Floats, other: Floats) -> Estimate:
    """Pearson's correlation of two quantities over the places where both are numbers.

    It has no interval: Fisher's covers the truth for pairs of normal numbers that are independent, not for skewed ones,
    and not for pairs of classes, which share their classes.

    Args:
        one: any shape.
        other: the same shape.

    Returns:
        The correlation; n is the number of places.

    Raises:
        InputError: fewer than four places, or a quantity that is the same everywhere.
    """
    both = np.isfinite(one) & np.isfinite(other)
    n = int(both.sum())
    if n < 4:
        raise InputError(f"a correlation needs at least 4 pairs of numbers to say anything; there are {n}")
    x, y = (values[both] - values[both].mean() for values in (one, other))
    spread = math.sqrt(float((x * x).sum()) * float((y * y).sum()))
    if spread == 0:
        raise InputError("a quantity that is the same everywhere has no correlation")
    return without_interval(min(1.0, max(-1.0, float((x * y).sum()) / spread)), n)
