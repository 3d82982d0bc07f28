"""What an audit of a segmentation comes to: also which classes suffer."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from brittle.runs.dense_manifests import SegmentationManifest
from brittle.runs.dense_summary import DenseSummary, figures_of
from brittle.runs.segmentation import SegmentationFolder, SegmentedImage

LISTED = 5
"""Classes that are named, those that lose most pixels first."""


@dataclass(frozen=True)
class LostClass:
    """A class that lost pixels: its name, and over all images how many it had and has lost."""

    name: str
    pixels: int
    lost: int


@dataclass(frozen=True, kw_only=True)
class SegmentationSummary(DenseSummary):
    """What a network that segments is worth against changes of its images.

    Attributes:
        classes: those that lose most pixels, at most `LISTED`.
    """

    labels: ClassVar[str] = "the network's own clean segmentation"
    truth: ClassVar[str] = "masks"

    classes: Sequence[LostClass]

    @classmethod
    def of(cls, folder: SegmentationFolder) -> "SegmentationSummary":
        """Read the figures of an audit; of one that is not finished those of the images that are done.

        Raises:
            RunError: not one image is done, or it is damaged.
        """
        manifest, rows = folder.manifest, folder.images()
        return cls(**figures_of(str(folder.path), manifest, rows), classes=lost_classes(manifest, rows)[:LISTED])


def lost_classes(manifest: SegmentationManifest, rows: Sequence[SegmentedImage]) -> list[LostClass]:
    """Return all classes of the clean segmentations, those that lose most pixels over all images first."""
    pixels, lost = Counter[str](), Counter[str]()
    for row in rows:
        for number, counts in row.pixels.items():
            pixels[number] += counts.before
            lost[number] += counts.lost
    found = [LostClass(class_name(manifest, number), pixels[number], lost[number]) for number in pixels]
    return sorted((one for one in found if one.pixels), key=lambda one: (-one.lost, one.name))


def class_name(manifest: SegmentationManifest, number: str) -> str:
    """Return the name of a class by its number as text, where the network says one."""
    place = int(number)
    return manifest.classes[place] if 0 <= place < len(manifest.classes) else f"class {place}"
