"""The rows of a universal perturbation of a network with a class for every pixel: which part of them it changes."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from brittle.classifiers.frozen import preserving_state
from brittle.dense.segmenter import Segmenter
from brittle.evaluation.universal_rows import image_png
from brittle.metrics import Estimate, mean
from brittle.names import stored
from brittle.pictures import png_of, segmentation_picture
from brittle.universal.images import ImageSet

PICTURES = 4
"""How many images of a group are kept as pictures."""


@dataclass(frozen=True)
class PixelOutcome:
    """What became of the pixels of a group of images.

    Attributes:
        kind: "seen" for the images that the perturbation was made from, "unseen" for others.
        table: a row for each image.
        taken_for: how many of the changed pixels are taken for each class.
    """

    kind: str
    table: pa.Table
    taken_for: Counter[int] = field(default_factory=Counter[int])

    def fooled(self, column: str) -> Estimate:
        """Return the mean share of an image's pixels that change: by the perturbation, or by noise."""
        return mean(self.table.column(column.replace("class_", "share_")).to_numpy(), bounds=(0, 1))

    def reached(self, target: int) -> Estimate | None:
        """Return the mean share of the pixels of other classes that are taken for one class; None without any."""
        shares = self.table.column("share_reached").to_numpy()
        known = shares[~np.isnan(shares)]
        return mean(known, bounds=(0, 1)) if len(known) else None


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
    """Show a network with a class for every pixel images without a perturbation, with it, and with noise.

    Arguments as of `brittle.evaluation.universal_rows.outcome`; `target` is the class that pixels shall be taken for.
    """
    columns = {name: list[float]() for name in ("share_perturbed", "share_noise", "share_reached")}
    pictures: dict[str, list[bytes | None]] = {f"{name}_png": [] for name in ("clean", "perturbed", "before", "after")}
    taken_for = Counter[int]()
    for row in range(len(images)):
        rows = torch.tensor([row])
        image = images.at(rows)
        clean, moved, random = (_classes(images, image, change, rows) for change in (None, v, noise))
        columns["share_perturbed"].append(float((moved != clean).mean()))
        columns["share_noise"].append(float((random != clean).mean()))
        others = clean != (-1 if target is None else target)
        columns["share_reached"].append(float((moved[others] == target).mean()) if others.any() else float("nan"))
        taken_for.update(dict(zip(*np.unique(moved[moved != clean], return_counts=True), strict=True)))
        shown: list[bytes | None] = [None] * len(pictures)
        if row < PICTURES:
            shown = [image_png(one[0], images) for one in (image, images.worn(image, v, rows))]
            shown += [png_of(segmentation_picture(one)) for one in (clean, moved)]
        for cells, picture in zip(pictures.values(), shown, strict=True):
            cells.append(picture)
        looked(1)
    table = {"kind": [kind] * len(images), "index": places, "name": [*map(stored, names)], **columns}
    drawn = {name: pa.array(cells, pa.binary()) for name, cells in pictures.items()}
    plain = Counter({int(label): int(count) for label, count in taken_for.items()})
    return PixelOutcome(kind, pa.table({**table, **drawn}), plain)


def _classes(images: ImageSet, image: Tensor, change: Tensor | None, rows: Tensor) -> np.ndarray:
    """Return the class of every pixel of one image, (h, w)."""
    with preserving_state(images.classifier.module):
        moved = image if change is None else images.worn(image, change, rows)
        maps = Segmenter.of(images.classifier).checked_maps(moved)
    return maps[0].argmax(0).cpu().numpy()
