"""Plane perspective: the map from a sheet of paper to a photograph of it, fitted to points and applied to others."""

import numpy as np
from numpy.typing import NDArray

from brittle.errors import InputError

Points = NDArray[np.float64]
Map = NDArray[np.float64]


def perspective_map(source: Points, target: Points) -> Map:
    """Fit the map of one plane onto another that a camera makes, by linear least squares on normalised points.

    The direct linear transformation (Hartley & Zisserman, "Multiple View Geometry", second edition 2004, section 4.1),
    with both sets of points moved to the origin and scaled first (section 4.4).

    Args:
        source: points (n, 2), at least 4, no three of which of any 4 are on a line.
        target: where they go, (n, 2).

    Returns:
        The map (3, 3) in homogeneous coordinates, for `moved`.

    Raises:
        InputError: fewer than 4 points, or points that determine no map.

    Example:
        >>> square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
        >>> moved(perspective_map(square, 2 * square + 1), np.array([[0.5, 0.5]])).round(6).tolist()
        [[2.0, 2.0]]
    """
    if len(source) != len(target) or len(source) < 4:
        raise InputError(f"{len(source)} points and {len(target)} images of them; expected as many, at least 4")
    before, after = _normaliser(source), _normaliser(target)
    (x, y), (u, v) = moved(before, source).T, moved(after, target).T
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows = np.concatenate(
        [
            np.stack([x, y, one, zero, zero, zero, -u * x, -u * y, -u], 1),
            np.stack([zero, zero, zero, x, y, one, -v * x, -v * y, -v], 1),
        ]
    )
    _, sizes, directions = np.linalg.svd(rows, full_matrices=True)
    if not sizes[7] > 1e-9 * sizes[0]:
        raise InputError("the points determine no perspective: too many of them lie on one line")
    found = np.linalg.inv(after) @ directions[8].reshape(3, 3) @ before
    if not abs(found[2, 2]) > 1e-12:
        raise InputError("the points determine no perspective that keeps the origin in sight")
    return found / found[2, 2]


def moved(by: Map, points: Points) -> Points:
    """Apply a map to points (n, 2); those beyond its horizon become infinite or land anywhere."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mapped = points @ by[:, :2].T + by[:, 2]
        return mapped[:, :2] / mapped[:, 2:]


def _normaliser(points: Points) -> Map:
    """The scaling that brings points to mean 0 and a mean distance of the square root of 2."""
    middle = points.mean(0)
    spread = float(np.hypot(*(points - middle).T).mean()) if np.isfinite(middle).all() else np.nan
    if not (np.isfinite(spread) and spread > 0):
        raise InputError("the points determine no perspective: they are not finite, or all the same")
    scale = np.sqrt(2) / spread
    return np.array([[scale, 0, -scale * middle[0]], [0, scale, -scale * middle[1]], [0, 0, 1]])
