"""The command `apply`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brittle.addresses import path_or_address
from brittle.cli.options import Fields, FileLimits, Json, Quiet
from brittle.errors import InputError
from brittle.files import check_names
from brittle.output import user_prints_aside
from brittle.specs import SEARCHING, DataSpec, Effort

PNG = b"\x89PNG\r\n\x1a\n"
"""What a PNG begins with."""
if TYPE_CHECKING:
    from rich.text import Text

    from brittle.evaluation.apply import Applied, AppliedCell


def apply(
    perturbation: Annotated[
        list[Path],
        typer.Argument(
            parser=path_or_address,
            metavar="PERTURBATION...",
            help="Folders or files of `brittle universal`, or their addresses; .npy, .safetensors, .png of others.",
        ),
    ],
    data: DataSpec,
    effort: Annotated[Effort, Fields(without=("budget", "eot_samples", *SEARCHING))],
    model: Annotated[
        list[str], typer.Option(metavar="MODEL", help="A network, as `audit` takes it; several are possible.")
    ],
    channel: Annotated[
        list[str] | None,
        typer.Option(help="What images go through before the networks see them, such as jpeg; several are possible."),
    ] = None,
    defence: Annotated[
        list[str] | None,
        typer.Option(help="What stands around the networks, such as subspace:count=50; several are possible."),
    ] = None,
    defence_data: Annotated[str | None, typer.Option(help="Clean training images for defences that need some.")] = None,
    binary: Annotated[bool, typer.Option("--binary", help="The networks have one output, for two classes.")] = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="The networks' outputs are probabilities.")
    ] = False,
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

    Beside each rate stands that of uniform noise of the same norm. Of a file that holds several, any of them may do in
    the last line. No labels are needed.

    brittle apply v other.npy --model net.pt2 --model second.pt2 --data photographs/
    """
    from brittle import terminal
    from brittle.bars import Bar
    from brittle.evaluation.apply import apply as applied

    if picture is not None:
        _check_picture(picture, perturbation)
    with user_prints_aside(), Bar(quiet=quiet or json) as bar:
        made = applied(
            perturbation,
            model,
            data,
            channels=channel or (),
            defences=defence or (),
            defence_data=defence_data,
            values=values,  # pyright: ignore[reportArgumentType]  # looked at there
            effort=effort,
            watch=bar,
            binary=binary,
            probabilities=probabilities,
        )
    if picture is not None:
        _draw(made, picture)
    if json:
        terminal.print_json("apply", made.plain(), made.origin)
    elif not quiet:
        _show(made)


def _names(made: Applied) -> dict[str, str]:
    """Return a name for each network: that of its file, or the whole where several have the same."""
    short = {cell.network: Path(cell.network).name for cell in made.cells}
    return {whole: name if [*short.values()].count(name) == 1 else whole for whole, name in short.items()}


def _seen_by(cell: AppliedCell, names: dict[str, str]) -> str:
    """Name a network and what lies before it."""
    return names[cell.network] + (f" behind {cell.channel}" if cell.channel else "")


def _check_picture(path: Path, perturbations: Sequence[Path | str]) -> None:
    """Refuse a name that is no picture's or a perturbation's, and a file that is none, before there is one to draw.

    Raises:
        InputError: with the name.
    """
    check_names(path)
    if path.suffix.lower() != ".png":
        raise InputError(f"the picture is to be {str(path)!r}; expected a name that ends with .png")
    if path.resolve() in [one.resolve() for one in perturbations if isinstance(one, Path)]:
        raise InputError(f"{str(path)!r} is one of the perturbations; give another name for the picture")
    if path.exists() and not _is_png(path):
        raise InputError(f"{str(path)!r} exists and is no PNG; give another name for the picture")


def _is_png(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(PNG)) == PNG


def _draw(made: Applied, path: Path) -> None:
    from brittle.matrix_picture import matrix_picture
    from brittle.pictures import save_picture

    names = _names(made)
    rates = {(cell.perturbation, _seen_by(cell, names)): cell.fooled.value for cell in made.cells}
    perturbations, networks = ([*dict.fromkeys(pair[side] for pair in rates)] for side in (0, 1))
    values = [[rates[one, other] for other in networks] for one in perturbations]
    save_picture(matrix_picture(values, perturbations, networks), path)


def _show(made: Applied) -> None:
    """Print a line for each pair."""
    from brittle import terminal

    costs = any(cell.cost is not None for cell in made.cells)
    names = _names(made)
    rows: list[tuple[Text | str, ...]] = []
    for cell in made.cells:
        rate = cell.fooled
        resampled = " (resampled)" if cell.resampled else ""
        name = terminal.line_of(f"{cell.perturbation}{resampled} on {_seen_by(cell, names)}")
        figures = f"{rate.value:.1%}", f"{rate.low:.1%}–{rate.high:.1%}", f"{cell.noise.value:.1%}"
        cost = "" if cell.cost is None else f"{cell.cost.value:.1%}"
        rows.append((name, *figures, *([cost] if costs else [])))
    terminal.show_table(
        f"get another class, n = {made.cells[0].fooled.n}",
        ("perturbation on network", "fooled", "95 %", "by noise", *(["cost"] if costs else [])),
        rows,
        "cost: get another class by the channel or the defence alone, without a perturbation" if costs else "",
    )
    for line in made.said:
        terminal.tell(line)
