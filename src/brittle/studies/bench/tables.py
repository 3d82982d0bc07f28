"""A study's table as text, Markdown and Parquet; the terminal and the page show the same text."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
import io
import math
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from brittle.files import write_atomically
from brittle.metrics import Estimate
from brittle.studies.bench.comparison import Comparison
from brittle.studies.bench.published import Figure
from brittle.studies.bench.result import ResultRow, StudyResult
from brittle.studies.bench.study import Column, Unit

NOTHING = "–"
"""Written where there is no figure."""


@dataclass(frozen=True)
class Written:
    """One place of a sheet in text.

    Attributes:
        text: the figure.
        interval: its interval, "" for none.
        note: what a reader must know, "" for nothing.
    """

    text: str
    interval: str = ""
    note: str = ""

    @property
    def line(self) -> str:
        """Figure, interval and note in one line."""
        return " ".join(part for part in (self.text, self.interval and f"[{self.interval}]", self.note) if part)


@dataclass(frozen=True)
class Sheet:
    """A part of the table that fits on a page.

    Attributes:
        title: what it is about.
        heads: (what, "measured" or "published") for each column after the network's.
        rows: name of the network, and one place for each head.
    """

    title: str
    heads: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[Written, ...]], ...]


def rows_here(result: StudyResult) -> tuple[ResultRow, ...]:
    """Return the rows that tables show: those that can be measured with what the user has given."""
    return tuple(row for row in result.rows if row.here)


def elsewhere(result: StudyResult) -> str:
    """Count in one line the rows that need data, weights or a scale that the user has not given; "" for none."""
    names = [row.key for row in result.rows if not row.here]
    if not names:
        return ""
    noun = "network" if result.study.of == "Network" else "row"
    are, listed = f"{noun} is" if len(names) == 1 else f"{noun}s are", ", ".join(names)
    options = "--data, --models and --scale"
    return f"{len(names)} {are} not here: see {options} ({listed}). The published figures are in study.json."


def sheets(result: StudyResult) -> tuple[Sheet, ...]:
    """Write a study's table, each measured column beside the published one where there is any.

    Rows that cannot be measured here and columns without any figure are left out; `elsewhere` counts such rows.

    Args:
        result: of `run_study`.

    Returns:
        The sheets, in the order of the columns.
    """
    comparison = Comparison(result)
    written = (_sheet(comparison, title) for title in dict.fromkeys(column.sheet for column in result.columns))
    return tuple(sheet for sheet in written if sheet.heads and sheet.rows)


def _sheet(comparison: Comparison, title: str) -> Sheet:
    result = comparison.result
    shown: list[tuple[Column, str]] = []
    here = rows_here(result)
    for column in result.columns:
        if column.sheet == title:
            entries = [result.entry(row.key, column.key) for row in here]
            shown += [(column, "measured")] if any(entry.measured is not None for entry in entries) else []
            shown += [(column, "published")] if any(entry.published is not None for entry in entries) else []
    rows = ((row.title, tuple(_place(comparison, row.key, *one) for one in shown)) for row in here)
    return Sheet(title, tuple((column.title, kind) for column, kind in shown), tuple(rows))


def _place(comparison: Comparison, row: str, column: Column, kind: str) -> Written:
    entry = comparison.result.entry(row, column.key)
    if kind == "published":
        return Written(published_text(entry.published, column.unit), "", comparison.verdict((row, column.key)))
    if isinstance(entry.measured, Estimate):
        return Written(
            number_text(entry.measured.value, column.unit), interval_text(entry.measured, column.unit), entry.note
        )
    return Written(entry.measured or NOTHING, "", entry.note)


def number_text(value: float, unit: Unit) -> str:
    """Write a number: percent with one decimal, everything else with three significant digits.

    Example:
        >>> number_text(0.0123, "percent"), number_text(0.2, "ratio"), number_text(0.0042, "seconds")
        ('1.2 %', '0.200', '4.20 ms')
    """
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞"
    if unit == "percent":
        return f"{100 * value:.1f} %"
    if unit == "seconds" and abs(value) < 1:
        return f"{_three(1000 * value)} ms"
    return f"{_three(value)} s" if unit == "seconds" else _three(value)


def interval_text(estimate: Estimate, unit: Unit) -> str:
    """Write an interval; "no interval" where n allows none, "" where both ends are written alike.

    Example:
        >>> interval_text(Estimate(0.5, 0.25, 0.75, 9), "percent"), interval_text(Estimate(1, 0, math.inf, 9), "ratio")
        ('25.0–75.0 %', '0.00–∞')
    """
    if not estimate.has_interval:
        return "no interval"
    low, high = number_text(estimate.low, unit), number_text(estimate.high, unit)
    if low == high:
        return ""
    for tail in (" %", " ms", " s"):
        if low.endswith(tail) and high.endswith(tail):
            low = low.removesuffix(tail)
    return f"{low}–{high}"


def published_text(figure: Figure, unit: Unit) -> str:
    """Write a published figure as the paper does; percentages are published as such.

    Example:
        >>> published_text(1.0, "percent"), published_text("> 4 s", "seconds"), published_text(None, "ratio")
        ('1.0 %', '> 4 s', '–')
    """
    if figure is None:
        return NOTHING
    return f"{figure} %" if unit == "percent" and not isinstance(figure, str) else str(figure)


def _three(value: float) -> str:
    text = f"{value:#.3g}"
    return f"{value:,.0f}" if "e" in text and abs(value) >= 1 else text.rstrip(".")


def markdown(result: StudyResult) -> str:
    """Write a study's table as Markdown, with every note."""
    lines = [f"# {result.study.title}", "", result.study.source, "", f"Scale {result.scale}.", ""]
    for sheet in sheets(result):
        heads = [result.study.of, *(f"{what}, {kind}" for what, kind in sheet.heads)]
        lines += [f"## {sheet.title}", "", _line(heads), _line(["---"] + ["---:"] * len(sheet.heads))]
        lines += [_line([row, *(place.line for place in places)]) for row, places in sheet.rows]
        lines += [""]
    lines += [f"- {_plain(row.key)}: {_plain(note)}" for row in rows_here(result) for note in row.notes]
    lines += [f"- {_plain(line)}" for line in (elsewhere(result), *Comparison(result).lines()) if line]
    lines += [f"- {_plain(note)}" for note in result.study.notes]
    lines += ["", ", ".join(f"{name} {value}" for name, value in result.facts.items()), ""]
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(text: str) -> str:
    """Text that neither ends a cell of a Markdown table nor becomes HTML."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("|", "\\|").replace("\n", " ")


def arrow(result: StudyResult) -> pa.Table:
    """Lay a study's table out with one row for each place: numbers as numbers, text as text."""
    comparison, rows = Comparison(result), list[dict[str, object]]()
    for row in result.rows:
        for column in result.columns:
            entry = result.entry(row.key, column.key)
            estimate = entry.measured if isinstance(entry.measured, Estimate) else None
            number = entry.published if isinstance(entry.published, int | float) else None
            rows.append(
                {
                    "row": row.key,
                    "column": column.key,
                    "title": column.title,
                    "measured": estimate and estimate.value,
                    "low": estimate and estimate.low,
                    "high": estimate and estimate.high,
                    "n": estimate and estimate.n,
                    "text": entry.measured if isinstance(entry.measured, str) else None,
                    "published": number and (number / 100 if column.unit == "percent" else number),
                    "published_text": None if entry.published is None else str(entry.published),
                    "verdict": comparison.verdict((row.key, column.key)),
                    "note": entry.note,
                }
            )
    numbers = [pa.field(name, pa.float64()) for name in ("measured", "low", "high")]
    schema = pa.schema(
        [
            *(pa.field(name, pa.string()) for name in ("row", "column", "title")),
            *(*numbers, pa.field("n", pa.int64()), pa.field("text", pa.string())),
            *(pa.field("published", pa.float64()), pa.field("published_text", pa.string())),
            *(pa.field(name, pa.string()) for name in ("verdict", "note")),
        ],
        metadata={"study": result.name, "source": result.study.source, "scale": result.scale, **result.facts},
    )
    return pa.Table.from_pylist(rows, schema)


def write_tables(result: StudyResult) -> None:
    """Write `table.md` and `table.parquet` into the study's folder.

    Raises:
        RunError: the folder cannot be written.
    """
    sink = io.BytesIO()
    pq.write_table(arrow(result), sink)
    write_atomically(result.folder / "table.parquet", sink.getvalue())
    write_atomically(result.folder / "table.md", markdown(result).encode())
