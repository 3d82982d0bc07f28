"""The folder of a measurement under corruptions: which images were right, cell by cell, and what that comes to."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from brittle.errors import OverLimit, RunError
from brittle.files import write_atomically
from brittle.metrics import Estimate, mean, proportion
from brittle.reading import read_json
from brittle.runs.checkpoint import broken_seal, sealed
from brittle.runs.kinds import CORRUPTED, CORRUPTED_FILE, CORRUPTIONS
from brittle.runs.result_manifests import CorruptionsManifest
from brittle.runs.results import ResultFolder

OURS = re.compile(r"(clean|[a-z-]+-[1-5])\.(json|png)")
"""Names of cells and of their pictures."""
CLEAN = "clean"
"""The cell of the images as they are."""


def cell_name(kind: str, severity: int) -> str:
    """Return what the cell of a kind of corruption at a severity is called."""
    return f"{kind}-{severity}"


class CorruptionsFolder(ResultFolder[CorruptionsManifest]):
    """The folder of a measurement under corruptions.

    A cell is kept as soon as it is measured: for each image a 1 where it is right and a 0 where not.
    """

    of = CorruptionsManifest
    kind = CORRUPTIONS

    @property
    def names(self) -> list[str]:
        """The names of all cells, the clean one first."""
        manifest = self.manifest
        return [CLEAN, *(cell_name(kind, level) for kind in manifest.kinds for level in manifest.severities)]

    def cell(self, name: str) -> str | None:
        """Return which images were right; None where the cell is not there, damaged, or of another measurement."""
        try:
            found: object = read_json(self.path / CORRUPTED / f"{name}.json")
        except (OSError, OverLimit, ValueError):
            return None
        plain = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
        if broken_seal(plain) or plain.get("identity") != self.manifest.identity or plain.get("cell") != name:
            return None
        return str(plain["right"])

    def write_cell(self, name: str, right: str, png: bytes | None) -> None:
        """Keep a cell, and a picture of one of its images."""
        folder = self.path / CORRUPTED
        if png is not None:
            write_atomically(folder / f"{name}.png", png)
        content = {"identity": self.manifest.identity, "cell": name, "right": right}
        write_atomically(folder / f"{name}.json", _json(content))

    def write_all(self, cells: Mapping[str, str]) -> None:
        """Write the file of all cells."""
        write_atomically(self.path / CORRUPTED_FILE, _json({"identity": self.manifest.identity, "cells": {**cells}}))

    def files_of_work(self) -> Iterable[Path]:
        """The file of all cells, the cells and their pictures, of whichever measurement lies there."""
        cells = (file for file in (self.path / CORRUPTED).glob("*") if OURS.fullmatch(file.name))
        return (*super().files_of_work(), *cells)


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(sealed(content), indent=1) + "\n").encode()


@dataclass(frozen=True)
class CorruptionsSummary:
    """What a network is worth under corruptions.

    Attributes:
        network, data: what was measured, as it was written.
        images: how many.
        clean: accuracy on the images as they are.
        cells: accuracy by kind and severity.
        kinds: mean accuracy over the severities of each kind.
        mean: over all kinds and severities; its interval is that of the mean over images, each of which counts with
            the part of all corruptions under which it is right.
    """

    network: str
    data: str
    images: int
    clean: Estimate
    cells: Mapping[tuple[str, int], Estimate]
    kinds: Mapping[str, Estimate]
    mean: Estimate

    @classmethod
    def of(cls, folder: CorruptionsFolder) -> "CorruptionsSummary":
        """Read the figures of a finished measurement.

        Raises:
            RunError: it is not finished, or damaged.
        """
        path = folder.file(CORRUPTED_FILE)
        cells: dict[str, str] = read_json(path)["cells"]
        if set(cells) != set(folder.names) or len({*map(len, cells.values())}) != 1:
            raise RunError(f"{path} does not hold the cells of its measurement; give the command that made it again")
        rights = {name: np.array([letter == "1" for letter in text]) for name, text in cells.items()}
        manifest = folder.manifest
        pairs = [(kind, severity) for kind in manifest.kinds for severity in manifest.severities]
        by_kind = {
            kind: np.stack([rights[cell_name(kind, severity)] for severity in manifest.severities]).mean(0)
            for kind in manifest.kinds
        }
        return cls(
            manifest.network.spec,
            manifest.data.spec,
            len(rights[CLEAN]),
            _rate(rights[CLEAN]),
            {pair: _rate(rights[cell_name(*pair)]) for pair in pairs},
            {kind: mean(parts, bounds=(0, 1)) for kind, parts in by_kind.items()},
            mean(np.stack([*by_kind.values()]).mean(0), bounds=(0, 1)),
        )

    def plain(self) -> dict[str, Any]:
        """Return what JSON can say."""
        return {
            "network": self.network,
            "data": self.data,
            "images": self.images,
            "clean": asdict(self.clean),
            "mean": asdict(self.mean),
            "kinds": {kind: asdict(one) for kind, one in self.kinds.items()},
            "cells": {cell_name(*pair): asdict(one) for pair, one in self.cells.items()},
        }


def _rate(right: "np.ndarray[Any, np.dtype[np.bool_]]") -> Estimate:
    return proportion(int(right.sum()), len(right))
