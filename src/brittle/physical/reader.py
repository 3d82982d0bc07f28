"""From photographs of a sheet back to its images: at their size, by their names, and which were not found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from brittle.errors import InputError
from brittle.physical.detection import SeenMark, seen_marks
from brittle.physical.layout import Mark, Page, Place, Sheet
from brittle.physical.light import light_on, mark_corners, sampled
from brittle.physical.marks import Codes
from brittle.physical.perspective import Map, Points, moved, perspective_map

Photograph = NDArray[np.uint8] | NDArray[np.floating]

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness (ITU-R BT.601)."""
OWN, ENOUGH = 2, 3
"""Of the marks at an image's four corners so many must be read, or it is missing; and so many are enough to place it by
these alone, whatever lens and paper bend elsewhere."""
OFF = 0.5
"""A mark that lies farther from where the others say, in its own side, was misread."""
MOST_SAMPLES = 6
"""Most places looked at along a side of a pixel of an image; their mean is its value."""


@dataclass(frozen=True)
class SheetReading:
    """What photographs of a sheet have shown.

    Attributes:
        found: images by name, (c, h, w) from 0 to 1, in the order of the sheet; of one that several photographs show,
            the largest.
        missing: names of those that no photograph shows whole, in the order of the sheet.
        marks: how many marks were read in each photograph.
    """

    found: Mapping[str, Tensor]
    missing: tuple[str, ...]
    marks: tuple[int, ...]


def read_sheet(
    sheet: Sheet,
    photographs: Sequence[Photograph],
    *,
    names: Sequence[str] = (),
    even_light: bool = False,
) -> SheetReading:
    """Cut photographs of a sheet back into its images.

    They may be turned and taken from the side, show several pages, or a page in part.

    Args:
        sheet: its manifest, as `open_sheet` reads it.
        photographs: (h, w) or (h, w, 3), uint8 or floats from 0 to 1.
        names: what to call the photographs in an error.
        even_light: divide by the light that fell on the paper, told from the black and white of the marks. By default
            images stay as they were photographed, shadows, exposure and tint included.

    Returns:
        The images, and which were not found.

    Raises:
        InputError: no photographs, something that is none, or a photograph in which no mark of the sheet can be read.
    """
    if not photographs:
        raise InputError("there are no photographs; give at least one")
    codes = Codes([sheet.code(number) for number in range(len(sheet.codes))])
    found: dict[str, tuple[float, Tensor]] = {}
    counts: list[int] = []
    for number, one in enumerate(photographs):
        name = names[number] if number < len(names) else f"photograph {number + 1}"
        colours = _colours(one, name)
        marks = seen_marks(np.tensordot(colours, np.array(LUMINANCE, np.float32), 1).astype(np.float32), codes)
        if not marks:
            raise InputError(
                f"{name} shows no mark of this sheet; expected a sharp photograph of it, with marks of at least 20 "
                "pixels along a side, and the manifest of this sheet, not of another one"
            )
        counts.append(len(marks))
        for page in sheet.pages:
            for place, size, image in _images(sheet, page, marks, colours, even_light=even_light):
                if size > found.get(place, (0.0,))[0]:
                    found[place] = size, image
    ordered = {name: found[name][1] for name in sheet.names if name in found}
    return SheetReading(ordered, tuple(name for name in sheet.names if name not in found), tuple(counts))


def _colours(photograph: Photograph, name: str) -> NDArray[np.float32]:
    """A photograph as (h, w, 3) from 0 to 1."""
    values = np.asarray(photograph)
    if values.ndim == 2:
        values = np.repeat(values[:, :, None], 3, 2)
    if values.ndim != 3 or values.shape[2] != 3 or min(values.shape[:2]) < 32:
        raise InputError(f"{name} has the shape {values.shape}; expected (h, w) or (h, w, 3), at least 32 x 32 pixels")
    return values.astype(np.float32) / np.float32(255 if values.dtype == np.uint8 else 1)


