"""The rows of a universal perturbation: what the network says of every image without it, with it, and with noise."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor

from brittle.classifiers.frozen import preserving_state
from brittle.files import write_atomically
from brittle.maths.losses import decided
from brittle.maths.quantization import as_bytes
from brittle.metrics import Estimate, fooling_rate, reaching_rate
from brittle.names import stored, stored_within
from brittle.pictures import png_of
from brittle.types import Images
from brittle.universal_attacks.images import ImageSet

PICTURES = 8
"""How many fooled images of a group are kept as pictures."""


class Tabled(Protocol):
    """What became of a group of images, as a table."""

    @property
    def table(self) -> pa.Table:
        """A row for each image."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What became of a group of images.

    Attributes:
        kind: "seen" for the images that the perturbation was made from, "unseen" for others.
        table: a row for each image.
    """

    kind: str
    table: pa.Table

    def fooled(self, column: str) -> Estimate:
        """Return the fraction of the images whose class in a column is not that of the clean image."""
        return fooling_rate(*(self.table.column(name).to_numpy() for name in ("class_clean", column)))

    def reached(self, target: int) -> Estimate | None:
        """Return the fraction of the images of other classes that are taken for one class; None without any."""
        clean, moved = (self.table.column(f"class_{name}").to_numpy() for name in ("clean", "perturbed"))
        return reaching_rate(clean, moved, target)

    def fooled_of(self, classes: Sequence[int]) -> tuple[Estimate | None, Estimate | None]:
        """Return the fraction fooled of the images of some classes and of the others; None of a side without any."""
        clean, moved = (self.table.column(f"class_{name}").to_numpy() for name in ("clean", "perturbed"))
        inside = np.isin(clean, classes)
        inner, outer = (fooling_rate(clean[s], moved[s]) if s.any() else None for s in (inside, ~inside))
        return inner, outer


@torch.no_grad()
def outcome(  # noqa: PLR0913  # a group of images, and what it is shown
    kind: str,
    images: ImageSet,
    names: list[str],
    places: list[int],
    v: Tensor,
    noise: Tensor,
    looked: Callable[[int], None],
    only: Sequence[int] = (),
) -> Outcome:
    """Show a network images without a perturbation, with it, and with noise.

    Args:
        kind: of the group.
        images: of the group.
        names: of the images.
        places: of the images in their source.
        v: the perturbation, (c, h, w).
        noise: of the same norm, (c, h, w).
        looked: told how many more images have been shown.
        only: the classes whose images shall be fooled; all by default.

    Returns:
        Classes and confidences, and the first fooled images, of these classes, as PNG before and after.
    """
    columns: dict[str, list[float]] = {}
    pictures: list[tuple[bytes | None, bytes | None]] = []
    for rows in images.batches():
        some = images.at(rows)
        with preserving_state(images.classifier.module):
            said = {
                name: images.logits(some, change, rows)
                for name, change in (("clean", None), ("perturbed", v), ("noise", noise))
            }
        for name, logits in said.items():
            confidence, label = decided(logits.double())
            columns.setdefault(f"class_{name}", []).extend(label.tolist())
            columns.setdefault(f"confidence_{name}", []).extend(confidence.tolist())
        fooled = (said["clean"].argmax(1) != said["perturbed"].argmax(1)).tolist()
        moved = images.worn(some, v, rows)
        wanted = torch.isin(said["clean"].argmax(1).cpu(), torch.tensor(only)).tolist() if only else [True] * len(some)
        for row, broken in enumerate(fooled):
            kept = broken and wanted[row] and sum(before is not None for before, _ in pictures) < PICTURES
            pictures.append((image_png(some[row], images), image_png(moved[row], images)) if kept else (None, None))
        looked(len(some))
    table = {"kind": [kind] * len(images), "index": places, "name": [*map(stored, names)], **columns}
    before, after = ([pair[side] for pair in pictures] for side in (0, 1))
    return Outcome(
        kind,
        pa.table({**table, "clean_png": pa.array(before, pa.binary()), "perturbed_png": pa.array(after, pa.binary())}),
    )


def write_outcomes(path: Path, outcomes: Sequence[Tabled], classes: tuple[str, ...]) -> None:
    """Write the rows of all groups as one Parquet file, with the names of the classes in its metadata.

    Args:
        path: of the file.
        outcomes: of the groups.
        classes: names, or none.

    Raises:
        RunError: the file cannot be written.
    """
    sink = io.BytesIO()
    table = pa.concat_tables([one.table for one in outcomes])
    pq.write_table(table.replace_schema_metadata({"classes": json.dumps(stored_within(classes))}), sink)
    write_atomically(path, sink.getvalue())


def image_png(image: Images, images: ImageSet) -> bytes | None:
    """Encode an image (c, h, w) of one or three channels; others have no picture."""
    bounds = images.classifier.bounds
    levels = as_bytes(image, bounds.lower, bounds.span).cpu().permute(1, 2, 0).numpy()
    if levels.shape[2] not in (1, 3):
        return None
    return png_of(Image.fromarray(np.ascontiguousarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)))
