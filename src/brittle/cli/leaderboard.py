"""The command `leaderboard`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brittle.cli.options import FileLimits, Force, Json, Quiet
from brittle.names import without_folders

if TYPE_CHECKING:
    from brittle.runs.leaderboard import Board


def leaderboard(
    run: Annotated[list[Path], typer.Argument(help="Run folders of finished audits.")],
    out: Annotated[Path, typer.Option(help="The folder of the leaderboard.")] = Path("runs/leaderboard"),
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

    made = ranked(*run, out=out, force=force, command=["brittle", *sys.argv[1:]])
    page = write_report(out)
    if json:
        terminal.print_json("leaderboard", {**made.plain(), "report": str(page)}, made.origin)
    elif not quiet:
        for board in made.tables:
            _show(board)
        terminal.say("p: how likely chance alone would put it so far below the next better one, image by image")
        terminal.say(f"table            {(out / 'leaderboard.csv').resolve()}")
        terminal.say(f"report           {page.resolve()}")


def _show(board: "Board") -> None:
    """Print the audits of one question."""
    from rich.table import Table

    from brittle import terminal
    from brittle.bars import console
    from brittle.words import plural

    radius = terminal.radius_text(board.radius)
    title = f"{plural(board.images, 'image')} of {without_folders(board.data)}, {board.norm} {radius}"
    table = Table(title_justify="left", title=terminal.line_of(title))
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("audit", overflow="fold")
    for name in ("robust", "95 %", "clean", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in board.rows:
        robust = row.robust
        lead = "" if row.lead is None else f"{row.lead:.2g}"
        figures = f"{robust.value:.1%}", f"{robust.low:.1%}–{robust.high:.1%}", f"{row.clean.value:.1%}", lead
        about = [("  not reliable", "red")] if row.rank is None else []
        table.add_row(str(row.rank or "–"), terminal.line_of(f"{row.run}: {row.title}", *about), *figures)
    console.print(table)
