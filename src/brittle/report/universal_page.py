"""The page of a universal perturbation: how many images it fools, what it looks like, what they are taken for."""

# pyright: reportUnknownParameterType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyarrow ships no types
import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from brittle.errors import RunError
from brittle.limits import check_limit
from brittle.metrics import Estimate, fooling_rate
from brittle.reading import open_tensors, own_header
from brittle.report.content import folder_of, picture_in, placed, shown
from brittle.report.drawings import drawing_figures
from brittle.report.formats import Units, percent
from brittle.report.gallery import data_uri
from brittle.report.template import fill
from brittle.report.universal_curves import curves_of
from brittle.runs.folder import REPORT
from brittle.runs.kinds import PERTURBATION_FILE, ROWS_FILE, UNIVERSAL
from brittle.runs.place import beside
from brittle.runs.results import UniversalFolder
from brittle.runs.schema import read_rows
from brittle.studies.bench.drawing import encoded

LABELS = 10
"""Most classes listed that fooled images are taken for."""
SHOTS = 6
"""Images shown before and after."""
FROM, WITHOUT = "the images it was made from", "the images that told how far it was"
HELD_OUT = "held-out images"


@dataclass(frozen=True)
class Rate:
    """A line of the table: a group of images, and the fractions of it fooled by the perturbation and by noise."""

    kind: str
    fooled: str
    interval: str
    noise: str
    count: int


@dataclass(frozen=True)
class Label:
    """A class that fooled images are taken for, and how many are."""

    name: str
    count: int
    fraction: str


@dataclass(frozen=True)
class Pair:
    """An image before and after, as data URIs, with the network's words."""

    name: str
    before: str
    after: str
    said_before: str
    said_after: str


def write_universal(path: Path, out: Path | None = None, *, force: bool = False) -> Path:
    """Write the page of a perturbation.

    Args:
        path: the folder of `brittle universal`, or a file in it; or the safetensors file of an earlier version, with
            its rows beside it.
        out: the file to write, or a folder for it; by default `report.html` in the folder, or NAME.html beside the
            perturbation.
        force: replace another page at `out`.

    Returns:
        The file written: about 5 MB, nearly all of it plotly's script.

    Raises:
        RunError: the search is not finished, a file is missing or is another one, or the page cannot be written.
    """
    path = Path(path)
    usual, side, place = beside(path, ".html"), beside(path, ".rows.parquet"), folder_of(path, UNIVERSAL)
    if place is not None:
        folder = UniversalFolder.open(place)
        usual, path, side = place / REPORT, folder.file(PERTURBATION_FILE), folder.file(ROWS_FILE)
    with shown(path, "a perturbation of `brittle universal`"):
        changes, header = _read(path)
    with shown(side, f"the file of rows that the page of {path.name} needs beside it,"):
        rows = read_rows(side)
        if place is None:
            _check_ids(path, side, header, rows)
        page = render(changes, header, rows)
    return placed(page, usual, out, force=force)


def _check_ids(path: Path, side: Path, header: dict[str, Any], rows: pa.Table) -> None:
    """Refuse files of earlier versions, which no manifest holds together, unless they carry one id.

    Raises:
        RunError: they carry none, or different ones.
    """
    if "id" not in header:
        raise RunError(
            f"{path} was made by an older version of brittle, which gave perturbation and rows no common id, so "
            "that nothing says that they belong together; give the command that made it once more"
        )
    if (rows.schema.metadata or {}).get(b"brittle.id", b"").decode(errors="replace") != header["id"]:
        raise RunError(
            f"{side} holds the rows of another perturbation than the one beside it; give the command that made the "
            "perturbation once more, or put the rows back that lay beside it"
        )


