"""The command `attack`."""

from pathlib import Path
from typing import Annotated

import typer

from brittle.cli.options import Fields, FileLimits, Force, Json
from brittle.output import user_prints_aside
from brittle.specs import DataSpec, Effort, ModelSpec, Question

IMAGES = {
    "help": "One image file, a folder, or any other source of images.",
    "name": "images",
    "metavar": "IMAGES",
    "argument": True,
}


def attack(
    model: ModelSpec,
    images: Annotated[DataSpec, Fields(differ={"data": IMAGES})],
    question: Question,
    effort: Annotated[Effort, Fields(without=("batch",))],
    out: Annotated[Path, typer.Option(help="Folder for the adversarial PNG files.")] = Path("adversarial"),
    attack: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="NAME:FIELD=VALUE,...; by default deepfool, or what knows the norm, such as patch-ascent.",
        ),
    ] = None,
    limits: FileLimits = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Attack image files and save adversarial PNG files, each read back from disk and judged again.

    brittle attack model.pt2 cat.jpg --out adversarial
    """
    from brittle import terminal
    from brittle.bars import console
    from brittle.evaluation.adversarial_images import ImageFolder
    from brittle.evaluation.attack import attack as attack_images

    with user_prints_aside(), console.status("attacking"):
        saved = attack_images(
            model,
            images,
            out,
            question=question,
            attack=attack,
            effort=effort,
            force=force,
            tell=None if json else terminal.tell,
        )
    if json:
        terminal.print_json("attack", {"images": [vars(one) for one in saved]}, ImageFolder.read(out).origin)
    else:
        terminal.show_saved(saved)
