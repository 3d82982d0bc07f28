"""A study's result as it lies in its folder, `study.json`: everything that its page shows, without what computed it."""

import base64
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from brittle.files import write_atomically
from brittle.reading import read_json
from brittle.studies.bench.cells import plain_value, value_of
from brittle.studies.bench.drawing import Drawing, Graph, HeatMap, Picture, drawn, plain
from brittle.studies.bench.result import Entry, ResultRow, StudyResult
from brittle.studies.bench.study import Column, Order, Row, Study
from brittle.words import with_article

STUDY = "study.json"
FORMAT = 1
SHOWN = ("name", "title", "source", "notes", "plot", "plot_caption", "of")
"""Fields of a study that are kept as they are."""


def keep_study(result: StudyResult) -> None:
    """Write `study.json` into the study's folder.

    Raises:
        RunError: the folder cannot be written.
    """
    text = json.dumps(stored(result), indent=1, allow_nan=False)
    write_atomically(result.folder / STUDY, (text + "\n").encode())


def read_study(folder: Path) -> StudyResult:
    """Read what `keep_study` wrote; the file need not be trusted.

    Args:
        folder: the study's own.

    Raises:
        OSError, ValueError, TypeError, LookupError, AttributeError: there is none, or it is of something else.
    """
    return restored(read_json(folder / STUDY, "cell"), folder)  # pictures are in it


def stored(result: StudyResult) -> dict[str, Any]:
    """Return a study's result as JSON can hold it."""
    study = result.study
    return {
        "format": FORMAT,
        "study": {name: getattr(study, name) for name in SHOWN},
        "columns": [asdict(column) for column in study.columns],
        "orders": [asdict(order) for order in study.orders],
        "rows": [asdict(row) for row in result.rows],
        "entries": [
            {
                "row": row,
                "column": column,
                "measured": None if entry.measured is None else plain_value(entry.measured),
                "published": entry.published,
                "note": entry.note,
            }
            for (row, column), entry in result.entries.items()
        ],
        "figures": [plain(figure) for figure in result.figures],
        "scale": result.scale,
        "computed": result.computed,
        "reused": result.reused,
        "missing": result.missing,
        "facts": dict(result.facts),
        "seconds": result.seconds if math.isfinite(result.seconds) else None,
    }


def restored(content: Mapping[str, Any], folder: Path) -> StudyResult:
    """Read what `stored` returned; the study of the result can be shown, and not computed.

    Raises:
        ValueError, TypeError, LookupError, AttributeError: it is of something else.
    """
    if content["format"] != FORMAT:
        raise ValueError(f"its format is {content['format']}, and this version reads {FORMAT}")
    about = content["study"]
    rows = tuple(_row(row) for row in content["rows"])
    entries = {(one["row"], one["column"]): _entry(one) for one in content["entries"]}
    study = Study(
        str(about["name"]),
        str(about["title"]),
        str(about["source"]),
        cells=lambda _: (),
        rows=tuple(Row(row.key) for row in rows),
        columns=tuple(Column(**column) for column in content["columns"]),
        published=lambda row, column: entries[row, column].published,
        notes=_texts(about["notes"]),
        plot=_texts(about["plot"]),
        plot_caption=str(about["plot_caption"]),
        of=str(about["of"]),
        orders=tuple(_order(one) for one in content.get("orders", ())),
    )
    figures = tuple(_checked(drawn(figure)) for figure in content["figures"])
    computed, reused, missing = (int(content[name]) for name in ("computed", "reused", "missing"))
    facts = {str(name): str(value) for name, value in content["facts"].items()}
    scale, seconds = str(content["scale"]), content.get("seconds")
    took = math.nan if seconds is None else float(seconds)
    return StudyResult(study, folder, scale, rows, entries, figures, computed, reused, missing, facts, took)


def _row(one: Mapping[str, Any]) -> ResultRow:
    """Read a row; those of versions that did not say what is here are all shown."""
    return ResultRow(
        str(one["key"]), _texts(one["notes"]), one.get("here", True) is True, str(one.get("stands_for", ""))
    )


def _order(one: Mapping[str, Any]) -> Order:
    return Order(str(one["text"]), tuple((str(row), str(column)) for row, column in one["places"]), str(one["why"]))


def _texts(listed: object) -> tuple[str, ...]:
    if not isinstance(listed, list | tuple):
        raise TypeError(f"there is {with_article(type(listed).__name__)} where a list should be")
    return tuple(str(one) for one in cast("Sequence[object]", listed))


def _entry(one: Mapping[str, Any]) -> Entry:
    published = one["published"]
    if not isinstance(published, int | float | str | None):
        raise TypeError(f"a published figure is {type(published).__name__}")
    measured = None if one["measured"] is None else value_of(one["measured"])
    return Entry(measured, published, str(one["note"]))


def _checked(drawing: Drawing) -> Drawing:
    """Refuse a drawing with text where its numbers should be, or with a picture that is none."""
    if isinstance(drawing, Picture):
        if not base64.b64decode(drawing.png, validate=True).startswith(b"\x89PNG"):
            raise ValueError(f"the picture {drawing.title!r} is no PNG")
    elif isinstance(drawing, HeatMap):
        _numbers(value for row in drawing.values for value in row)
    elif isinstance(drawing, Graph):
        _numbers(value for part in (*(node[1:] for node in drawing.nodes), *drawing.edges) for value in part)
    else:
        _numbers(value for line in drawing.lines.values() for axis in _pair(line) for value in axis)
    return drawing


def _pair(line: Sequence[Any]) -> tuple[Any, Any]:
    x, y = line
    return x, y


def _numbers(values: Iterable[object]) -> None:
    for value in values:
        if not isinstance(value, int | float | None):
            raise TypeError(f"a figure has {type(value).__name__} where a number should be")