def render(changes: np.ndarray, header: dict[str, Any], rows: pa.Table) -> str:
    """The whole page as text; the perturbations made at once are (k, c, h, w)."""
    made, stuck, largest = header["made"], "threat" in header, max(float(np.abs(changes).max()), 1e-12)
    kinds = {"seen": FROM if made.get("from_images", True) else WITHOUT, "unseen": HELD_OUT}
    groups = [kind for kind in kinds if kind in made["fooling"]]
    last = groups[-1]
    target = _name(made["target"], _classes(rows)) if "target" in made else ""
    curves = curves_of(made, target, kinds["seen"], kinds[last])
    lower, upper = made.get("bounds", (0.0, 1.0)) if stuck else (-largest, largest)
    between = (changes - lower) / (upper - lower)
    return fill(
        "universal.html",
        drawing_figures(curves),
        made=made,
        curves=curves,
        seeds=made.get("seeds", []),
        last=kinds[last],
        rate=Estimate(**made["fooling"][last]),
        noise=Estimate(**made["fooling"]["noise"]),
        reached=Estimate(**made["reached"]) if made.get("reached") else None,
        target=target,
        only=[_name(one, _classes(rows)) for one in made.get("only", [])],
        sides=[Estimate(**made[name]) if made.get(name) else None for name in ("fooled_of", "fooled_beside")],
        percent=percent,
        threat=_within(header),
        stuck=header.get("threat"),
        rates=[_rate(kind, kinds[kind], rows) for kind in groups],
        pictures=[encoded(_visible(one), max(1, 224 // max(one.shape[1:]))) for one in between],
        scale=0.5 / largest,
        tried=[Estimate(**one) for one in made.get("by_count", [])],
        chosen=Estimate(**made["by_choice"]) if made.get("by_choice") else None,
        labels=_labels(rows, last),
        pairs=_pairs(rows, last),
        settings=_settings(made),
    )


def _settings(made: dict[str, Any]) -> dict[str, str]:
    """Everything of how it was made that the page does not show elsewhere, as text."""
    shown = {**made, "passes": len(made["passes"])}
    for name in ("fooling", "reached", "fooled_of", "fooled_beside", "seeds", "by_count", "by_choice"):
        shown.pop(name, None)
    if "said" in made:
        shown["said"] = "; ".join(made["said"]) or "images as they are"
    return {
        name: ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else str(value)
        for name, value in shown.items()
    }


def _read(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    with open_tensors(path, "np") as file:
        header = own_header(file, path)
        sides = file.get_slice("perturbation").get_shape()
        check_limit("pixels", math.prod(sides), "the perturbation")
        if len(sides) != 3 or not math.prod(sides):
            raise ValueError(f"the perturbation has the shape {sides}, expected channels x height x width")
        first = file.get_tensor("perturbation")[None]
        several = "by_count" in header["made"] and "more" in file.keys()  # noqa: SIM118  # it is no mapping
        if several:
            shape = file.get_slice("more").get_shape()
            check_limit("pixels", math.prod(shape), "the perturbations")
        return np.concatenate([first, file.get_tensor("more")]) if several else first, header


def _of(rows: pa.Table, kind: str) -> pa.Table:
    return rows.filter(pa.array(kind == one for one in rows["kind"].to_pylist()))


def _rate(kind: str, title: str, rows: pa.Table) -> Rate:
    some = _of(rows, kind)
    clean, moved, noise = (some[f"class_{name}"].to_numpy() for name in ("clean", "perturbed", "noise"))
    rate, random = (fooling_rate(clean, other) for other in (moved, noise))
    interval = f"{percent(rate.low)} to {percent(rate.high)}"
    return Rate(title, percent(rate.value), interval, percent(random.value), len(clean))


def _within(header: dict[str, Any]) -> str:
    """Say within what a perturbation was made."""
    if "threat" in header:
        return f"a {header['threat']} of {header['radius']:g} pixels"
    return f"l{header['p']} up to {Units(1.0).size(header['radius'], header['p'])}"


def _visible(values: np.ndarray) -> np.ndarray:
    """Lay values from 0 to 1 (c, h, w) out as a picture."""
    shown = values if len(values) in (1, 3) else values[:1]
    return shown.transpose(1, 2, 0) if len(shown) == 3 else shown[0]


def _labels(rows: pa.Table, kind: str) -> list[Label]:
    some, names = _of(rows, kind), _classes(rows)
    clean, moved = (some[f"class_{name}"].to_numpy() for name in ("clean", "perturbed"))
    counts = Counter(moved[clean != moved].tolist())
    total = max(sum(counts.values()), 1)
    return [Label(_name(label, names), count, percent(count / total)) for label, count in counts.most_common(LABELS)]


def _classes(rows: pa.Table) -> list[str]:
    return json.loads((rows.schema.metadata or {}).get(b"classes", b"[]"))


def _name(label: int, names: list[str]) -> str:
    return names[label] if 0 <= label < len(names) else f"class {label}"


def _pairs(rows: pa.Table, kind: str) -> list[Pair]:
    names, found = _classes(rows), []
    for row in _of(rows, kind).to_pylist():
        if row["clean_png"] is None or len(found) == SHOTS:
            continue
        said = [
            f"{_name(row[f'class_{when}'], names)} ({percent(row[f'confidence_{when}'])})"
            for when in ("clean", "perturbed")
        ]
        pictures = [_uri(row[column]) for column in ("clean_png", "perturbed_png")]
        found.append(Pair(row["name"], pictures[0], pictures[1], said[0], said[1]))
    return found


def _uri(png: bytes) -> str:
    """Return a PNG as a data URI after decoding it, so that nothing but pixels reaches the page."""
    return data_uri(picture_in(png))