def _images(
    sheet: Sheet, page: Page, seen: Sequence[SeenMark], colours: NDArray[np.float32], *, even_light: bool
) -> list[tuple[str, float, Tensor]]:
    """The images of a page that a photograph shows whole: name, size in its pixels, and image."""
    where = {mark.code: mark for mark in page.marks}
    marks = _agreeing(sheet, where, [one for one in seen if one.number in where])
    if len(marks) < 2:
        return []
    light = light_on(sheet, where, marks, colours) if even_light else None
    found: list[tuple[str, float, Tensor]] = []
    for place in page.places:
        way = _way(sheet, where, place, marks)
        corners = None if way is None else moved(way, _square(sheet, place))
        if way is None or corners is None or not _within(corners, colours.shape):
            continue
        size = _longest(corners)
        per_pixel = size / max(sheet.image[1:])
        places = _grid(sheet, place, min(max(round(per_pixel), 1), MOST_SAMPLES))
        values = sampled(colours, moved(way, places.reshape(-1, 2))).reshape(*places.shape[:-1], 3)
        if light is not None:
            values = light.undone(values, places)
        pixels = values.mean((1, 3)).clip(0, 1)
        image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32))
        if sheet.image[0] == 1:
            image = (image * torch.tensor(LUMINANCE)[:, None, None]).sum(0, keepdim=True)
        found.append((place.name, size, image))
    return found


def _square(sheet: Sheet, place: Place) -> Points:
    """The corners of an image on the page, in dots."""
    _, height, width = sheet.image
    return np.array([[0, 0], [width, 0], [width, height], [0, height]]) * sheet.dots + np.array([place.x, place.y])


def _fitted(sheet: Sheet, where: Mapping[int, Mark], marks: Sequence[SeenMark]) -> Map:
    """The map from dots of the page to pixels of the photograph."""
    source = np.concatenate([mark_corners(sheet, where[one.number]) for one in marks])
    return perspective_map(source, np.concatenate([one.corners for one in marks]))


def _agreeing(sheet: Sheet, where: Mapping[int, Mark], marks: list[SeenMark]) -> list[SeenMark]:
    """Leave out marks that are not where the others say, one after the other, the worst one first."""
    while len(marks) > 2:
        try:
            way = _fitted(sheet, where, marks)
        except InputError:
            return []
        off = [
            float(np.hypot(*(moved(way, mark_corners(sheet, where[one.number])) - one.corners).T).max())
            / _longest(one.corners)
            for one in marks
        ]
        worst = int(np.argmax(off))
        if off[worst] <= OFF:
            return marks
        marks = marks[:worst] + marks[worst + 1 :]
    return marks


def _way(sheet: Sheet, where: Mapping[int, Mark], place: Place, marks: Sequence[SeenMark]) -> Map | None:
    """The map around one image: by the marks at its corners if enough were read, else by all; None with too few."""
    middle = _square(sheet, place).mean(0)
    apart = {code: float(np.hypot(*(mark_corners(sheet, mark).mean(0) - middle))) for code, mark in where.items()}
    around = sorted(where, key=apart.__getitem__)[:4]
    near = [one for one in marks if one.number in around]
    if len(near) < OWN:
        return None
    try:
        return _fitted(sheet, where, near if len(near) >= ENOUGH else marks)
    except InputError:
        return None


def _within(corners: Points, shape: tuple[int, ...]) -> bool:
    """Whether an image lies in the photograph, the right way round."""
    turned = np.roll(corners, -1, 0) - corners
    area = float((turned[:, 0] * np.roll(turned, -1, 0)[:, 1] - turned[:, 1] * np.roll(turned, -1, 0)[:, 0]).min())
    inside = (corners >= -0.5).all() and (corners <= np.array([shape[1], shape[0]]) - 0.5).all()
    return bool(np.isfinite(corners).all() and inside and area > 0)


def _longest(corners: Points) -> float:
    return float(np.hypot(*(np.roll(corners, -1, 0) - corners).T).max())


def _grid(sheet: Sheet, place: Place, samples: int) -> Points:
    """Places on the page at which the pixels of an image are looked at, (h, samples, w, samples, 2), in dots."""
    _, height, width = sheet.image
    within = (np.arange(samples) + 0.5) / samples
    down = place.y + (np.arange(height)[:, None] + within) * sheet.dots
    right = place.x + (np.arange(width)[:, None] + within) * sheet.dots
    shape = (height, samples, width, samples)
    return np.stack(
        [np.broadcast_to(right[None, None], shape), np.broadcast_to(down[:, :, None, None], shape)], axis=-1
    )
