"""Cells on disk: one JSON file for each piece of work, named by the hash of everything that determines it."""

import json
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from brittle.errors import OverLimit
from brittle.files import write_atomically
from brittle.identity.compare import differing, fingerprint, stated
from brittle.identity.sources import code_behind, own_digest
from brittle.metrics import Estimate
from brittle.reading import read_json
from brittle.runs.checkpoint import broken_seal, sealed
from brittle.studies.bench.drawing import drawn, plain
from brittle.studies.bench.study import Cell, Measured
from brittle.version import __version__

FORMAT = 3
DAMAGED = "the kept cell is damaged: its checksum is not that of its content"


def key_of(study: str, cell: Cell) -> str:
    """Return the sha256, in hexadecimal, of what determines a cell; the code that computes it is part of it.

    Raises:
        BrittleError: what the cell needs is missing.
    """
    identity_fields = {
        "format": FORMAT,
        "study": study,
        "row": cell.row,
        "column": cell.column,
        "identity": dict(cell.identity()),
        "versions": {"brittle": __version__, "torch": str(torch.__version__)},
        **code_of(cell),
    }
    return fingerprint(identity_fields)


def code_of(cell: Cell) -> dict[str, object]:
    """Return the digests of the code that computes a cell: brittle's own, and the files of a study of the user's."""
    modules = {getattr(one, "__module__", "") for one in (cell.compute, cell.identity)}
    yours = code_behind(name for name in modules if name in sys.modules)
    return {"brittle's code": own_digest(), **({"your code": yours} if yours else {})}


def why_anew(path: Path, cell: Cell) -> str:
    """Say why a cell is computed although one of its name lies there; "" where there is none.

    Args:
        path: where it will lie.
        cell: the piece of work.
    """
    others = [other for other in path.parent.glob(f"{path.stem[:-16]}*.json") if len(other.stem) == len(path.stem)]
    for other in sorted(others, key=lambda one: one.stat().st_mtime, reverse=True):
        if other == path:
            return DAMAGED
        try:
            content = read_json(other)
            if (content["row"], content["column"]) != (cell.row, cell.column):
                continue
            before = {name: content[name] for name in ("brittle's code", "your code") if name in content}
            before |= content["identity"]
        except (OSError, OverLimit, ValueError, KeyError, TypeError):
            continue
        now = json.loads(stated({**code_of(cell), **cell.identity()}))
        return f"{differing(stated(before), stated(now)) or 'the versions'} changed; {other.name} stays as it is"
    return ""


def cell_path(folder: Path, cell: Cell, key: str) -> Path:
    """Return where a cell of this key lies in the folder of a study."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", f"{cell.row}-{cell.column}").strip("-").lower()
    return folder / "cells" / f"{plain}-{key[:16]}.json"


def load_cell(path: Path, key: str) -> Measured | None:
    """Read a cell; None where there is none, or where the file is damaged or of other work."""
    try:
        content = read_json(path)
        if content["key"] != key or broken_seal(content):
            return None
        values = {name: value_of(value) for name, value in content["values"].items()}
        notes = {name: str(note) for name, note in content["notes"].items()}
        figures = tuple(drawn(figure) for figure in content["figures"])
        return Measured(values, notes, str(content["remark"]), figures)
    except (OSError, OverLimit, ValueError, KeyError, TypeError, AttributeError):
        return None


def seconds_of(path: Path) -> float:
    """Return how long the computation of a kept cell took; infinite where that is not known."""
    try:
        return float(read_json(path)["seconds"])
    except (OSError, OverLimit, ValueError, KeyError, TypeError):
        return math.inf


def apart(kept: Measured, now: Measured) -> str:
    """Say which numbers of a cell computed anew are not those that were kept; "" where all are.

    Numbers that lie in each other's interval count as the same: another number of threads rounds otherwise.
    """
    said: list[str] = []
    for name, before in kept.values.items():
        after = now.values.get(name)
        if isinstance(before, Estimate) and isinstance(after, Estimate):
            near = before.low <= after.value <= before.high and after.low <= before.value <= after.high
            if before.value == after.value or near or math.isnan(before.value + after.value):
                continue
            said.append(f"{name}: {before.value:.6g} kept, {after.value:.6g} now")
        elif type(before) is not type(after):
            said.append(f"{name}: {before!r} kept, {after!r} now")
    return ", ".join(said)


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
        "values": {name: plain_value(value) for name, value in measured.values.items()},
        "notes": dict(measured.notes),
        "remark": measured.remark,
        "figures": [plain(figure) for figure in measured.figures],
        "identity": dict(cell.identity()),
        **code_of(cell),
        **about,
    }
    write_atomically(path, (json.dumps(sealed(content), indent=1, allow_nan=False) + "\n").encode())


def plain_value(value: Estimate | str) -> Mapping[str, object] | str:
    """Return a measured value as JSON can hold it; `value_of` reads it back."""
    if isinstance(value, str):
        return value
    numbers = {"value": value.value, "low": value.low, "high": value.high}
    return {name: number if math.isfinite(number) else str(number) for name, number in numbers.items()} | {"n": value.n}


def value_of(plain: Any) -> Estimate | str:
    """Read what `plain_value` wrote.

    Raises:
        KeyError, TypeError, ValueError: the content is of something else.
    """
    if isinstance(plain, str):
        return plain
    return Estimate(float(plain["value"]), float(plain["low"]), float(plain["high"]), int(plain["n"]))
