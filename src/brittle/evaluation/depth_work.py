"""The work of an audit of depths: their errors, and pictures of them."""

from dataclasses import dataclass
from typing import Any

from PIL import Image
from torch import Tensor

from brittle.dense.result import DenseResult
from brittle.evaluation.dense_images import DenseWork
from brittle.pictures import depth_pictures
from brittle.runs.dense_manifests import DepthManifest
from brittle.runs.depth import DepthImage


@dataclass(frozen=True)
class DepthWork(DenseWork[DepthManifest, DepthImage]):
    """Attacks what has no row yet, of networks with a depth for every pixel."""

    def options(self) -> dict[str, Any]:
        """Return the task, and from which ratio a depth is wrong."""
        return {"task": "depth", "ratio": self.folder.manifest.ratio}

    def row(self, result: DenseResult, row: int, columns: dict[str, Any]) -> DepthImage:
        """Return what is kept of an image."""
        columns = columns | {name: float(errors[row]) for name, errors in result.errors.items()}
        return DepthImage(**columns)

    def painted(self, before: Tensor, after: Tensor) -> tuple[Image.Image, Image.Image]:
        """Return both depths in the greys of one scale."""
        first, last = depth_pictures([one.double().cpu().numpy() for one in (before, after)])
        return first, last
