"""The command `leaderboard`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brittle.addresses import path_or_address
from brittle.cli.options import FileLimits, Force, Json, Quiet, Title
from brittle.files import told
from brittle.names import without_folders

if TYPE_CHECKING:
    from rich.text import Text

    from brittle.runs.leaderboard import Board
    from brittle.runs.rate import Rate


def leaderboard(
    run: Annotated[
        list[Path],
        typer.Argument(
            parser=path_or_address, metavar="RUN...", help="Run folders of finished audits, or their addresses."
        ),
    ],
    out: Annotated[
        Path, typer.Option(parser=path_or_address, metavar="PATH", help="The folder of the leaderboard.")
    ] = Path("runs/leaderboard"),
    title: Title = "",
    limits: FileLimits = None,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Rank audits by their robust accuracy: a page, a table for spreadsheets, and a card for each network.

    Audits of one question about the same images share a table. Those of which a check failed that may make them look
    too robust come last and have no rank.

    brittle leaderboard runs/resnet runs/vit runs/mobilenet
    """
    from brittle import terminal
    from brittle.evaluation.leaderboard import leaderboard as ranked
    from brittle.report import write_report
    from brittle.runs.kinds import other_than_audit
    from brittle.runs.leaderboard import CLEAR

    others = {path: what for path in run if (what := other_than_audit(path)) is not None}
    for path, what in others.items():
        if not quiet and not json:
            terminal.tell(f"passed over      {told(path)}: {what}")
    runs = [path for path in run if path not in others]
    made = ranked(*runs, out=out, force=force, command=["brittle", *sys.argv[1:]])
    page = write_report(out, title=title)
    if json:
        terminal.print_json("leaderboard", {**made.plain(), "report": told(page)}, made.origin)
    elif not quiet:
        for board in made.tables:
            _show(board)
        terminal.say("p: how likely chance alone would put it so far below the next better one, image by image;")
        terminal.say(f"from {CLEAR} on, the two are not told apart")
        terminal.say(f"table            {told((out / 'leaderboard.csv').resolve())}")
        terminal.say(f"report           {told(page.resolve())}")


def _show(board: "Board") -> None:
    """Print the audits of one question."""
    from brittle import terminal
    from brittle.words import plural

    asked = f"{board.norm} {terminal.radius_text(board.radius, board.norm)}"
    rows: list[tuple[Text | str, ...]] = []
    for row in board.rows:
        name = f"{row.rank or '–'}  {row.run}: {row.title}"
        about = [("  not reliable", "red")] if row.rank is None else []
        figures = [text for one in (row.robust, row.clean) for text in (f"{one.value:.1%}", _reach(one))]
        rows.append((terminal.line_of(name, *about), *figures, "" if row.lead is None else f"{row.lead:.2g}"))
    title = f"{plural(board.images, 'image')} of {without_folders(board.data)}, {asked}"
    terminal.show_table(title, ("audit", "robust", "95 %", "clean", "95 %", "p"), rows)
    for better, row in board.ties():
        terminal.say(f"not told apart   {better.run} and {row.run}")


def _reach(rate: "Rate") -> str:
    return f"{100 * rate.low:.1f}–{100 * rate.high:.1f}"
