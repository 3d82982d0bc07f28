"""Cells on disk: one JSON file for each piece of work, named by the hash of everything that determines it."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from brittle.files import write_atomically
from brittle.metrics import Estimate
from brittle.studies.drawing import drawn, plain
from brittle.studies.study import Cell, Measured
from brittle.version import __version__

FORMAT = 2


def key_of(study: str, cell: Cell) -> str:
    """Return the sha256, in hexadecimal, of what determines a cell; versions of brittle and torch are part of it.

    Raises:
        BrittleError: what the cell needs is missing.
    """
    decisive = {
        "format": FORMAT,
        "study": study,
        "row": cell.row,
        "column": cell.column,
        "identity": dict(cell.identity()),
        "versions": {"brittle": __version__, "torch": str(torch.__version__)},
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def cell_path(folder: Path, cell: Cell, key: str) -> Path:
    """Return where a cell of this key lies in the folder of a study."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", f"{cell.row}-{cell.column}").strip("-").lower()
    return folder / "cells" / f"{plain}-{key[:16]}.json"


def load_cell(path: Path, key: str) -> Measured | None:
    """Read a cell; None where there is none, or where the file is damaged or of other work."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["key"] != key:
            return None
        values = {name: _value(value) for name, value in content["values"].items()}
        notes = {name: str(note) for name, note in content["notes"].items()}
        figures = tuple(drawn(figure) for figure in content["figures"])
        return Measured(values, notes, str(content["remark"]), figures)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def save_cell(path: Path, key: str, cell: Cell, measured: Measured, about: Mapping[str, object]) -> None:
    """Write a cell whole or not at all.

    Args:
        path: where.
        key: of the cell.
        cell: what was computed.
        measured: what it gave.
        about: more for a reader, such as when, where and how long.

    Raises:
        RunError: the folder cannot be written, or the disk is full.
    """
    content = {
        "format": FORMAT,
        "key": key,
        "row": cell.row,
        "column": cell.column,
        "values": {name: _plain(value) for name, value in measured.values.items()},
        "notes": dict(measured.notes),
        "remark": measured.remark,
        "figures": [plain(figure) for figure in measured.figures],
        "identity": dict(cell.identity()),
        **about,
    }
    write_atomically(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def _plain(value: Estimate | str) -> Mapping[str, object] | str:
    if isinstance(value, str):
        return value
    numbers = {"value": value.value, "low": value.low, "high": value.high}
    return {name: number if math.isfinite(number) else str(number) for name, number in numbers.items()} | {"n": value.n}


def _value(plain: Any) -> Estimate | str:
    if isinstance(plain, str):
        return plain
    return Estimate(float(plain["value"]), float(plain["low"]), float(plain["high"]), int(plain["n"]))
