"""The page of a leaderboard: a sortable table for each question."""

from dataclasses import dataclass
from pathlib import Path

from brittle.metrics.formats import Units, interval, percent, significant, title
from brittle.names import restored
from brittle.report.content import shown
from brittle.report.formats import command_text, count, subject
from brittle.report.template import fill
from brittle.runs.leaderboard import CLEAR, Board, Leaderboard, Ranked, read_leaderboard
from brittle.words import plural

LAST = float("inf")
"""Where a row without a figure stands when a table is sorted."""
SAFE = ("http://", "https://")
"""How links begin that the page may follow."""


@dataclass(frozen=True)
class Cell:
    """A cell: by what it is sorted, what it says, and a smaller line below."""

    value: float | str
    text: str
    note: str = ""


def leaderboard_page(run: Path) -> str:
    """Return the page of a leaderboard.

    Raises:
        RunError: it is not there, or damaged.
    """
    board = read_leaderboard(run)
    with shown(run, "the folder of a leaderboard"):
        return render(board)


def render(board: Leaderboard) -> str:
    """The whole page as text."""
    several = plural(sum(len(table.rows) for table in board.tables), "audit")
    return fill(
        "leaderboard.html",
        {},
        audits=several,
        created=board.created[:10],
        version=board.versions.get("brittle", ""),
        tables=[(_title(table), _rows(table)) for table in board.tables],
        clear=CLEAR,
        command=command_text(board.command),
    )


def _title(board: Board) -> str:
    units = Units(board.span)
    radius = "without limit" if board.radius is None else f"at most {units.size(board.radius, board.norm)}"
    data = subject(restored(board.data))
    return f"{plural(board.images, 'image')} of {data}, {title(board.norm)} {radius}"


def _rows(board: Board) -> list[tuple[Ranked, str, str, list[Cell]]]:
    better = [None, *board.rows[:-1]]
    return [_row(*each, board) for each in zip(better, board.rows, strict=True)]


def _row(better: Ranked | None, row: Ranked, board: Board) -> tuple[Ranked, str, str, list[Cell]]:
    units, about = Units(board.span), row.about
    link = restored(about.link) if about.link.startswith(SAFE) else ""
    median = Cell(LAST, "–")
    if row.median is not None:
        reach = units.interval(row.median.estimate, board.norm)
        median = Cell(row.median.value, units.size(row.median.value, board.norm), reach)
    lead = Cell(LAST, "–") if row.lead is None else Cell(row.lead, significant(row.lead, 2))
    robust = Cell(row.robust.value, percent(row.robust.value), interval(row.robust.estimate))
    clean = Cell(row.clean.value, percent(row.clean.value), interval(row.clean.estimate))
    size = Cell(row.parameters, f"{row.parameters:,}")
    tied = "" if better is None or not row.tied else f"{better.title} ({better.run})"
    return row, link, tied, [robust, lead, clean, median, size, Cell(row.passes, count(row.passes))]
