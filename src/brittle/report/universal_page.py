"""The page of a universal perturbation: how many images it fools, what it looks like, what they are taken for."""

# pyright: reportUnknownParameterType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyarrow ships no types
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from brittle.errors import RunError
from brittle.limits import check_limit
from brittle.metrics import Estimate
from brittle.metrics.formats import Units, percent
from brittle.reading import open_tensors, own_header
from brittle.report.content import folder_of, placed, shown
from brittle.report.drawings import drawing_figures
from brittle.report.template import fill
from brittle.report.universal_curves import curves_of
from brittle.report.universal_parts import beyond_noise, classes_of, labels_of, name_of, pairs_of, rate_of
from brittle.report.universal_pixels import depths_of, pixel_labels_of, pixel_pairs_of, pixel_rate_of
from brittle.report.universal_settings import settings_of
from brittle.runs.folder import REPORT
from brittle.runs.kinds import PERTURBATION_FILE, ROWS_FILE, UNIVERSAL
from brittle.runs.place import beside
from brittle.runs.results import UniversalFolder
from brittle.runs.schema import read_rows
from brittle.studies.bench.drawing import encoded
from brittle.words import middle_of

FROM, WITHOUT = "the images it was made from", "the images that told how far it was"
HELD_OUT = "held-out images"


def write_universal(path: Path, out: Path | None = None, *, force: bool = False, title: str | None = None) -> Path:
    """Write the page of a perturbation.

    Args:
        path: the folder of `brittle universal`, or a file in it; or the safetensors file of an earlier version, with
            its rows beside it.
        out: the file to write, or a folder for it; by default `report.html` in the folder, or NAME.html beside the
            perturbation.
        force: replace another page at `out`.
        title: of the user's, see `write_report`.

    Returns:
        The file written.

    Raises:
        RunError: the search is not finished, a file is missing or is another one, or the page cannot be written.
    """
    path = Path(path)
    usual, side, place = beside(path, ".html"), beside(path, ".rows.parquet"), folder_of(path, UNIVERSAL)
    began = ""
    if place is not None:
        folder = UniversalFolder.open(place)
        began = folder.manifest.created
        usual, path, side = place / REPORT, folder.file(PERTURBATION_FILE), folder.file(ROWS_FILE)
    with shown(path, "a perturbation of `brittle universal`"):
        changes, header = _read(path)
    with shown(side, f"the file of rows that the page of {path.name} needs beside it,"):
        rows = read_rows(side)
        if place is None:
            _check_ids(path, side, header, rows)
        page = render(changes, header, rows, began)
    return placed(page, usual, out, force=force, title=title)


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


def render(changes: np.ndarray, header: dict[str, Any], rows: pa.Table, began: str = "") -> str:
    """The whole page as text; the perturbations made at once are (k, c, h, w), and `began` is when, where known."""
    made, stuck, largest = header["made"], "threat" in header, max(float(np.abs(changes).max()), 1e-12)
    pixels = "task" in made
    kinds = {"seen": FROM if made.get("from_images", True) else WITHOUT, "unseen": HELD_OUT}
    groups = [kind for kind in kinds if kind in made["fooling"]]
    last = groups[-1]
    target = name_of(made["target"], classes_of(rows)) if "target" in made else ""
    of = "the pixels of " if pixels else ""
    curves = curves_of(made, target, of + kinds["seen"], of + kinds[last])
    rate, noise = (Estimate(**made["fooling"][name]) for name in (last, "noise"))
    lower, upper = made.get("bounds", (0.0, 1.0)) if stuck else (-largest, largest)
    between = (changes - lower) / (upper - lower)
    return fill(
        "universal.html",
        drawing_figures(curves),
        made=made,
        began=began,
        curves=curves,
        seeds=made.get("seeds", []),
        middle=middle_of(len(made.get("seeds", []))),
        last=kinds[last],
        rate=rate,
        noise=noise,
        beyond=beyond_noise(last, rows, pixels=pixels),
        reached=Estimate(**made["reached"]) if made.get("reached") else None,
        target=target,
        only=[name_of(one, classes_of(rows)) for one in made.get("only", [])],
        sides=[Estimate(**made[name]) if made.get(name) else None for name in ("fooled_of", "fooled_beside")],
        percent=percent,
        threat=_within(header),
        stuck=header.get("threat"),
        rates=[(pixel_rate_of if pixels else rate_of)(kind, kinds[kind], rows) for kind in groups],
        pictures=[encoded(_visible(one), max(1, 224 // max(one.shape[1:]))) for one in between],
        scale=0.5 / largest,
        tried=[Estimate(**one) for one in made.get("by_count", [])],
        chosen=Estimate(**made["by_choice"]) if made.get("by_choice") else None,
        labels=pixel_labels_of(made, rows) if pixels else labels_of(rows, last),
        depths=depths_of(made),
        pairs=pixel_pairs_of(made, rows, last) if pixels else pairs_of(rows, last),
        pixels=pixels,
        of=of,
        settings=settings_of(made),
    )


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


def _within(header: dict[str, Any]) -> str:
    """Say within what a perturbation was made."""
    if "threat" in header:
        return f"a {header['threat']} of {header['radius']:g} pixels"
    return f"l{header['p']} up to {Units(1.0).size(header['radius'], header['p'])}"


def _visible(values: np.ndarray) -> np.ndarray:
    """Lay values from 0 to 1 (c, h, w) out as a picture."""
    shown = values if len(values) in (1, 3) else values[:1]
    return shown.transpose(1, 2, 0) if len(shown) == 3 else shown[0]
