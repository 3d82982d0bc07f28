"""What an audit of depths comes to: also how far they are from what they were."""

from dataclasses import dataclass
from typing import ClassVar

from brittle.metrics import Estimate
from brittle.runs.dense_summary import DenseSummary, figures_of, median_of
from brittle.runs.depth import DepthFolder


@dataclass(frozen=True, kw_only=True)
class DepthSummary(DenseSummary):
    """What a network that estimates depths is worth against changes of its images.

    Attributes:
        ratio: from which a depth is wrong.
        clean_absolute, absolute: medians of the mean |d - d*| / d* of an image, before and after.
        clean_within, within: medians of the part of its pixels with max(d / d*, d* / d) < 1.25, likewise.
    """

    labels: ClassVar[str] = "the network's own depths of the clean image"
    truth: ClassVar[str] = "depths"

    ratio: float
    clean_absolute: Estimate
    absolute: Estimate
    clean_within: Estimate
    within: Estimate

    @classmethod
    def of(cls, folder: DepthFolder) -> "DepthSummary":
        """Read the figures of an audit; of one that is not finished those of the images that are done.

        Raises:
            RunError: not one image is done, or it is damaged.
        """
        rows = folder.images()
        return cls(
            **figures_of(str(folder.path), folder.manifest, rows),
            ratio=folder.manifest.ratio,
            clean_absolute=median_of(rows, lambda row: row.clean_absolute),
            absolute=median_of(rows, lambda row: row.absolute),
            clean_within=median_of(rows, lambda row: row.clean_within),
            within=median_of(rows, lambda row: row.within),
        )
