"""The command `attack`."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brittle.addresses import path_or_address
from brittle.cli.options import Fields, FileLimits, Force, Json, Quiet, Title
from brittle.files import told
from brittle.output import user_prints_aside
from brittle.specs import DataSpec, Effort, ModelSpec, Question

if TYPE_CHECKING:
    from rich.text import Text

    from brittle.evaluation.adversarial_images import Saved
    from brittle.evaluation.attack_index import SavedAttack, SavedAttacks

MOST_SAVED = 20
"""Adversarial images of an attack that are printed; the list on disk has all."""
IMAGES = {
    "help": "Image files, or a folder or any other source of images.",
    "name": "images",
    "metavar": "IMAGES...",
    "kind": list[str],
    "argument": True,
}


def attack(
    model: ModelSpec,
    images: Annotated[DataSpec, Fields(differ={"data": IMAGES})],
    question: Question,
    effort: Effort,
    out: Annotated[
        Path,
        typer.Option(parser=path_or_address, metavar="PATH", help="Folder for the files, or its address."),
    ] = Path("adversarial"),
    attack: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC",
            help="NAME:FIELD=VALUE,...; repeat for several. By default deepfool, or what knows the norm, such as "
            "patch-ascent. See `brittle list attacks`.",
        ),
    ] = None,
    title: Title = "",
    limits: FileLimits = None,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Attack image files and save adversarial PNG files beside the originals, each read back and judged again.

    The folder gets a list of all (index.json, index.csv) and a page that shows them (report.html).

        brittle attack model.pt2 cat.jpg dog.png --out adversarial

        brittle attack model.pt2 photographs/ --norm linf --eps 4/255 --attack pgd --attack square
    """
    from brittle import terminal
    from brittle.bars import console
    from brittle.evaluation.adversarial_images import ImageFolder
    from brittle.evaluation.attack import attack as attack_images
    from brittle.report import write_report

    with user_prints_aside(), nullcontext() if quiet or json else console.status("attacking"):
        made = attack_images(
            model,
            images,
            out,
            question=question,
            attack=attack or None,
            effort=effort,
            force=force,
            tell=None if quiet or json else terminal.tell,
            command=["brittle", *sys.argv[1:]],
        )
        page = write_report(out, title=title)
    if json:
        rows = [{"attack": one.attack, **vars(image)} for one in made.attacks for image in one.images]
        origin = ImageFolder.read(made.attacks[0].folder).origin
        terminal.print_json("attack", {"images": rows, "report": told(page)}, origin)
    elif not quiet:
        _show(made)
        terminal.say(f"report           {told(page.resolve())}")


def _show(made: SavedAttacks) -> None:
    """Print what each attack did, and what became of the first images."""
    from brittle import terminal
    from brittle.runs.kinds import INDEX_TABLE
    from brittle.words import plural

    for attack in made.attacks:
        rows = [_saved(attack, one) for one in attack.images[:MOST_SAVED]]
        deformed = any(one.flow is not None for one in attack.images)
        own = [attack.norm] if any(one.size is not None for one in attack.images) else []
        heads = ("image", "class", "becomes", "sure", *(["moved"] if deformed else [*own, "linf", "l2", "rounding"]))
        full = [[*row, *[""] * (len(heads) - len(row))] for row in rows]
        terminal.show_table(attack.sentence(), heads, full)
        if len(attack.images) > MOST_SAVED:
            terminal.say((f"and {len(attack.images) - MOST_SAVED:,} more, in {told(made.path / INDEX_TABLE)}", "dim"))
        if any(one.cost is not None and one.cost < 0 for one in attack.images):
            terminal.say((f"rounding: by how much 8 bits made the change larger; {terminal.BELOW_ZERO}", "dim"))
        found = sum(one.success for one in attack.images)
        many, verb = plural(len(attack.images), "image"), "has" if len(attack.images) == 1 else "have"
        terminal.say(f"{found} of {many} {verb} an adversarial PNG that is still adversarial when read back")
    terminal.say(f"files            {told(made.path.resolve())}")


def _saved(attack: SavedAttack, one: Saved) -> list[Text | str]:
    """Return the row of an image: its file where there is one, and its name otherwise."""
    from brittle.metrics.formats import Units
    from brittle.terminal import line_of

    label = line_of(attack.class_name(one.label))
    if one.path is None:
        why = "nothing that 8 bits can hold" if one.lost else "nothing found"
        return [line_of(one.source), label, "wrong already" if one.already else why]
    name = (
        line_of(one.path.name) if one.success else line_of(one.path.name, ("  not adversarial when read back", "red"))
    )
    own = [] if one.size is None else [Units(1.0).text(one.size, attack.norm)]
    sizes = [*own, Units(1.0).text(one.linf, "linf"), f"{one.l2:.3g}", "" if one.cost is None else f"{one.cost:+.1%}"]
    sizes = sizes if one.flow is None else [Units(1.0).text(one.flow, "flow")]
    return [name, label, line_of(attack.class_name(one.after)), f"{one.confidence:.0%}", *sizes]
