"""The light that fell on a sheet when it was photographed, told from the black and white of its marks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from brittle.physical.detection import SeenMark
from brittle.physical.layout import Mark, Sheet
from brittle.physical.marks import MODULES
from brittle.physical.perspective import Points, moved, perspective_map

TERMS = {12: 6, 6: 3, 1: 1}
"""Coefficients of the light over a page by the least number of marks: a curved surface, a plane, one value."""
DIMMEST = 0.05
"""Least difference of white and black that is divided by."""


@dataclass(frozen=True)
class Light:
    """How bright black and white paper are over a page, by channel.

    Attributes:
        black: (3,).
        surface: of white, one column of coefficients for each channel.
        page: sides of the page in dots, by which places are scaled.
    """

    black: NDArray[np.float64]
    surface: NDArray[np.float64]
    page: tuple[int, int]

    def undone(self, values: NDArray[np.float64], places: Points) -> NDArray[np.float64]:
        """Return values as they would be under even light."""
        white = _terms(places / np.array(self.page), len(self.surface)) @ self.surface
        return (values - self.black) / np.maximum(white - self.black, DIMMEST)


def _terms(places: Points, count: int) -> NDArray[np.float64]:
    """The terms of a constant (1), of a plane (3), or of a surface of the second order (6)."""
    x, y = places[..., 0], places[..., 1]
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y][:count], axis=-1)


def light_on(sheet: Sheet, where: Mapping[int, Mark], marks: Sequence[SeenMark], colours: NDArray[np.float32]) -> Light:
    """Fit the light on a page to its marks.

    Args:
        sheet: the manifest.
        where: the page's marks by their numbers.
        marks: those that were read, at least one.
        colours: the photograph, (h, w, 3) from 0 to 1.
    """
    whites: list[NDArray[np.float64]] = []
    blacks: list[NDArray[np.float64]] = []
    unit = np.array([[0.0, 0], [MODULES, 0], [MODULES, MODULES], [0, MODULES]])
    along = np.linspace(0, MODULES, 9)
    for one in marks:
        way = perspective_map(unit, one.corners)
        for gather, inset in ((whites, -0.8), (blacks, 0.5)):
            near, far = np.full_like(along, inset), np.full_like(along, MODULES - inset)
            ring = [np.stack(pair, 1) for pair in ((along, near), (along, far), (near, along), (far, along))]
            gather.append(np.median(sampled(colours, moved(way, np.concatenate(ring))), axis=0))
    middles = np.array([mark_corners(sheet, where[one.number]).mean(0) for one in marks]) / np.array(sheet.page)
    terms = _terms(middles, next(count for least, count in TERMS.items() if len(marks) >= least))
    surface = np.asarray(np.linalg.lstsq(terms, np.array(whites), rcond=None)[0], dtype=np.float64)
    return Light(np.median(np.array(blacks), axis=0), surface, sheet.page)


def mark_corners(sheet: Sheet, mark: Mark) -> Points:
    """The corners of a mark on the page, in dots, in the order of `SeenMark.corners`."""
    side = MODULES * sheet.square
    return np.array([[0.0, 0], [side, 0], [side, side], [0, side]]) + np.array([mark.x, mark.y])


def sampled(colours: NDArray[np.float32], places: Points) -> NDArray[np.float64]:
    """Values of a photograph between its pixels, (n, 3)."""
    at = places[:, ::-1].T
    values = [ndimage.map_coordinates(colours[..., channel], at, order=1, mode="nearest") for channel in range(3)]
    return np.stack(values, 1).astype(np.float64)
