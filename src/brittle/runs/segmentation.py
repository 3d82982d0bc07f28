"""The folder of an audit of a segmentation: of each image also the pixels that each class has and loses."""

from typing import Annotated

from pydantic import Field

from brittle.runs.dense import DenseFolder, DenseImage
from brittle.runs.dense_manifests import SegmentationManifest
from brittle.runs.kinds import SEGMENTATION, SEGMENTED
from brittle.runs.manifest_info import Strict


class PixelCounts(Strict):
    """How many pixels of an image have a class: before, after, and how many of those before have lost it."""

    before: int = Field(ge=0)
    after: int = Field(ge=0)
    lost: int = Field(ge=0)


class SegmentedImage(DenseImage):
    """What an attack came to on one image.

    Attributes:
        pixels: by the number of a class, as text, of all classes that are seen before or after.
    """

    pixels: dict[Annotated[str, Field(pattern=r"^[0-9]{1,6}$")], PixelCounts]

    def classes(self, when: str = "before") -> int:
        """Return how many classes are seen, before or after."""
        return sum(getattr(counts, when) > 0 for counts in self.pixels.values())


class SegmentationFolder(DenseFolder[SegmentationManifest, SegmentedImage]):
    """The folder of an audit of a segmentation."""

    of = SegmentationManifest
    kind = SEGMENTATION
    row = SegmentedImage
    parts = SEGMENTED
