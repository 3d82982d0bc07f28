"""Errors of estimated depth, as they are reported since Eigen, Puhrsch & Fergus, NIPS 2014."""

import math
from dataclasses import dataclass

import numpy as np

from brittle.arguments import fitted
from brittle.errors import InputError
from brittle.metrics.estimate import Floats

THRESHOLD = 1.25
"""By which ratio a depth is wrong, by default: where Eigen, Puhrsch & Fergus (NIPS 2014, section 4.3) draw the line."""


def checked_ratio(ratio: float) -> float:
    """Return a ratio of depths.

    Raises:
        InputError: it is not finite and above 1.

    Example:
        >>> checked_ratio(1.25)
        1.25
    """
    ratio = fitted("ratio", ratio, float)
    if not 1 < ratio < math.inf:
        raise InputError(f"ratio is {ratio}; expected a finite number above 1, such as {THRESHOLD}")
    return ratio


@dataclass(frozen=True)
class DepthErrors:
    """How far estimated depths are from the true ones, over the pixels that count; one number per image, (n,) each.

    Eigen, Puhrsch & Fergus, "Depth map prediction from a single image using a multi-scale deep network", NIPS 2014,
    section 4.3, with d the true depth and e the estimate.

    Attributes:
        absolute: mean |e - d| / d.
        squared: mean (e - d)^2 / d, in the unit of depth.
        rmse: root of the mean (e - d)^2, in the unit of depth.
        log_rmse: root of the mean (ln e - ln d)^2.
        within: fraction of the pixels with max(e / d, d / e) < 1.25^k, (n, 3) for k = 1, 2, 3.
    """

    absolute: Floats
    squared: Floats
    rmse: Floats
    log_rmse: Floats
    within: Floats


def depth_errors(true: Floats, estimated: Floats, least: float = 1e-3) -> DepthErrors:
    """Measure estimated depths, image by image.

    Args:
        true: (n, h, w); pixels that are not above 0, or not finite, have no depth and do not count.
        estimated: (n, h, w).
        least: estimates below it are taken for it, since ratios and logarithms need depths above 0.

    Raises:
        InputError: shapes that differ, an image without a pixel that counts, or NaN among the estimates.

    Example:
        >>> errors = depth_errors(np.full((1, 2, 2), 2.0), np.full((1, 2, 2), 3.0))
        >>> float(errors.absolute[0]), float(errors.squared[0]), float(errors.rmse[0]), errors.within[0].tolist()
        (0.5, 0.5, 1.0, [0.0, 1.0, 1.0])
    """
    if true.ndim != 3 or true.shape != estimated.shape:
        raise InputError(f"true depths have shape {true.shape}, estimated ones {estimated.shape}; expected (n, h, w)")
    if np.isnan(estimated).any():
        raise InputError("there are NaN among the estimated depths")
    counts = np.isfinite(true) & (true > 0)
    if not counts.any((1, 2)).all():
        raise InputError(f"image {int(np.argmin(counts.any((1, 2))))} has no pixel with a true depth above 0")
    depth = np.where(counts, true, 1.0).astype(np.float64)
    guess = np.where(counts, np.maximum(estimated, least), 1.0).astype(np.float64)
    number = counts.sum((1, 2))
    difference = guess - depth

    def mean(values: Floats) -> Floats:
        return np.where(counts, values, 0.0).sum((1, 2)) / number

    ratio = np.maximum(guess / depth, depth / guess)
    within = [mean((ratio < THRESHOLD**power).astype(np.float64)) for power in (1, 2, 3)]
    return DepthErrors(
        absolute=mean(np.abs(difference) / depth),
        squared=mean(difference**2 / depth),
        rmse=np.sqrt(mean(difference**2)),
        log_rmse=np.sqrt(mean((np.log(guess) - np.log(depth)) ** 2)),
        within=np.stack(within, 1),
    )
