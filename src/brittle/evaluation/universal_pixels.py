"""The rows of a universal perturbation of a network with an answer for every pixel: which part of them it changes."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import cast

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor

from brittle.classifiers.frozen import preserving_state
from brittle.dense.depth_goal import NEAREST
from brittle.dense.rows import DenseRows
from brittle.evaluation.universal_rows import image_png
from brittle.metrics import Estimate, depth_errors, mean
from brittle.names import stored
from brittle.pictures import depth_pictures, png_of, segmentation_picture
from brittle.universal_attacks.images import ImageSet

PICTURES = 4
"""How many images of a group are kept as pictures."""
TAKEN = 10
"""Most classes listed that changed pixels are taken for."""
SHOWN = ("clean", "perturbed", "before", "after")
"""Pictures of an image: as it is, with the perturbation, and what the network says of both."""


@dataclass(frozen=True)
class PixelOutcome(ABC):
    """What became of the pixels of a group of images.

    Attributes:
        kind: "seen" for the images that the perturbation was made from, "unseen" for others.
        images: the group.
        names, places: of the images, and in their source.
        target: the class that pixels shall be taken for.
        columns: figures of each image, by name.
        pictures: of the first images, as they are and with the perturbation, and of what the network says of both.
    """

    kind: str
    images: ImageSet
    names: list[str]
    places: list[int]
    target: int | None = None
    columns: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    pictures: dict[str, list[bytes | None]] = field(default_factory=dict[str, list[bytes | None]])

    @property
    def table(self) -> pa.Table:
        """A row for each image."""
        about = {"kind": [self.kind] * len(self.names), "index": self.places, "name": [*map(stored, self.names)]}
        drawn = {f"{name}_png": pa.array(cells, pa.binary()) for name, cells in self.pictures.items()}
        return pa.table({**about, **self.columns, **drawn})

    def show(self, *shown: Image.Image | bytes | None) -> None:
        """Add pictures of an image, or None of each."""
        for name, one in zip(SHOWN, shown, strict=True):
            self.pictures.setdefault(name, []).append(png_of(one) if isinstance(one, Image.Image) else one)

    def add(self, clean: np.ndarray, moved: np.ndarray, noisy: np.ndarray) -> None:
        """Add an image, given what the network says of its pixels: without a change, with it, and with noise."""
        for name, value in self._figures(clean, moved, noisy).items():
            self.columns.setdefault(name, []).append(value)

    def _figures(self, clean: np.ndarray, moved: np.ndarray, noisy: np.ndarray) -> Mapping[str, float]:
        before, *after = (torch.from_numpy(one.ravel()[None]) for one in (clean, moved, noisy))
        shares = (float(self.images.answers.shares(one, before)) for one in after)
        return dict(zip(("share_perturbed", "share_noise"), shares, strict=True))

    @abstractmethod
    def painted(self, clean: np.ndarray, moved: np.ndarray) -> list[Image.Image]:
        """Return pictures of what the network says of an image's pixels without a change and with it."""

    @abstractmethod
    def told(self) -> dict[str, object]:
        """Return what the file of the perturbation tells of it beside the rates, as JSON can hold it."""

    def fooled(self, column: str) -> Estimate:
        """Return the mean share of an image's pixels that change: by the perturbation, or by noise."""
        return mean(np.array(self.columns[column.replace("class_", "share_")]), bounds=(0, 1))

    def reached(self, target: int) -> Estimate | None:
        """Return the mean share of the pixels of other classes that are taken for one class; None without any."""
        return None


@dataclass(frozen=True)
class SegmentedOutcome(PixelOutcome):
    """Classes of pixels.

    Attributes:
        taken_for: how many of the changed pixels are taken for each class.
    """

    taken_for: Counter[int] = field(default_factory=Counter[int])

    def _figures(self, clean: np.ndarray, moved: np.ndarray, noisy: np.ndarray) -> Mapping[str, float]:
        self.taken_for.update(dict(zip(*np.unique(moved[moved != clean], return_counts=True), strict=True)))
        others = clean != (-1 if self.target is None else self.target)
        reached = float((moved[others] == self.target).mean()) if others.any() else float("nan")
        return {**super()._figures(clean, moved, noisy), "share_reached": reached}

    def painted(self, clean: np.ndarray, moved: np.ndarray) -> list[Image.Image]:
        """Every class has its colour."""
        return [segmentation_picture(one) for one in (clean, moved)]

    def told(self) -> dict[str, object]:
        """The classes that most changed pixels are taken for."""
        return {"taken_for": {int(label): int(count) for label, count in self.taken_for.most_common(TAKEN)}}

    def reached(self, target: int) -> Estimate | None:
        """Return the mean share of the pixels of other classes that are taken for one class; None without any."""
        shares = np.array(self.columns["share_reached"])
        known = shares[~np.isnan(shares)]
        return mean(known, bounds=(0, 1)) if len(known) else None


