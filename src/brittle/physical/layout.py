"""What lies where on a sheet of paper: images, and marks at their corners by which a photograph of it is read."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field, JsonValue

from brittle.errors import InputError
from brittle.near import meant
from brittle.physical.marks import CODE, MODULES, Bits, mark_codes
from brittle.runs.manifest_info import Strict

PAPERS = {"a4": (210.0, 297.0), "letter": (215.9, 279.4)}
"""Width and height of a page, in millimetres."""
INCH = 25.4
"""Millimetres."""
QUIET = 1.5
"""White around a mark, in its squares; without it a blurred mark grows together with an image."""
PAGES_MOST = 100
"""Pages of one sheet."""


@dataclass(frozen=True)
class Layout:
    """How images lie on paper.

    Attributes:
        paper: "a4" or "letter".
        dpi: printed dots in an inch. Each pixel of an image becomes a square of whole dots.
        size: the longest side of an image on paper in millimetres, at most; the largest whole number of dots a pixel
            that keeps it is taken.
        mark: side of a mark in millimetres. In a photograph a mark should have 20 pixels or more along its side.
        margin: what printers leave white, in millimetres.

    Raises:
        InputError: another paper, or lengths that leave no place.
    """

    paper: Literal["a4", "letter"] = "a4"
    dpi: int = 300
    size: float = 40.0
    mark: float = 10.0
    margin: float = 10.0

    def __post_init__(self):
        if self.paper not in PAPERS:
            raise InputError(f"the paper is {self.paper!r}{meant(self.paper, PAPERS)}; expected {' or '.join(PAPERS)}")
        if not 50 <= self.dpi <= 2400:
            raise InputError(f"dpi is {self.dpi}; expected 50 to 2400 dots in an inch")
        if not (self.size > 0 and self.mark > 0 and self.margin >= 0):
            raise InputError(f"size {self.size}, mark {self.mark} and margin {self.margin} must be positive lengths")
        if self.square < 2:
            raise InputError(f"a mark of {self.mark} mm has squares below 2 dots at {self.dpi} dpi; enlarge either")

    @property
    def page(self) -> tuple[int, int]:
        """Width and height in dots."""
        width, height = PAPERS[self.paper]
        return self.dots(width), self.dots(height)

    @property
    def square(self) -> int:
        """Side of a square of a mark in dots."""
        return round(self.mark / MODULES * self.dpi / INCH)

    def dots(self, length: float) -> int:
        """A length in millimetres as dots."""
        return round(length * self.dpi / INCH)


class Mark(Strict):
    """A mark on a page: which code it has, and where its top left corner lies, in dots."""

    code: int = Field(ge=0)
    x: int
    y: int


class Place(Strict):
    """An image on a page: its name, and where its top left corner lies, in dots."""

    name: str
    x: int
    y: int


class Page(Strict):
    """What lies on a page."""

    marks: list[Mark]
    places: list[Place]


class Sheet(Strict):
    """What is where on the pages of a sheet: the manifest beside it, by which photographs of it are read.

    Attributes:
        paper, dpi: as of `Layout`.
        page: width and height in dots.
        image: channels, height and width of every image.
        dots: side of a pixel of an image.
        square: side of a square of a mark.
        codes: of the marks, as 36 bits each in hexadecimal, row by row; the code of a mark is its place here.
        pages: in order.
        about: what whoever made it noted.
    """

    paper: str
    dpi: int = Field(ge=1)
    page: tuple[int, int]
    image: tuple[int, int, int]
    dots: int = Field(ge=1)
    square: int = Field(ge=1)
    codes: list[str]
    pages: list[Page] = Field(max_length=PAGES_MOST)
    about: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])

    @property
    def names(self) -> list[str]:
        """The names of the images, page by page."""
        return [place.name for page in self.pages for place in page.places]

    def code(self, number: int) -> Bits:
        """The squares of a mark's code, (6, 6), True where it is black."""
        bits = int(self.codes[number], 16)
        return np.array([bits >> place & 1 for place in range(CODE * CODE)], dtype=np.bool_).reshape(CODE, CODE)


