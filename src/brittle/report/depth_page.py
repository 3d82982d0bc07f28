"""The page of an audit of depths: also how far they are from what they were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from brittle.metrics import Estimate
from brittle.metrics.formats import interval, percent
from brittle.report.content import shown
from brittle.report.dense_page import DensePage
from brittle.runs.depth import DepthFolder, DepthImage
from brittle.runs.depth_summary import DepthSummary


def depth_page(run: Path) -> str:
    """Return the page of the folder of `brittle audit --task depth`, if need be of what is there so far.

    Raises:
        RunError: nothing is there yet, or a part of it is damaged.
    """
    folder = DepthFolder.open(run)
    with shown(run, "the folder of an audit of depths"):
        return DepthPage(folder, DepthSummary.of(folder), folder.images()).render()


@dataclass(frozen=True)
class DepthPage(DensePage[DepthSummary, DepthImage]):
    """The page of an audit of depths."""

    template: ClassVar[str] = "depth.html"
    kind: ClassVar[str] = "depth"

    @property
    def wrong(self) -> str:
        """By which factor wrong pixels are off."""
        return f"too far or too near by a factor of {self.summary.ratio:g}"

    def captions(self, row: DepthImage) -> tuple[str, str]:
        """Return which share of the pixels is wrong, and by how much."""
        return "before: white is nearest", f"after: {percent(row.share)} wrong, mean error {percent(row.absolute)}"

    def more_cards(self) -> Sequence[tuple[str, str, str, str]]:
        """Return the error of depth."""
        error = self.summary.absolute
        return [("Error of depth", "median of the mean |d - d*| / d*", percent(error.value), interval(error))]

    def more_settings(self) -> Mapping[str, object]:
        """Return the ratio."""
        return {"ratio of depths": f"{self.summary.ratio:g}"}

    def more(self, shown: Sequence[DepthImage]) -> Mapping[str, object]:
        """Return the errors of depth, before and after."""
        one = self.summary
        rows: list[tuple[str, Estimate, Estimate]] = [
            ("mean |d - d*| / d*", one.clean_absolute, one.absolute),
            ("pixels with max(d / d*, d* / d) < 1.25", one.clean_within, one.within),
        ]
        return {
            "errors": [
                (name, percent(before.value), percent(after.value), interval(after)) for name, before, after in rows
            ]
        }
