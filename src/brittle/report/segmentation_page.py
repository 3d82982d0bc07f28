"""The page of an audit of a segmentation: also which classes suffer, in which colours."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from brittle.metrics.formats import percent
from brittle.pictures import class_colours
from brittle.report.content import shown
from brittle.report.dense_page import DensePage
from brittle.runs.dense_manifests import SegmentationManifest
from brittle.runs.segmentation import SegmentationFolder, SegmentedImage
from brittle.runs.segmentation_summary import SegmentationSummary, class_name
from brittle.words import plural

NAMED = 12
"""Most classes whose colours are explained."""


@dataclass(frozen=True)
class Key:
    """A class on the pictures: its name, and its colour in hexadecimal."""

    name: str
    colour: str


def segmentation_page(run: Path) -> str:
    """Return the page of the folder of `brittle audit --task segmentation`, if need be of what is there so far.

    Raises:
        RunError: nothing is there yet, or a part of it is damaged.
    """
    folder = SegmentationFolder.open(run)
    with shown(run, "the folder of an audit of a segmentation"):
        return SegmentationPage(folder, SegmentationSummary.of(folder), folder.images()).render()


@dataclass(frozen=True)
class SegmentationPage(DensePage[SegmentationSummary, SegmentedImage]):
    """The page of an audit of a segmentation."""

    template: ClassVar[str] = "segmentation.html"
    kind: ClassVar[str] = "segmentation"

    @property
    def wrong(self) -> str:
        """What is compared is the class."""
        return "segmented otherwise"

    def captions(self, row: SegmentedImage) -> tuple[str, str]:
        """Return how many classes are seen, and which share of the pixels has another one."""
        before, after = (plural(row.classes(when), "class", "classes") for when in ("before", "after"))
        return f"before: {before}", f"after: {after}, {percent(row.share)} otherwise"

    def more_cards(self) -> Sequence[tuple[str, str, str, str]]:
        """Return none."""
        return ()

    def more_settings(self) -> Mapping[str, object]:
        """Return none."""
        return {}

    def more(self, shown: Sequence[SegmentedImage]) -> Mapping[str, object]:
        """Return the classes that lose most, and the colours of those on the pictures."""
        classes = [
            (one.name, f"{one.pixels:,}", f"{one.lost:,}", percent(one.lost / one.pixels))
            for one in self.summary.classes
        ]
        return {"classes": classes, "keys": _keys(self.folder.manifest, shown)}


def _keys(manifest: SegmentationManifest, rows: Sequence[SegmentedImage]) -> list[Key]:
    """Return the colours of the classes that fill most of the pictures."""
    pixels = Counter[str]()
    for row in rows:
        for number, counts in row.pixels.items():
            pixels[number] += counts.before + counts.after
    return [Key(class_name(manifest, number), _colour(number)) for number, _ in pixels.most_common(NAMED)]


def _colour(number: str) -> str:
    """Return a class's colour as a style sheet writes it."""
    red, green, blue = (255 * class_colours(np.array([[int(number)]]))).round().astype(int)[0, 0]
    return f"#{red:02x}{green:02x}{blue:02x}"
