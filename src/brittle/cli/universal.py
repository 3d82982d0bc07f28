"""The command `universal`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brittle.addresses import path_or_address
from brittle.arguments.numbers import parse_number
from brittle.cli.options import Fields, FileLimits, Force, Json, Quiet, Title
from brittle.files import told
from brittle.output import user_prints_aside
from brittle.specs import SEARCHING, DataSpec, Effort, ModelSpec, Question

if TYPE_CHECKING:
    from brittle.evaluation.universal_result import Universal

IMAGES = {
    "help": "Images as for `audit`; without any, methods that need none are tried on noise.",
    "metavar": "DATA",
}


def universal(
    model: Annotated[ModelSpec, Fields(without=("labels", "channel"))],
    data: Annotated[DataSpec, Fields(without=("class_order",), differ={"data": IMAGES}, default={"data": None})],
    question: Annotated[
        Question,
        Fields(
            without=("target", "quantization", "confidence"),
            differ={"norm": {"help": "linf, the default, l2, l1, patch or frame."}},
        ),
    ],
    effort: Annotated[Effort, Fields(without=("budget", "eot_samples", *SEARCHING))],
    out: Annotated[
        Path,
        typer.Option(parser=path_or_address, metavar="PATH", help="The folder to write, or its address."),
    ] = Path("universal"),
    attack: Annotated[
        str, typer.Option(metavar="SPEC", help="NAME:FIELD=VALUE,...; see `brittle list universal`.")
    ] = "ascent",
    task: Annotated[
        str,
        typer.Option(help="classification, or segmentation or depth: a class or a depth for every pixel."),
    ] = "classification",
    ratio: Annotated[
        float | None,
        typer.Option(
            parser=parse_number,
            metavar="NUMBER",
            help="With --task depth: from which a depth is another one; 1.25 by default.",
        ),
    ] = None,
    held_out: Annotated[int | None, typer.Option(min=0, help="Images kept aside; half of them by default.")] = None,
    made_from: Annotated[
        str | None, typer.Option(metavar="DATA", help="Images to make it from; those of --data then only judge it.")
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Searches by so many seeds; the median one is kept, the range is told.")
    ] = 1,
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            help="So many processes of this machine share each mini-batch of ascent, joint-ascent and sga; on GPUs one "
            "for each.",
        ),
    ] = 1,
    title: Title = "",
    limits: FileLimits = None,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Make one perturbation for all images, and tell what it does to images that it has not seen.

    Killed and started again with the same words, it goes on after the last finished pass. No labels are needed.

    brittle universal model.pt2 --data photographs/ --norm linf --eps 10/255 --out v
    """
    from brittle import terminal
    from brittle.bars import Passes
    from brittle.evaluation.universal import universal as make_universal
    from brittle.evaluation.universal_threat import norm_and_radius
    from brittle.report.universal_page import write_universal
    from brittle.runs.place import folder_of
    from brittle.runs.read import origin_of

    norm, _ = norm_and_radius(question)
    folder, note = folder_of(out)
    if note and not quiet:
        terminal.tell(note)
    with user_prints_aside(), Passes(norm=norm, quiet=quiet or json) as passes:
        made = make_universal(
            model,
            data,
            folder,
            question=question,
            attack=attack,
            effort=effort,
            task=task,  # pyright: ignore[reportArgumentType]  # looked at there
            ratio=ratio,
            held_out=held_out,
            made_from=made_from,
            seeds=seeds,
            workers=workers,
            force=force,
            watch=passes.tell,
            progress=passes.advance,
            looking=passes.look,
            begins=passes.note,
        )
    page = write_universal(made.folder, title=title)
    if json:
        terminal.print_json("universal", {**made.plain(), "report": told(page)}, origin_of(made.folder))
    elif not quiet:
        _show(made)
        terminal.say(f"report           {told(page.resolve())}")


def _show(made: "Universal") -> None:
    """Print what a universal perturbation does, and where it lies."""
    from brittle import terminal
    from brittle.evaluation.universal_lines import lines_of

    for line in lines_of(made):
        terminal.say(line)
