"""What an audit of a dense network comes to: how many images are broken, and by how little."""

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from brittle.metrics import Estimate, proportion, quantile
from brittle.metrics.estimate import LEVEL
from brittle.runs.dense import DenseImage
from brittle.runs.dense_manifests import DenseManifest
from brittle.runs.json_numbers import json_numbers

R = TypeVar("R", bound=DenseImage)


@dataclass(frozen=True, kw_only=True)
class DenseSummary(ABC):
    """What a network with an answer for every pixel is worth against changes of its images.

    Attributes:
        run: the folder.
        network, data, attack: what was asked, as it was written.
        images: how many were attacked; `left`: how many are not yet, 0 of a finished audit; `bad`: how many could not
            be read.
        norm, radius: how changes are measured; and the largest that counts, None for no limit.
        asked: which share of the pixels had to be wrong.
        broken: part of the images of which so many are.
        median: of the smallest change, infinite where none was found.
        sizes: likewise by other norms, of the same changes.
        share: median of the share of pixels that are wrong, over all images.
        forward, backward, seconds: means over the images.
        notes: what was done to the images, in sentences.
    """

    labels: ClassVar[str]
    """What the pixels had to leave, in words."""
    truth: ClassVar[str]
    """What was not read."""

    run: str
    network: str
    data: str
    attack: str
    images: int
    left: int
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
    notes: Sequence[str]

    def plain(self) -> dict[str, Any]:
        """Return what JSON can say; see `brittle.runs.json_numbers` for what is infinite or absent."""
        return json_numbers({**asdict(self), "interval_level": LEVEL, "labels": self.labels})


def figures_of(path: str, manifest: DenseManifest, rows: Sequence[DenseImage]) -> dict[str, Any]:
    """Return the fields that the summaries of all dense networks have, of at least one row."""
    norms = [name for name in ("linf", "l2", "l1") if all(name in row.sizes for row in rows)]
    bad, done = len(manifest.data.bad), manifest.status == "finished"
    return {
        "run": path,
        "network": manifest.network.spec,
        "data": manifest.data.spec,
        "attack": manifest.attack.spec,
        "images": len(rows),
        "left": 0 if done else max(manifest.data.images - len(rows) - bad, 0),
        "bad": bad,
        "norm": manifest.threat.norm,
        "radius": manifest.threat.radius,
        "asked": manifest.share,
        "broken": proportion(sum(row.success for row in rows), len(rows)),
        "median": median_of(rows, lambda row: row.smallest),
        "sizes": {name: median_of(rows, lambda row, name=name: _broken_by(row, name)) for name in norms},
        "share": median_of(rows, lambda row: row.share),
        "forward": _mean(rows, lambda row: row.forward),
        "backward": _mean(rows, lambda row: row.backward),
        "seconds": _mean(rows, lambda row: row.seconds),
        "notes": manifest.data.said,
    }


def median_of(rows: Sequence[R], value: Callable[[R], float]) -> Estimate:
    """Return the median of a value over rows."""
    return quantile(np.array([value(row) for row in rows]), 0.5)


def _broken_by(row: DenseImage, norm: str) -> float:
    size = row.sizes[norm]
    return float("inf") if size is None or row.size is None else size


def _mean(rows: Sequence[DenseImage], value: Callable[[DenseImage], float]) -> float:
    return float(np.mean([value(row) for row in rows]))