@dataclass(frozen=True)
class DepthOutcome(PixelOutcome):
    """Depths of pixels, beside those of the image as it is."""

    def _figures(self, clean: np.ndarray, moved: np.ndarray, noisy: np.ndarray) -> Mapping[str, float]:
        before, after, random = (one.astype(np.float64)[None] for one in (clean, moved, noisy))
        before[before <= 0] = np.nan  # without a depth, a pixel does not count
        changed = self.images.answers.changed(*(torch.from_numpy(one) for one in (after, before)))
        counted = int(np.isfinite(before).sum())
        errors = {
            f"absolute_{name}": float(depth_errors(before, one, NEAREST).absolute[0]) if counted else float("nan")
            for name, one in (("perturbed", after), ("noise", random))
        }
        farther = {"share_farther": float((changed.numpy() & (after > before)).sum() / max(counted, 1))}
        return {**super()._figures(clean, moved, noisy), **farther, **errors}

    def painted(self, clean: np.ndarray, moved: np.ndarray) -> list[Image.Image]:
        """In the greys of one scale."""
        return depth_pictures([one.astype(np.float64) for one in (clean, moved)])

    def told(self) -> dict[str, object]:
        """How far depths are off with it and with noise, and which part of the pixels is too far."""
        columns = {name: np.array(values) for name, values in self.columns.items()}
        known = {name: values[np.isfinite(values)] for name, values in columns.items()}
        absolute = {name: _error(known[f"absolute_{name}"]) for name in ("perturbed", "noise")}
        return {"absolute": absolute, "farther": asdict(mean(columns["share_farther"], bounds=(0, 1)))}


def _error(values: np.ndarray) -> dict[str, float | None]:
    """Return a mean error as JSON can hold it: none where no pixel has a depth, and of few images no interval."""
    told = asdict(mean(values)) if len(values) else {"value": None, "low": None, "high": None, "n": 0}
    return {name: None if value is None or not np.isfinite(value) else value for name, value in told.items()}


@torch.no_grad()
def pixel_outcome(  # noqa: PLR0913  # a group of images, and what it is shown
    kind: str,
    images: ImageSet,
    names: list[str],
    places: list[int],
    v: Tensor,
    noise: Tensor,
    looked: Callable[[int], None],
    target: int | None = None,
) -> PixelOutcome:
    """Show a network with an answer for every pixel images without a perturbation, with it, and with noise.

    Arguments as of `brittle.evaluation.universal_rows.outcome`; `target` is the class that pixels shall be taken for.
    """
    found = (SegmentedOutcome if images.answers.classes else DepthOutcome)(kind, images, names, places, target)
    for row in range(len(images)):
        rows = torch.tensor([row])
        image = images.at(rows)
        clean, moved, random = (_answers(images, image, change, rows) for change in (None, v, noise))
        found.add(clean, moved, random)
        if row < PICTURES:
            found.show(
                *(image_png(one[0], images) for one in (image, images.worn(image, v, rows))),
                *found.painted(clean, moved),
            )
        else:
            found.show(*[None] * len(SHOWN))
        looked(1)
    return found


def _answers(images: ImageSet, image: Tensor, change: Tensor | None, rows: Tensor) -> np.ndarray:
    """Return the network's answer to every pixel of one image, (h, w)."""
    classifier = cast("DenseRows", images.classifier)
    with preserving_state(classifier.module):
        moved = None if change is None else images.worn(image, change, rows)
        return classifier.answers(image if moved is None else moved, checked=moved is None)[0].cpu().numpy()
