"""The work of an audit of a dense network: image by image, what was found, and pictures of it."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from PIL import Image
from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.data import Block, Source
from brittle.dense.result import DenseResult
from brittle.dense.run import run_dense
from brittle.evaluation.plan import Planned
from brittle.evaluation.progress import BlockProgress, Progress
from brittle.pictures import picture_of, png_of
from brittle.runs.dense import PICTURES, DenseFolder, DenseImage
from brittle.runs.dense_manifests import DenseManifest
from brittle.runs.manifest_info import BadImageInfo
from brittle.types import Images

PICTURED = 12
"""Images of which pictures are kept: so many of the first."""
LARGEST = 192
"""Longer side of a picture, in pixels."""

M = TypeVar("M", bound=DenseManifest)
R = TypeVar("R", bound=DenseImage)


@dataclass(frozen=True)
class DenseWork(ABC, Generic[M, R]):
    """Attacks what has no row yet.

    Attributes:
        folder: that keeps the rows.
        planned: the attack with its threat.
        classifier: the network, read pixel by pixel.
        source: the images.
        watch: told of the progress.
    """

    folder: DenseFolder[M, R]
    planned: Planned
    classifier: Classifier
    source: Source
    watch: Progress

    def go(self) -> None:
        """Attack every image that was not yet, and write the file of all rows."""
        count, batch = len(self.source), self.folder.manifest.batch
        kept = self.folder.kept()
        self.watch.begin(count, len(kept))
        for start in range(0, count, batch):
            places = range(start, min(start + batch, count))
            if all(place in kept for place in places):
                continue
            block = next(self.source.blocks(batch, start=start))
            before = len(kept.keys() & {*places})
            if any(place not in kept for place in block.index.tolist()):
                # all of a batch once more, for the last bits of a network may depend on the images beside
                kept |= {image.index: image for image in self._attacked(block)}
            self.watch.advance(self.planned.info.spec, len(places) - before)
        if self.source.bad:
            bad = [BadImageInfo(index=one.index, name=one.name, reason=one.reason) for one in self.source.bad]
            self.folder.note_bad(bad)
        self.folder.write_all([kept[index] for index in sorted(kept)])

    def _attacked(self, block: Block) -> list[R]:
        """Attack a batch, and keep each of its images."""
        manifest = self.folder.manifest
        result = run_dense(
            self.planned.attack,
            self.classifier,
            block.images,
            **self.options(),
            share=manifest.share,
            threat=self.planned.threat,
            seed=manifest.seed,
            batch=manifest.batch,
            ids=block.index,
            budget=manifest.budget,
            confidence=manifest.confidence,
            on_pass=self.watch.passed if isinstance(self.watch, BlockProgress) else None,
        )
        places = zip(block.index.tolist(), block.names, strict=True)
        rows = [self.row(result, row, columns_of(result, row, *place)) for row, place in enumerate(places)]
        for row, image in enumerate(rows):
            pictures = self._pictures(block.images, result, row) if image.index < PICTURED else {}
            self.folder.write_image(image, pictures)
        return rows

    def _pictures(self, images: Images, result: DenseResult, row: int) -> dict[str, bytes]:
        """Return the pictures of an image of a batch as PNG, by the names of `PICTURES`, large ones made smaller."""
        shown = [picture_of(one[row].double().cpu().numpy()) for one in (images, result.adversarial)]
        for picture in shown:
            picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
        painted = self.painted(result.clean_map[row], result.map[row])
        shown += [one.resize(shown[0].size, Image.Resampling.NEAREST) for one in painted]
        return dict(zip(PICTURES, (png_of(picture, optimize=True) for picture in shown), strict=True))

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Return what `run_dense` is told of the task."""

    @abstractmethod
    def row(self, result: DenseResult, row: int, columns: dict[str, Any]) -> R:
        """Return what is kept of an image.

        Args:
            result: of a batch.
            row: the image's place in it.
            columns: what is kept of images whatever the task.
        """

    @abstractmethod
    def painted(self, before: Tensor, after: Tensor) -> tuple[Image.Image, Image.Image]:
        """Return pictures of what the network says of an image's pixels (h, w), before and after."""


def columns_of(result: DenseResult, row: int, index: int, name: str) -> dict[str, Any]:
    """Return what is kept of an image whatever the task.

    Args:
        result: of a batch.
        row: the image's place in it.
        index: its position in the source.
        name: its name there.
    """
    return {
        "index": index,
        "name": name,
        "success": bool(result.success[row]),
        "already": bool(result.already[row]),
        "size": _number(result.size[row]),
        "sizes": {norm: _number(sizes[row]) for norm, sizes in result.sizes.items()},
        "clean_share": float(result.clean_share[row]),
        "share": float(result.share[row]),
        "margin": _number(result.margin[row]),
        "forward": int(result.forward[row]),
        "backward": int(result.backward[row]),
        "iterations": int(result.iterations[row]),
        "seconds": float(result.seconds[row]),
        "nonfinite_outputs": int(result.nonfinite_outputs[row]),
        "nonfinite_gradients": int(result.nonfinite_gradients[row]),
    }


def _number(value: Tensor) -> float | None:
    return float(value) if math.isfinite(value) else None
