"""What an audit of a segmentation comes to: how many images are broken, by how little, and which classes suffer."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from brittle.metrics import Estimate, proportion, quantile
from brittle.metrics.estimate import LEVEL
from brittle.runs.json_numbers import json_numbers
from brittle.runs.result_manifests import SegmentationManifest
from brittle.runs.segmentation import SegmentationFolder, SegmentedImage

LISTED = 5
"""Classes that are named, those that lose most pixels first."""


@dataclass(frozen=True)
class LostClass:
    """A class that lost pixels: its name, and over all images how many it had and has lost."""

    name: str
    pixels: int
    lost: int


@dataclass(frozen=True)
class SegmentationSummary:
    """What a network that segments is worth against changes of its images.

    Attributes:
        run: the folder.
        network, data, attack: what was asked, as it was written.
        images: how many were attacked; `bad`: how many could not be read.
        norm, radius: how changes are measured; and the largest that counts, None for no limit.
        asked: which share of the pixels had to be segmented otherwise.
        broken: part of the images of which so many are.
        median: of the smallest change, infinite where none was found.
        sizes: likewise by other norms, of the same changes.
        share: median of the share of pixels that are segmented otherwise, over all images.
        forward, backward, seconds: means over the images.
        classes: those that lose most pixels, at most `LISTED`.
        notes: what was done to the images, in sentences.
    """

    run: str
    network: str
    data: str
    attack: str
    images: int
    bad: int
    norm: str
    radius: float | None
    asked: float
    broken: Estimate
    median: Estimate
    sizes: Mapping[str, Estimate]
    share: Estimate
    forward: float
    backward: float
    seconds: float
    classes: Sequence[LostClass]
    notes: Sequence[str]

    @classmethod
    def of(cls, folder: SegmentationFolder) -> "SegmentationSummary":
        """Read the figures of a finished audit.

        Raises:
            RunError: it is not finished, or damaged.
        """
        manifest, rows = folder.manifest, folder.images()
        norms = [name for name in ("linf", "l2", "l1") if all(name in row.sizes for row in rows)]
        return cls(
            run=str(folder.path),
            network=manifest.network.spec,
            data=manifest.data.spec,
            attack=manifest.attack.spec,
            images=len(rows),
            bad=len(manifest.data.bad),
            norm=manifest.threat.norm,
            radius=manifest.threat.radius,
            asked=manifest.share,
            broken=proportion(sum(row.success for row in rows), len(rows)),
            median=quantile(np.array([row.smallest for row in rows]), 0.5),
            sizes={name: quantile(np.array([_broken_by(row, name) for row in rows]), 0.5) for name in norms},
            share=quantile(np.array([row.share for row in rows]), 0.5),
            forward=_mean(rows, lambda row: row.forward),
            backward=_mean(rows, lambda row: row.backward),
            seconds=_mean(rows, lambda row: row.seconds),
            classes=lost_classes(manifest, rows)[:LISTED],
            notes=manifest.data.said,
        )

    def plain(self) -> dict[str, Any]:
        """Return what JSON can say; see `brittle.runs.json_numbers` for what is infinite or absent."""
        return json_numbers({**asdict(self), "interval_level": LEVEL, "labels": "the network's own clean segmentation"})


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


def _broken_by(row: SegmentedImage, norm: str) -> float:
    size = row.sizes[norm]
    return float("inf") if size is None or row.size is None else size


def _mean(rows: Sequence[SegmentedImage], value: Callable[[SegmentedImage], float]) -> float:
    return float(np.mean([value(row) for row in rows]))
