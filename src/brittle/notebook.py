"""What is shown of a result: a few lines in a terminal, and in a notebook also pictures, as HTML without scripts."""

import html
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from brittle.errors import escaped
from brittle.names import shown
from brittle.pictures import Floats, amplification, data_uri, picture_of

SIDE = 96
"""Longest side of a picture in pixels; larger images are reduced, so that a view of a few of them stays small."""
EXAMPLES = 4
"""Changed images that are shown."""
NAMES = 16
"""Letters of the column of names."""


@dataclass(frozen=True)
class Example:
    """A changed image beside its original.

    Attributes:
        caption: what became of it, as text.
        original: values in [0, 1], (channels, height, width).
        changed: likewise.
        more: further pictures with their titles, such as segmentations.
    """

    caption: str
    original: Floats
    changed: Floats
    more: tuple[tuple[str, Image.Image], ...] = ()


class Summarised(ABC):
    """A mixin of results, which say themselves in a few lines."""

    @abstractmethod
    def headline(self) -> str:
        """Return what was done, in one line."""

    @abstractmethod
    def lines(self) -> list[tuple[str, str]]:
        """Return a few figures, each with its name."""

    def examples(self) -> list[Example]:
        """Return a few changed images; none where nothing keeps any."""
        return []

    def __repr__(self) -> str:
        return "\n".join(
            [shown(self.headline()), *(shown(f"{name:<{NAMES}} {figure}") for name, figure in self.lines())]
        )

    def _repr_html_(self) -> str:
        return view(self.headline(), self.lines(), self.examples())


def view(headline: str, lines: Sequence[tuple[str, str]], examples: Sequence[Example] = ()) -> str:
    """Return a result as HTML: a headline, a table of names and figures, and pictures.

    All text is escaped; pictures are PNG within the page, none above `SIDE` pixels a side; nothing is fetched, and
    there is no script.

    Args:
        headline: what was done, as text.
        lines: names and figures, as text.
        examples: changed images, of which the first `EXAMPLES` are shown.

    Example:
        >>> view("<b>", [("success", "1.0%")]).count("&lt;b&gt;")
        1
    """
    rows = "".join(
        f'<tr><th style="text-align:left;font-weight:normal;opacity:.7;padding:.15em 1.2em .15em 0">{_text(name)}</th>'
        f'<td style="text-align:left;padding:.15em 0">{_text(figure)}</td></tr>'
        for name, figure in lines
    )
    shown = "".join(map(_figure, examples[:EXAMPLES]))
    return f'<div><p style="margin:.3em 0"><b>{_text(headline)}</b></p><table>{rows}</table>{shown}</div>'


def _figure(example: Example) -> str:
    change = example.changed - example.original
    factor = amplification(float(np.abs(change).max(initial=0.0)))
    pictures = [
        ("original", picture_of(example.original)),
        (f"change ×{factor:g}", picture_of(0.5 + factor * change)),
        ("changed", picture_of(example.changed)),
        *example.more,
    ]
    cells = "".join(
        f'<td style="padding:.2em .8em .2em 0;text-align:left;font-size:85%">{_image(picture, title)}<br>'
        f"{_text(title)}</td>"
        for title, picture in pictures
    )
    return f'<p style="margin:.6em 0 0">{_text(example.caption)}</p><table><tr>{cells}</tr></table>'


def _image(picture: Image.Image, title: str) -> str:
    longest = max(picture.size)
    if longest > SIDE:
        picture = picture.reduce(-(-longest // SIDE))
    width, height = (max(1, round(side * SIDE / max(picture.size))) for side in picture.size)
    smooth = "" if longest > SIDE else ";image-rendering:pixelated"
    return (
        f'<img src="{data_uri(picture)}" alt="{_text(title)}" width="{width}" height="{height}" '
        f'style="width:{width}px;height:{height}px{smooth}">'
    )


def _text(text: str) -> str:
    return html.escape(escaped(text))
