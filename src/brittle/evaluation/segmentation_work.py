"""The work of an audit of a segmentation: the pixels of each class, and pictures in their colours."""

from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from brittle.dense.result import DenseResult
from brittle.evaluation.dense_images import DenseWork
from brittle.pictures import segmentation_picture
from brittle.runs.dense_manifests import SegmentationManifest
from brittle.runs.segmentation import PixelCounts, SegmentedImage


@dataclass(frozen=True)
class SegmentationWork(DenseWork[SegmentationManifest, SegmentedImage]):
    """Attacks what has no row yet, of networks with a class for every pixel."""

    def options(self) -> dict[str, Any]:
        """Return the task."""
        return {"task": "segmentation"}

    def row(self, result: DenseResult, row: int, columns: dict[str, Any]) -> SegmentedImage:
        """Return what is kept of an image."""
        return SegmentedImage(**columns, pixels=_pixels(result.clean_map[row], result.map[row]))

    def painted(self, before: Tensor, after: Tensor) -> tuple[Image.Image, Image.Image]:
        """Return both segmentations in the colours of the classes."""
        first, last = (segmentation_picture(labels.cpu().numpy()) for labels in (before, after))
        return first, last


def _pixels(before: Tensor, after: Tensor) -> dict[str, PixelCounts]:
    """Count the pixels of each class that is seen."""
    most = int(torch.maximum(before, after).max()) + 1
    counts = [one.flatten().bincount(minlength=most).tolist() for one in (before, after, before[before != after])]
    columns = enumerate(zip(*counts, strict=True))
    return {
        str(number): PixelCounts(before=first, after=last, lost=lost)
        for number, (first, last, lost) in columns
        if first or last
    }
