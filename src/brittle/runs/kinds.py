"""Which files and folders are ours: what an earlier command of the same kind left, and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from brittle.errors import OverLimit
from brittle.reading import open_ordinary, open_tensors, own_header, read_json

OWN_PAGE = b'<meta name="generator" content="brittle">'
"""What every page of ours begins with; `base.html` has it."""
ATTACK = "attack.json"
"""What `attack` keeps beside its images."""
CELLS = "cells"
"""The folder of a study's cells."""
RUN = "manifest.json"
"""What a run folder is known by."""
PERTURBATION_FILE, ROWS_FILE = "perturbation.safetensors", "rows.parquet"
"""What the folder of a universal perturbation holds."""
WEIGHTS_FILE, EPOCHS_FILE = "weights.safetensors", "training.json"
"""What the folder of a training holds."""
CHECKPOINT_FILE = "checkpoint"
"""What work that was killed goes on from; it is gone once the work is finished."""


@dataclass(frozen=True)
class Kind:
    """One kind of output.

    Attributes:
        name: with its article.
        ours: whether what lies at a path is of this kind; the path exists, and is a regular file or a folder.
        files: names of the files that are written into a folder, and are never among what is read.
    """

    name: str
    ours: Callable[[Path], bool]
    files: tuple[str, ...] = ()


def header_of(path: Path) -> Mapping[str, Any]:
    """Return what we wrote into the header of a safetensors file; nothing where there is nothing of ours."""
    try:
        with open_tensors(path, "np") as file:
            found: object = own_header(file, path)
    except (OSError, OverLimit, KeyError, TypeError, ValueError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def json_of(path: Path) -> Mapping[str, Any]:
    """Return the object in a JSON file; nothing where there is none."""
    try:
        found: object = read_json(path)
    except (OSError, OverLimit, ValueError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def rows_of(path: Path) -> str | None:
    """Return the id of the perturbation that a file of rows belongs to; None where it is no such file."""
    try:
        with open_ordinary(path) as file:
            found = pq.read_schema(file).metadata or {}
    except (OSError, pa.ArrowException):
        return None
    name = found.get(b"brittle.id")
    return None if name is None else name.decode(errors="replace")


def kind_in(folder: Path) -> str | None:
    """Return the kind that the manifest in a folder says it is of; None where there is none or it says none."""
    found = json_of(folder / RUN) if (folder / RUN).is_file() else {}
    kind = found.get("kind")
    return kind if isinstance(kind, str) else None


def _manifest_of(kind: str) -> Callable[[Path], bool]:
    """Whether a folder has a manifest of a kind, or one that cannot be read, of which more is said when it is."""
    return lambda path: (path / RUN).is_file() and kind_in(path) in (kind, None)


def _page(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return OWN_PAGE in file.read(4096)
    except OSError:
        return False


PERTURBATION = Kind("a perturbation", lambda path: {"made", "p"} <= header_of(path).keys())
WEIGHTS = Kind("a file of weights", lambda path: {"architecture", "settings"} <= header_of(path).keys())
CHECKPOINT = Kind("a checkpoint", lambda path: {"identity", "of"} <= header_of(path).keys())
ROWS = Kind("a file of rows", lambda path: rows_of(path) is not None)
COURSE = Kind("the course of a training", lambda path: {"architecture", "epochs"} <= json_of(path).keys())
PAGE = Kind("a page", _page)
RUN_FOLDER = Kind("the run folder of an audit", _manifest_of("audit"))
UNIVERSAL = Kind("the folder of a universal perturbation", _manifest_of("universal"), (PERTURBATION_FILE, ROWS_FILE))
TRAINING = Kind("the folder of a training", _manifest_of("training"), (WEIGHTS_FILE, EPOCHS_FILE))
IMAGES = Kind("a folder of adversarial images", lambda path: "identity" in json_of(path / ATTACK))
STUDY = Kind("the folder of a study", lambda path: (path / CELLS).is_dir())
