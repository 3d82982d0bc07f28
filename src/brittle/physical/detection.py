"""Finding the marks of a sheet in a photograph: dark squares, their sides to a fraction of a pixel, and their codes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from brittle.errors import InputError
from brittle.physical.marks import CODE, MODULES, Codes
from brittle.physical.perspective import Points, moved, perspective_map

Greys = NDArray[np.float32]

WINDOWS = (12, 30, 80)
"""A pixel is dark beside the mean of a square around it, whose side is the photograph's longer side by this. Wide
squares see large marks whole; narrow ones, marks in a shadow."""
DARKER = 0.04
"""By how much a pixel is darker than that mean."""
SMALLEST_MARK = 14.0
"""Pixels along a side of a mark below which its squares, under two pixels wide, cannot be told apart."""
LARGEST_MARK = 0.5
"""The longest side of a mark, as a fraction of the photograph's longer side."""
FILLED = 0.82
"""Fraction of a dark patch's convex hull that its best four corners must cover."""
LONGEST_SIDE = 4.0
"""By how much the longest side of a mark may be longer than its shortest, as it is seen from the side."""
ALONG, ACROSS, REACH = 15, 17, 1.2
"""A side is measured at so many places, with so many values along a line across it that reaches so many squares of the
mark to either side."""
CONTRAST = 0.06
"""Least difference of black and white in a mark."""
RING_WRONG = 3
"""Squares of the black ring, of 28, that may look white."""


@dataclass(frozen=True)
class SeenMark:
    """A mark in a photograph.

    Attributes:
        number: which one of the sheet's.
        corners: of its black square, (4, 2), as pixels to the right and down from the centre of the first one; in the
            order top left, top right, bottom right, bottom left on the sheet, however the photograph is turned.
        contrast: the difference of its white and its black.
    """

    number: int
    corners: Points
    contrast: float


def seen_marks(grey: Greys, codes: Codes) -> list[SeenMark]:
    """Find the marks of a sheet in a photograph.

    Args:
        grey: brightness (h, w) from 0 to 1.
        codes: of the sheet.

    Returns:
        Every mark that was read, each once, in the order of their numbers.

    Raises:
        InputError: anything but a photograph of at least 32 x 32 pixels.
    """
    if grey.ndim != 2 or min(grey.shape) < 32:
        raise InputError(f"the photograph has the shape {grey.shape}; expected brightnesses of at least 32 x 32 pixels")
    smooth = np.asarray(ndimage.gaussian_filter(grey, 0.8), dtype=np.float32)
    best: dict[int, SeenMark] = {}
    for window in WINDOWS:
        for rough in _squares(_dark(smooth, window), max(grey.shape)):
            mark = _read(smooth, rough, codes)
            if mark is not None and (mark.number not in best or mark.contrast > best[mark.number].contrast):
                best[mark.number] = mark
    return [best[number] for number in sorted(best)]


def _dark(grey: Greys, window: int) -> NDArray[np.bool_]:
    side = max(max(grey.shape) // window, 9) | 1
    return grey < ndimage.uniform_filter(grey, side, mode="nearest") - DARKER


def _squares(dark: NDArray[np.bool_], longest: int) -> Iterator[Points]:
    """Yield the corners, clockwise, of dark patches that look like squares seen from anywhere."""
    patches = cast("NDArray[np.int32]", ndimage.label(dark, structure=np.ones((3, 3)))[0])  # pyright: ignore[reportIndexIssue]
    for number, place in enumerate(ndimage.find_objects(patches), 1):
        height, width = (one.stop - one.start for one in place)
        if min(height, width) < SMALLEST_MARK or max(height, width) > LARGEST_MARK * longest:
            continue
        outline = _outline(patches[place] == number)
        corners = None if outline is None else _four_corners(outline)
        if corners is not None:
            yield corners + np.array([place[1].start, place[0].start])


def _outline(patch: NDArray[np.bool_]) -> Points | None:
    """The convex hull of a patch's pixels, corners of the pixels included, clockwise as it is seen."""
    rows, columns = (patch.any(axis) for axis in (1, 0))
    down, right = np.flatnonzero(rows), np.flatnonzero(columns)
    left, last = patch[rows].argmax(1), patch.shape[1] - 1 - patch[rows, ::-1].argmax(1)
    top, low = patch[:, columns].argmax(0), patch.shape[0] - 1 - patch[::-1, columns].argmax(0)
    ends = [(left, down), (last, down), (right, top), (right, low)]
    points = np.concatenate([np.stack(end, 1) for end in ends]).astype(np.float64)
    around = np.concatenate([points + shift for shift in ((-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5))])
    try:
        return around[ConvexHull(around).vertices]
    except QhullError:  # all on one line
        return None


def _four_corners(hull: Points) -> Points | None:
    """The four corners that a hull has if it is a square seen from the side, clockwise as it is seen; else None."""
    apart = np.hypot(*(hull[:, None] - hull[None]).transpose(2, 0, 1))
    first, third = np.unravel_index(apart.argmax(), apart.shape)
    away = _cross(hull[third] - hull[first], hull - hull[first])
    corners = np.stack([hull[first], hull[away.argmin()], hull[third], hull[away.argmax()]])
    if _area(corners) < 0:
        corners = corners[::-1]
    sides = np.hypot(*(np.roll(corners, -1, 0) - corners).T)
    small = sides.min() < SMALLEST_MARK or sides.max() > LONGEST_SIDE * sides.min()
    return None if small or _area(corners) < FILLED * abs(_area(hull)) else corners


def _cross(one: Points, other: Points) -> NDArray[np.float64]:
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]


