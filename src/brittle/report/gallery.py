"""Pictures: the original, the change made visible, and the adversarial image, as PNG data URIs."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa
from PIL import Image

from brittle.errors import truncate
from brittle.metrics.estimate import Floats
from brittle.metrics.formats import percent, significant
from brittle.metrics.rows import flags
from brittle.pictures import amplification, data_uri, picture_of, quiver
from brittle.report.run_data import AttackRows, RunData
from brittle.runs.schema import pixels_in

SHOWN = 3
"""Pictures at each end of an attack's gallery; `SHOWN_LARGE` of images above `SMALL` pixels, whose files are large."""
SHOWN_LARGE = 2
SMALL = 64
SAME = 1e-3
"""Sizes closer than this, as a fraction of them, are equal to a reader."""
LARGEST = 160
"""Images above this many pixels a side are shown reduced by a whole factor, so that pages stay small."""


@dataclass(frozen=True)
class Example:
    """One image of the gallery.

    Attributes:
        name: the image's name in its source.
        label: its class; `before` and `after`: what the network says, with the confidences as text.
        size: of the change, as text.
        scale: how much the change is amplified, as text.
        original: data URIs of the three pictures, `change` and `adversarial` likewise.
        vectors: of a deformation, drawn over the original; a data URI, None for other changes.
        width: of the pictures as shown, in pixels; `small` ones are enlarged without smoothing.
        reduced: by how much the pictures are reduced, 1 for not at all.
    """

    name: str
    label: str
    before: str
    before_confidence: str
    after: str
    after_confidence: str
    size: str
    scale: str
    original: str
    change: str
    adversarial: str
    vectors: str | None
    width: int
    small: bool
    reduced: int


@dataclass(frozen=True)
class Gallery:
    """The gallery of one attack: the images with the smallest and the largest successful change.

    Where all changes are of the same size nothing is easier or harder, and there are only the first.

    Attributes:
        attack: whose pictures they are.
        easiest: from the smallest change on, under the heading `caption`.
        hardest: from the largest change on.
    """

    attack: AttackRows
    easiest: tuple[Example, ...]
    hardest: tuple[Example, ...]
    caption: str


def walls(evidence: RunData) -> list[Gallery]:
    """The gallery of every attack that kept pictures of a success."""
    return [wall for attack in evidence.attacks if (wall := _wall(evidence, attack)).easiest]


def _wall(evidence: RunData, attack: AttackRows) -> Gallery:
    rows = _extremes(evidence, attack)
    if not rows:
        return Gallery(attack, (), (), "")
    sides = [max(cast(int, row["height"]), cast(int, row["width"])) for row in rows]
    shown = SHOWN if max(sides) <= SMALL else SHOWN_LARGE
    easiest = rows[:shown]
    smallest, largest = (cast(float, row["size"]) for row in (rows[0], rows[-1]))
    equal = largest <= smallest * (1 + SAME)
    caption = "All changes are of the same size" if equal else "Easiest: the smallest changes"
    hardest = [] if equal else list(reversed(rows[len(easiest) :][-shown:]))
    return Gallery(
        attack,
        tuple(_shot(evidence, attack, row) for row in easiest),
        tuple(_shot(evidence, attack, row) for row in hardest),
        "The picture kept" if len(rows) == 1 else caption,
    )


def _extremes(evidence: RunData, attack: AttackRows) -> list[dict[str, object]]:
    """Rows with pictures, by size, the smallest and the largest only; parts are read one at a time."""
    folder, key, kept = evidence.folder, attack.info.key, None
    for block in folder.blocks(key):
        if not folder.has_pictures(key, block):
            continue
        part = folder.part(key, block, None)
        usable = flags(part, "success")
        for column in ("original", "adversarial"):
            usable = usable & np.asarray(part[column].is_valid().to_numpy(), dtype=np.bool_)
        part = part.filter(pa.array(usable))
        kept = part if kept is None else pa.concat_tables([kept, part])
        kept = kept.sort_by([("size", "ascending"), ("index", "ascending")])
        if kept.num_rows > 2 * SHOWN:
            kept = pa.concat_tables([kept.slice(0, SHOWN), kept.slice(kept.num_rows - SHOWN)])
    return [] if kept is None else kept.to_pylist()


def _shot(evidence: RunData, attack: AttackRows, row: Mapping[str, object]) -> Example:
    lower, upper = evidence.manifest.network.bounds
    original, adversarial = (pixels_in(row, column) for column in ("original", "adversarial"))
    span = upper - lower
    change = (adversarial - original) / span
    factor = amplification(float(np.abs(change).max(initial=0.0)))
    side = max(original.shape[1:])
    reduced = -(-side // LARGEST)
    pictures = [(original - lower) / span, 0.5 + factor * change, (adversarial - lower) / span]
    uris = [png(picture, reduced) for picture in pictures]
    return Example(
        name=str(row["name"]),
        label=_name(evidence, row["label"]),
        before=_name(evidence, row["clean_prediction"]),
        before_confidence=percent(cast(float, row["clean_confidence"])),
        after=_name(evidence, row["prediction"]),
        after_confidence=percent(cast(float, row["confidence"])),
        size=evidence.units.size(cast(float, row["size"]), attack.info.norm),
        scale=f"×{factor:g}, grey ± {significant(127.5 / factor)}/255",
        original=uris[0],
        change=uris[1],
        adversarial=uris[2],
        vectors=None if row["field"] is None else data_uri(quiver(pictures[0], pixels_in(row, "field"))),
        width=original.shape[2] // reduced,
        small=side <= SMALL,
        reduced=reduced,
    )


def _name(evidence: RunData, label: object) -> str:
    return truncate(evidence.label(cast(int, label)), 40)


def reduced(picture: Image.Image) -> Image.Image:
    """Return a picture of at most `LARGEST` pixels a side, reduced by a whole factor where it is larger."""
    by = -(-max(picture.size) // LARGEST)
    return picture.reduce(by) if by > 1 else picture


def png(picture: Floats, reduced: int = 1) -> str:
    """A picture as a data URI.

    Args:
        picture: values in [0, 1], clipped to it, shape (channels, height, width); 1 and 3 channels are grey and
            colour, of another number their mean is shown.
        reduced: divide both sides by this whole number.

    Returns:
        ``data:image/png;base64,...``
    """
    image = picture_of(picture)
    if reduced > 1:
        image = image.reduce(reduced)
    return data_uri(image)