def laid_out(
    shape: tuple[int, int, int],
    names: Sequence[str],
    layout: Layout | None = None,
    about: Mapping[str, JsonValue] | None = None,
) -> Sheet:
    """Say what lies where, row by row and page by page, with a mark at every corner of every image.

    Args:
        shape: channels (1 or 3), height and width of the images.
        names: of the images, all different.
        layout: `Layout()` by default.
        about: what shall stand in the manifest.

    Raises:
        InputError: no images, two of one name, images that are no pictures or too large for the paper, or too many.
    """
    layout = layout or Layout()
    if not names or len(set(names)) < len(names):
        raise InputError(
            f"{len(names)} images with {len(set(names))} names; expected some, each with a name of its own"
        )
    channels, height, width = shape
    if channels not in (1, 3):
        raise InputError(f"images of {channels} channels cannot be printed; expected 1 or 3")
    dots = max(1, layout.dots(layout.size) // max(height, width))
    grid = _Grid.of(layout, height * dots, width * dots)
    pages = [grid.page(names[first : first + grid.most]) for first in range(0, len(names), grid.most)]
    if len(pages) > PAGES_MOST:
        raise InputError(f"{len(names)} images need {len(pages)} pages; expected at most {PAGES_MOST}: print fewer")
    count = 0
    for page in pages:
        page.marks[:] = [mark.model_copy(update={"code": count + k}) for k, mark in enumerate(page.marks)]
        count += len(page.marks)
    about = dict(about or {})
    return Sheet(
        paper=layout.paper,
        dpi=layout.dpi,
        page=layout.page,
        image=shape,
        dots=dots,
        square=layout.square,
        codes=[f"{_number(code):09x}" for code in mark_codes(count, _seed([*names], shape, about))],
        pages=pages,
        about=about,
    )


@dataclass(frozen=True)
class _Grid:
    """Rows and columns of images on a page, with gaps between that hold the marks; all in dots."""

    tall: int
    wide: int
    gap: int
    inset: int
    left: int
    top: int
    columns: int
    rows: int

    @classmethod
    def of(cls, layout: Layout, tall: int, wide: int) -> "_Grid":
        """As many images of a size as a page takes."""
        gap = round((MODULES + 2 * QUIET) * layout.square)
        (across, down), margin = layout.page, layout.dots(layout.margin)
        columns, rows = ((side - 2 * margin - gap) // (one + gap) for side, one in ((across, wide), (down, tall)))
        if columns < 1 or rows < 1:
            raise InputError(
                f"an image of {wide} x {tall} dots and its marks do not fit on {layout.paper}, {across} x {down} dots; "
                "give more dots in an inch, or another size"
            )
        left = (across - columns * (wide + gap) - gap) // 2
        return cls(tall, wide, gap, (gap - MODULES * layout.square) // 2, left, margin, columns, rows)

    @property
    def most(self) -> int:
        """Images on a page."""
        return self.columns * self.rows

    def page(self, names: Sequence[str]) -> Page:
        """Lay images out, row by row; marks lie around those rows that are used."""
        used = -(-len(names) // self.columns)
        nodes = [(row, column) for row in range(used + 1) for column in range(self.columns + 1)]
        corners = [self._corner(row, column) for row, column in nodes]
        marks = [Mark(code=0, x=x + self.inset, y=y + self.inset) for x, y in corners]
        cells = [self._corner(*divmod(k, self.columns)) for k in range(len(names))]
        places = [Place(name=name, x=x + self.gap, y=y + self.gap) for name, (x, y) in zip(names, cells, strict=True)]
        return Page(marks=marks, places=places)

    def _corner(self, row: int, column: int) -> tuple[int, int]:
        return self.left + column * (self.wide + self.gap), self.top + row * (self.tall + self.gap)


def _seed(names: list[str], shape: tuple[int, int, int], about: Mapping[str, JsonValue]) -> int:
    """A seed for the codes: other sheets get others, so that no photograph is read as that of another sheet."""
    return int.from_bytes(
        hashlib.sha256(json.dumps([names, shape, about], sort_keys=True).encode()).digest()[:6], "big"
    )


def _number(code: Bits) -> int:
    return sum(int(bit) << place for place, bit in enumerate(code.ravel()))
