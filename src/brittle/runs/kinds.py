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


@dataclass(frozen=True)
class Kind:
    """One kind of output.

    Attributes:
        name: with its article.
        ours: whether what lies at a path is of this kind; the path exists, and is a regular file or a folder.
    """

    name: str
    ours: Callable[[Path], bool]


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
RUN_FOLDER = Kind("the run folder of an audit", lambda path: (path / RUN).is_file())
IMAGES = Kind("a folder of adversarial images", lambda path: "identity" in json_of(path / ATTACK))
STUDY = Kind("the folder of a study", lambda path: (path / CELLS).is_dir())
