"""The command `apply`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brittle.cli.options import Fields, FileLimits, Json, Quiet
from brittle.output import user_prints_aside
from brittle.specs import DataSpec, Effort

if TYPE_CHECKING:
    from brittle.evaluation.apply import Applied, AppliedCell


def apply(
    perturbation: Annotated[
        list[Path], typer.Argument(help="Folders or files of `brittle universal`; .npy, .safetensors, .png of others.")
    ],
    data: DataSpec,
    effort: Annotated[Effort, Fields(without=("budget", "eot_samples"))],
    model: Annotated[
        list[str], typer.Option(metavar="MODEL", help="A network, as `audit` takes it; several are possible.")
    ],
    channel: Annotated[
        list[str] | None,
        typer.Option(help="What images go through before the networks see them, such as jpeg; several are possible."),
    ] = None,
    values: Annotated[
        str, typer.Option(help="Foreign arrays are for images from 0 to 1 or to 255; auto goes by the largest.")
    ] = "auto",
    picture: Annotated[
        Path | None, typer.Option(help="Draw the table as a picture, in a .png file of this name.")
    ] = None,
    limits: FileLimits = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Add stored universal perturbations to images: how many get another class, from each of several networks?

    Beside each rate stands that of uniform noise of the same norm. No labels are needed.

    brittle apply v other.npy --model net.pt2 --model second.pt2 --data photographs/
    """
    from brittle import terminal
    from brittle.bars import Bar
    from brittle.evaluation.apply import apply as applied

    with user_prints_aside(), Bar(quiet=quiet or json) as bar:
        made = applied(
            perturbation,
            model,
            data,
            channels=channel or (),
            scale=values,  # pyright: ignore[reportArgumentType]  # looked at there
            effort=effort,
            watch=bar,
        )
    if picture is not None:
        _draw(made, picture)
    if json:
        terminal.print_json(made.plain())
    elif not quiet:
        _show(made)


def _rows(made: "Applied") -> tuple[list[str], list[str]]:
    """Return the names of perturbations and of networks, in their order."""
    return [*dict.fromkeys(cell.perturbation for cell in made.cells)], [*dict.fromkeys(map(_seen_by, made.cells))]


def _seen_by(cell: "AppliedCell") -> str:
    """Name a network and what lies before it."""
    return Path(cell.network).name + (f" behind {cell.channel}" if cell.channel else "")


def _draw(made: "Applied", path: Path) -> None:
    from brittle.matrix_picture import matrix_picture
    from brittle.pictures import save_picture

    perturbations, networks = _rows(made)
    rates = {(cell.perturbation, _seen_by(cell)): cell.fooled.value for cell in made.cells}
    values = [[rates[one, other] for other in networks] for one in perturbations]
    save_picture(matrix_picture(values, perturbations, networks), path)


def _show(made: "Applied") -> None:
    """Print a line for each pair."""
    from rich.table import Table

    from brittle import terminal
    from brittle.bars import console

    table = Table(title_justify="left", title=f"get another class, n = {made.cells[0].fooled.n}")
    for name in ("perturbation", "network"):
        table.add_column(name, overflow="fold")
    for name in ("fooled", "95 %", "by noise"):
        table.add_column(name, justify="right", no_wrap=True)
    for cell in made.cells:
        rate = cell.fooled
        name = terminal.line_of(cell.perturbation + (" (resampled)" if cell.resampled else ""))
        figures = f"{rate.value:.1%}", f"{rate.low:.1%}–{rate.high:.1%}", f"{cell.noise.value:.1%}"
        table.add_row(name, terminal.line_of(_seen_by(cell)), *figures)
    console.print(table)
    for line in made.said:
        terminal.tell(line)
