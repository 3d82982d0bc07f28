"""A study's page: its table, measured beside published, as one HTML file that opens from disk."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from brittle.errors import RunError
from brittle.metrics import Estimate
from brittle.metrics.curve_figure import Figure
from brittle.report.content import placed
from brittle.report.drawings import drawing_figures
from brittle.report.figures import SERIES, SYMBOLS
from brittle.report.formats import figure_text, placeless
from brittle.report.template import fill
from brittle.runs.kinds import RUN
from brittle.runs.read import read_manifest
from brittle.runs.result_manifests import StudyManifest
from brittle.studies.bench.comparison import Comparison
from brittle.studies.bench.kept import restored, stored
from brittle.studies.bench.result import StudyResult
from brittle.studies.bench.study import Column
from brittle.studies.bench.tables import Sheet, elsewhere, rows_here, sheets
from brittle.words import plural, time_in_words

PAGE = "study.html"
SPREAD = 0.2
"""Distance of the methods' marks within a network's row, as a fraction of a row."""
ROW_HEIGHT = 58
"""Pixels of the figure for each network."""
WORDS = 5
"""Most different words of a column that are counted: of more, the table says more."""


def write_study(result: StudyResult, out: Path | None = None, *, force: bool = False, title: str | None = None) -> Path:
    """Write the page of a study.

    Args:
        result: of `run_study`.
        out: the file to write, or a folder for it; `study.html` in the study's folder by default.
        force: replace another page at `out`.
        title: of the user's, see `write_report`.

    Returns:
        The file written.

    Raises:
        RunError: the file cannot be written, or the result is that of a shard, which left cells to others.
    """
    if result.left:
        raise RunError(
            f"{plural(result.left, 'cell')} of {result.folder} {'is' if result.left == 1 else 'are'} not there yet; "
            "run the other shards, or the study without a shard, and then write its page"
        )
    return placed(render_study(result), result.folder / PAGE, out, force=force, title=title)


def render_study(result: StudyResult) -> str:
    """The whole page as text, of what is kept of the result on disk, so that it can be written again."""
    whole = restored(stored(result), result.folder)
    result = replace(whole, rows=rows_here(whole))
    drawn, comparison = drawn_columns(result), Comparison(whole)
    orders = [order for order in result.study.orders if comparison.order(order) == "not measured"]
    untold = tuple(f"{order.text}: not measured" for order in orders)
    measured = sum(any_measured(result, row.key) for row in result.rows)
    lines = [line for line in comparison.lines() if not line.startswith(untold)] if measured else []
    manifest = read_manifest(result.folder / RUN, StudyManifest) if (result.folder / RUN).is_file() else None
    return fill(
        "study.html",
        ({"ratios": ratio_figure(result, drawn)} if drawn else {}) | drawing_figures(result.figures),
        result=result,
        study=result.study,
        noted=[row for row in result.rows if row.notes],
        elsewhere=elsewhere(whole),
        headline=_headline(comparison, measured, len(whole.rows)),
        counted=_counted(measured, len(whole.rows)) + "." if measured and comparison.beside else "",
        comparison=lines or _said(result),
        untold=len(untold),
        made="" if manifest is None else manifest.created,
        command=["brittle", "study", result.name, "--scale", _scale(result), "--seed", result.facts.get("seed", "0")]
        if manifest is None
        else manifest.command,
        about=_about(result, manifest),
        sheets=[(sheet, _groups(sheet)) for sheet in sheets(result)],
        drawn=[(number % SERIES, column) for number, column in enumerate(drawn)],
    )


def _headline(comparison: Comparison, measured: int, rows: int) -> str:
    """What came of the study: how many published figures were found again, or how much was measured."""
    if not measured:
        return "Nothing of it can be measured here"
    beside = len(comparison.beside)
    if not beside:
        return _counted(measured, rows)
    figures = f"of {plural(beside, 'published figure')} measured again"
    inside = len(comparison.inside)
    lie = f"{'lies' if inside == 1 else 'lie'} inside the measured interval"
    if not comparison.pairs:
        return f"{inside} {figures} {lie}"
    ordered = len(comparison.ordered)
    return f"{ordered} {figures} {'keeps its' if ordered == 1 else 'keep their'} order, {inside} {lie}"


def _counted(measured: int, rows: int) -> str:
    return f"{measured} of {plural(rows, 'row')} measured here"


def _said(result: StudyResult) -> list[str]:
    """Count in a line what columns say that hold words and no number, such as FAIL and PASS."""
    said: list[str] = []
    for column in result.columns:
        measured = [result.entry(row.key, column.key).measured for row in result.rows]
        words = Counter(one for one in measured if isinstance(one, str))
        if words and len(words) <= WORDS and not any(isinstance(one, Estimate) for one in measured):
            said.append(f"{column.title}: {', '.join(f'{count} {word}' for word, count in words.most_common())}")
    return ["; ".join(said)] if said else []


def _scale(result: StudyResult) -> str:
    """The name of the scale, which stands before what it means."""
    return result.scale.partition(":")[0]


def _about(result: StudyResult, manifest: StudyManifest | None) -> Sequence[dict[str, str]]:
    """What determined the figures, and how long they took."""
    given: dict[str, str] = {"scale": result.scale}
    if manifest is not None:
        given |= {name: placeless(one) for name, one in (("data", manifest.data), ("models", manifest.models)) if one}
    times: dict[str, str] = {}
    if manifest is not None:
        times = {"last call began": manifest.created, "last call ended": manifest.finished or "not yet"}
    if math.isfinite(result.seconds):
        times |= {"all pieces of work took": time_in_words(result.seconds)}
    return given, dict(result.facts), times


def any_measured(result: StudyResult, row: str) -> bool:
    """Whether anything was measured for a row."""
    return any(result.entry(row, column.key).measured is not None for column in result.columns)


def drawn_columns(result: StudyResult) -> list[Column]:
    """The columns that the study wants drawn and that hold at least one number."""
    columns = {column.key: column for column in result.columns}
    return [columns[key] for key in result.study.plot if any(_numbers(result, row.key, key) for row in result.rows)]


def ratio_figure(result: StudyResult, columns: list[Column]) -> Figure:
    """Numbers of some columns on a logarithmic axis, a row for each network: filled measured, open published."""
    traces: list[Figure] = []
    for number, column in enumerate(columns):
        shift = SPREAD * (number - (len(columns) - 1) / 2)
        color, symbol = f"@series{number % SERIES}", SYMBOLS[number % len(SYMBOLS)]
        traces += [_measured(result, column, shift, color, symbol), _published(result, column, shift, color, symbol)]
    names = [figure_text(row.key) for row in result.rows]
    layout: Figure = {
        "height": 90 + ROW_HEIGHT * len(names),
        "showlegend": False,
        "xaxis": {"type": "log"},
        "yaxis": {
            "tickmode": "array",
            "tickvals": list(range(len(names))),
            "ticktext": names,
            "range": [len(names) - 0.5, -0.5],
            "showgrid": False,
        },
        "shapes": [
            {
                "type": "line",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "y0": y,
                "y1": y,
                "line": {"color": "@grid", "width": 1},
            }
            for y in (place + 0.5 for place in range(len(names) - 1))
        ],
    }
    return {"data": traces, "layout": layout}


def _measured(result: StudyResult, column: Column, shift: float, color: str, symbol: str) -> Figure:
    found = [
        (place + shift, row.key, entry)
        for place, row in enumerate(result.rows)
        if isinstance(entry := result.entry(row.key, column.key).measured, Estimate) and _drawable(entry.value)
    ]
    ends = [
        (one.high - one.value, one.value - one.low) if _drawable(one.low) and math.isfinite(one.high) else (0.0, 0.0)
        for _, _, one in found
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": figure_text(f"{column.title}, measured", 60),
        "x": [one.value for _, _, one in found],
        "y": [place for place, _, _ in found],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [above for above, _ in ends],
            "arrayminus": [below for _, below in ends],
            "color": color,
            "thickness": 1.5,
            "width": 4,
        },
        "marker": {"color": color, "symbol": symbol, "size": 10},
        "customdata": [figure_text(key, 60) for _, key, _ in found],
        "hovertemplate": "%{customdata}: %{x:.3g}",
    }


def _published(result: StudyResult, column: Column, shift: float, color: str, symbol: str) -> Figure:
    found = [
        (place + shift, row.key, float(figure))
        for place, row in enumerate(result.rows)
        if isinstance(figure := result.entry(row.key, column.key).published, int | float) and _drawable(figure)
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": figure_text(f"{column.title}, published", 60),
        "x": [figure for _, _, figure in found],
        "y": [place for place, _, _ in found],
        "marker": {"color": color, "symbol": f"{symbol}-open", "size": 15, "line": {"width": 2, "color": color}},
        "customdata": [figure_text(key, 60) for _, key, _ in found],
        "hovertemplate": "%{customdata}: %{x:.3g}",
    }


def _numbers(result: StudyResult, row: str, column: str) -> bool:
    entry = result.entry(row, column)
    measured = isinstance(entry.measured, Estimate) and _drawable(entry.measured.value)
    return measured or (isinstance(entry.published, int | float) and _drawable(entry.published))


def _drawable(value: float) -> bool:
    """Whether a logarithmic axis has a place for it."""
    return math.isfinite(value) and value > 0


def _groups(sheet: Sheet) -> list[tuple[str, list[str]]]:
    """Heads of a sheet with what belongs together under one: a column's title, then measured, published or both."""
    groups: list[tuple[str, list[str]]] = []
    for title, kind in sheet.heads:
        if groups and groups[-1][0] == title:
            groups[-1][1].append(kind)
        else:
            groups.append((title, [kind]))
    return groups
