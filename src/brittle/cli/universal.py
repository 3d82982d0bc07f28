"""The command `universal`."""

from pathlib import Path
from typing import Annotated

import typer

from brittle.cli.options import Fields, FileLimits, Force, Json, Quiet
from brittle.output import user_prints_aside
from brittle.specs import DataSpec, Effort, ModelSpec, Question

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
    effort: Annotated[Effort, Fields(without=("budget", "eot_samples"))],
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("universal"),
    attack: Annotated[
        str, typer.Option(metavar="SPEC", help="NAME:FIELD=VALUE,...; see `brittle list universal`.")
    ] = "ascent",
    task: Annotated[
        str, typer.Option(help="classification, or segmentation for a network with a class for every pixel.")
    ] = "classification",
    held_out: Annotated[int | None, typer.Option(min=0, help="Images kept aside; half of them by default.")] = None,
    made_from: Annotated[
        str | None, typer.Option(metavar="DATA", help="Images to make it from; those of --data then only judge it.")
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Searches by so many seeds; the median one is kept, the range is told.")
    ] = 1,
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
    from brittle.report.universal_page import write_universal
    from brittle.runs.place import folder_of

    folder, note = folder_of(out)
    if note and not quiet:
        terminal.tell(note)
    with user_prints_aside(), Passes(quiet=quiet or json) as passes:
        made = make_universal(
            model,
            data,
            folder,
            question=question,
            attack=attack,
            effort=effort,
            task=task,  # pyright: ignore[reportArgumentType]  # looked at there
            held_out=held_out,
            made_from=made_from,
            seeds=seeds,
            force=force,
            watch=passes.tell,
            progress=passes.advance,
            looking=passes.look,
            begins=passes.note,
        )
    page = write_universal(made.folder)
    if json:
        terminal.print_json({**made.plain(), "report": str(page)})
    elif not quiet:
        terminal.show_universal(made)
        terminal.say(f"report           {page.resolve()}")
