"""The folder of an audit of depths: of each image also how far the depths are from what they were."""

from pydantic import Field

from brittle.runs.dense import DenseFolder, DenseImage
from brittle.runs.dense_manifests import DepthManifest
from brittle.runs.kinds import DEPTH, DEPTHS


class DepthImage(DenseImage):
    """What an attack came to on one image; errors are measured beside the depths of the clean image.

    Attributes:
        clean_absolute, absolute: mean of |d - d*| / d*, before and after.
        clean_within, within: part of the pixels with max(d / d*, d* / d) < 1.25, likewise.
    """

    clean_absolute: float = Field(ge=0)
    absolute: float = Field(ge=0)
    clean_within: float = Field(ge=0, le=1)
    within: float = Field(ge=0, le=1)


class DepthFolder(DenseFolder[DepthManifest, DepthImage]):
    """The folder of an audit of depths."""

    of = DepthManifest
    kind = DEPTH
    row = DepthImage
    parts = DEPTHS