def _area(corners: Points) -> float:
    """Of a polygon; above 0 when it goes clockwise as it is seen, downwards being the second axis."""
    return float(_cross(corners, np.roll(corners, -1, 0)).sum() / 2)


def _read(grey: Greys, rough: Points, codes: Codes) -> SeenMark | None:
    """Read the mark at four corners; None where there is none of the sheet."""
    corners = _measured(grey, rough)
    for one in (rough,) if corners is None else (corners, rough):
        squares = _brightness(grey, one)
        if squares is None:
            continue
        black, white = np.percentile(squares[1:-1, 1:-1], (10, 90))
        if white - black < CONTRAST:
            continue
        inner = squares[1:-1, 1:-1] < (black + white) / 2
        ring = inner.sum() - inner[1:-1, 1:-1].sum()
        told = codes.told(inner[1:-1, 1:-1]) if ring >= 4 * (MODULES - 1) - RING_WRONG else None
        if told is not None:
            return SeenMark(told[0], np.roll(one, told[1], 0), float(white - black))
    return None


def _brightness(grey: Greys, corners: Points) -> Greys | None:
    """Mean brightness of the squares of a mark, and of the white ones around it, (10, 10); None outside the picture."""
    unit = np.array([[0.0, 0], [MODULES, 0], [MODULES, MODULES], [0, MODULES]])
    try:
        way = perspective_map(unit, corners)
    except InputError:
        return None
    within = (np.arange(CODE + 4)[:, None] - 1 + np.array([0.3, 0.5, 0.7])).reshape(-1).astype(np.float64)
    right, down = np.meshgrid(within, within)
    places: Points = moved(way, np.stack([right.ravel(), down.ravel()], 1))
    if not np.isfinite(places).all():
        return None
    values = ndimage.map_coordinates(grey, places[:, ::-1].T, order=1, mode="nearest")
    return values.reshape(CODE + 4, 3, CODE + 4, 3).mean((1, 3))


def _measured(grey: Greys, rough: Points) -> Points | None:
    """The corners to a fraction of a pixel: each side is a line through the places where black turns white."""
    middle, lines = rough.mean(0), list[tuple[Points, Points]]()
    for start, end in zip(rough, np.roll(rough, -1, 0), strict=True):
        side = end - start
        length = float(np.hypot(*side))
        outwards = np.array([side[1], -side[0]]) / length
        outwards *= np.sign(np.dot(outwards, (start + end) / 2 - middle)) or 1.0
        steps = np.linspace(-1, 1, ACROSS) * REACH * length / MODULES
        feet = start + np.linspace(0.12, 0.88, ALONG)[:, None] * side
        places = feet[:, None] + steps[None, :, None] * outwards
        values = ndimage.map_coordinates(grey, places.reshape(-1, 2)[:, ::-1].T, order=1, mode="nearest")
        line = _line(feet + _crossings(values.reshape(ALONG, ACROSS), steps)[:, None] * outwards)
        if line is None:
            return None
        lines.append(line)
    corners = [_meeting(before, after) for before, after in zip([lines[-1], *lines[:-1]], lines, strict=True)]
    found = np.array(corners)
    limit = 1.5 * np.hypot(*(rough - np.roll(rough, 1, 0)).T).max() / MODULES
    return found if np.isfinite(found).all() and np.hypot(*(found - rough).T).max() < limit else None


def _crossings(values: NDArray[np.floating], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far outwards each line across a side turns from black to white, at half of both; NaN where it does not."""
    low, high = values[:, :4].min(1), values[:, -4:].max(1)
    level = (low + high)[:, None] / 2
    rises = (values[:, :-1] < level) & (values[:, 1:] >= level) & (high - low > CONTRAST)[:, None]
    away = np.where(rises, np.abs(steps[:-1] + steps[1:])[None], np.inf)
    at = away.argmin(1)
    rows = np.arange(len(values))
    before, after = values[rows, at], values[rows, at + 1]
    found = np.isfinite(away[rows, at])
    fraction = np.where(found, (level[:, 0] - before) / np.where(found, after - before, 1), np.nan)
    return steps[at] + fraction * (steps[1] - steps[0])


def _line(points: Points) -> tuple[Points, Points] | None:
    """A point and the direction of the line through points, without the third of them that lie farthest from it."""
    points = points[np.isfinite(points).all(1)]
    for keep in (len(points), ALONG * 2 // 3):
        if len(points) < ALONG // 2:
            return None
        middle = points.mean(0)
        direction = np.linalg.svd(points - middle, full_matrices=False)[2][0]
        if keep < len(points):
            points = points[np.argsort(np.abs(_cross(direction, points - middle)), kind="stable")[:keep]]
            middle = points.mean(0)
            direction = np.linalg.svd(points - middle, full_matrices=False)[2][0]
    return middle, direction


def _meeting(one: tuple[Points, Points], other: tuple[Points, Points]) -> Points:
    """Where two lines meet; infinite for parallel ones."""
    slope = float(_cross(one[1], other[1]))
    if abs(slope) < 1e-6:
        return np.full(2, np.inf)
    return one[0] + one[1] * float(_cross(other[0] - one[0], other[1])) / slope
