"""The command `corrupt`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brittle.cli.options import Fields, FileLimits, Force, Json, Quiet, Title
from brittle.output import user_prints_aside
from brittle.specs import SEARCHING, DataSpec, Effort, ModelSpec

if TYPE_CHECKING:
    from brittle.runs.corruptions import CorruptionsSummary


def corrupt(
    model: Annotated[ModelSpec, Fields(without=("channel",))],
    data: DataSpec,
    effort: Annotated[Effort, Fields(without=("budget", "eot_samples", *SEARCHING))],
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("corruptions"),
    kind: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="Such as fog; several are possible, all 15 by default.")
    ] = None,
    severity: Annotated[
        list[int] | None,
        typer.Option(min=1, max=5, help="1 to 5; several are possible, all by default."),
    ] = None,
    published: Annotated[
        str,
        typer.Option(
            help="Whose severities: cifar for 32 x 32, imagenet for 224 x 224; auto takes the first up to a side of 64."
        ),
    ] = "auto",
    title: Title = "",
    limits: FileLimits = None,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Measure the accuracy under the common corruptions: 15 kinds at 5 severities.

    Killed and started again with the same words, it goes on after the last finished combination.

    brittle corrupt model.pt2 --data photographs/ --out corruptions
    """
    from brittle import terminal
    from brittle.bars import Bar
    from brittle.evaluation.corrupt import corrupt as measure
    from brittle.report import write_report
    from brittle.runs.read import origin_of

    with user_prints_aside(), Bar(quiet=quiet or json) as bar:
        made = measure(
            model,
            data,
            out,
            kinds=kind or (),
            severities=severity or (),
            published=published,  # pyright: ignore[reportArgumentType]  # looked at there
            effort=effort,
            force=force,
            watch=bar,
        )
        page = write_report(made.folder, title=title)
    if json:
        figures = {**made.summary.plain(), "folder": str(made.folder), "report": str(page)}
        terminal.print_json("corruptions", figures, origin_of(made.folder))
    elif not quiet:
        _show(made.summary, made.said)
        terminal.say(f"report           {page.resolve()}")


def _show(summary: "CorruptionsSummary", said: Sequence[str]) -> None:
    """Print the accuracy under every corruption at every severity."""
    from brittle import terminal
    from brittle.bars import console
    from brittle.words import plural

    severities = sorted({severity for _, severity in summary.cells})
    rows: list[list[str]] = []
    for kind, one in summary.kinds.items():
        cells = [f"{100 * summary.cells[kind, severity].value:.1f}" for severity in severities]
        rows.append([kind, *cells, f"{100 * one.value:.1f}", f"{100 * one.low:.1f}–{100 * one.high:.1f}"])
    title = f"accuracy by severity, {plural(summary.images, 'image')}, %"
    terminal.show_table(title, ("corruption", *map(str, severities), "mean", "95 %"), rows)
    console.print(f"clean accuracy   {terminal.percent(summary.clean)}")
    console.print(f"corrupted        {terminal.percent(summary.mean)}, mean over all of these", soft_wrap=True)
    for line in said:
        terminal.tell(f"images           {line}")
