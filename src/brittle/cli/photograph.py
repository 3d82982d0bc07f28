"""The command `photograph`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from brittle.cli.options import Fields, FileLimits, Force, Json, Quiet, Title
from brittle.output import user_prints_aside
from brittle.specs import SEARCHING, DataSpec, Effort, ModelSpec

if TYPE_CHECKING:
    from rich.text import Text

    from brittle.metrics import Estimate
    from brittle.runs.photographs import Photographed

MODEL = {"argument": False, "help": "The network, in place of the words by which that of RUN opened."}
DATA = {"help": "The original images, in place of the words by which those of RUN opened."}
CHANNEL = {
    "help": "What happens to the images, photograph by default: NAME:FIELD=VALUE,..., several with a plus between. See "
    "`brittle list channels`."
}


def photograph(
    run: Annotated[Path, typer.Argument(help="The folder of `attack`, or the run folder of `audit`.")],
    model: Annotated[
        ModelSpec,
        Fields(
            without=("naive", "defence_data"),
            differ={"model": MODEL, "channel": CHANNEL},
            default={"model": None},
        ),
    ],
    data: Annotated[
        DataSpec,
        Fields(
            without=("size", "resize", "crop", "interpolation", "skip_bad"),
            differ={"data": DATA},
            default={"data": None},
        ),
    ],
    effort: Annotated[Effort, Fields(without=("budget", "batch", *SEARCHING))],
    out: Annotated[
        Path | None, typer.Option(help="The folder for rows, pictures and page; by default RUN-photographed.")
    ] = None,
    photos: Annotated[
        list[Path] | None,
        typer.Option(help="A photograph of the printed --sheet, in place of a channel; repeat for several."),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Write the images as a sheet to be printed, NAME.pdf or NAME.png; with --photos, read it."),
    ] = None,
    paper: Annotated[str, typer.Option(help="Of the sheet: a4 or letter.")] = "a4",
    dpi: Annotated[int, typer.Option(help="Of the sheet: printed dots in an inch.")] = 300,
    even_light: Annotated[
        bool, typer.Option("--even-light", help="Take the light on the paper out of --photos.")
    ] = False,
    title: Title = "",
    limits: FileLimits = None,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Send adversarial images through a channel, such as print and photograph, and tell which survive.

    brittle photograph adversarial --channel photograph:strength=2

    On paper: print the sheet, photograph it, and read the photographs.

    brittle photograph adversarial --sheet sheet.pdf

    brittle photograph adversarial --sheet sheet.pdf --photos one.jpg --photos two.jpg --out on-paper
    """
    from brittle import terminal
    from brittle.bars import Bar
    from brittle.evaluation.photograph import photograph as photograph_images
    from brittle.physical.layout import Layout
    from brittle.report import write_report

    with user_prints_aside(), Bar(quiet=quiet or json) as bar:
        made = photograph_images(
            run,
            out,
            model=model,
            data=data,
            photos=photos or (),
            sheet=sheet,
            layout=Layout(paper=cast("Literal['a4', 'letter']", paper), dpi=dpi),  # another one is refused there
            even_light=even_light,
            effort=effort,
            force=force,
            watch=bar,
            command=["brittle", *sys.argv[1:]],
        )
    page = write_report(made.path, title=title)
    if json:
        figures = {"about": {**made.about}, **made.figures().plain(), "report": str(page)}
        terminal.print_json("photograph", figures, made.origin)
    elif not quiet:
        _show(made)
        terminal.say(f"report           {page.resolve()}")


def _show(made: Photographed) -> None:
    """Print accuracies and destruction rates, a row for each attack."""
    from brittle import terminal
    from brittle.runs.photographs import CASES, TOPS

    figures = made.figures()
    rows: list[tuple[str | Text, ...]] = [
        ("clean accuracy", *(_rate(figures.clean[top]) for top in TOPS)),
        ("photographed", *(_rate(figures.photographed[top]) for top in TOPS)),
    ]
    for attack, one in figures.attacks.items():
        rows.append((terminal.line_of(f"{attack}"), *(_rate(one.accuracy[top]) for top in TOPS)))
        rows.append(("  photographed", *(_rate(one.photographed[top]) for top in TOPS)))
        rows += [(f"  destroyed, {case}", *(_rate(one.destruction[case, top]) for top in TOPS)) for case in CASES]
    terminal.show_table(
        f"{made.about['network']} through {made.about['channel']}",
        ("", *(f"top {top}" for top in TOPS)),
        rows,
        "accuracies, and destroyed: of the images right at first and wrong once attacked, those right again; "
        "prefiltered: of those alone that the network is sure of, at least 80 %, and wrong at top 5, too",
    )
    for attack in made.attacks:
        names = [row.name for row in made.survivors(attack)]
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        terminal.say(f"survivors        {attack}: {', '.join(names[:8]) or 'none'}{more}")
    if made.missing:
        terminal.say((f"not found        {', '.join(made.missing)}", "yellow"))
    for line in made.said:
        terminal.tell(f"images           {line}")


def _rate(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    return f"{estimate.value:.1%} ({estimate.low:.0%} to {estimate.high:.0%}, n {estimate.n})"
