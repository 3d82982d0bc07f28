"""The command `universal`."""

from pathlib import Path
from typing import Annotated

import typer

from brittle import terminal
from brittle.bars import Passes
from brittle.evaluation.spec import number
from brittle.evaluation.universal import universal as make_universal
from brittle.options import (
    Binary,
    Crop,
    Device,
    Dtype,
    Eps,
    FileLimits,
    Force,
    Json,
    Limit,
    Model,
    Quiet,
    Resize,
    Seed,
    SkipBad,
    Weights,
    device_of,
)
from brittle.output import user_prints_aside
from brittle.report.universal_page import write_universal


def universal(
    model: Model,
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Images as for `audit`; without any, `fff` and `gd-uap` are tried on noise."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The .safetensors file to write.")] = Path("universal.safetensors"),
    attack: Annotated[
        str, typer.Option(metavar="SPEC", help="NAME:FIELD=VALUE,...; see `brittle list universal`.")
    ] = "ascent",
    norm: Annotated[str, typer.Option(help="linf or l2.")] = "linf",
    eps: Eps = None,
    unseen: Annotated[int | None, typer.Option(min=0, help="Images kept aside; half of them by default.")] = None,
    limit: Limit = None,
    batch: Annotated[int, typer.Option(min=1, help="Images in one call of the network.")] = 64,
    device: Device = None,
    seed: Seed = 0,
    weights: Weights = None,
    dtype: Dtype = None,
    binary: Binary = False,
    resize: Resize = None,
    crop: Crop = None,
    skip_bad: SkipBad = False,
    limits: FileLimits = None,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Make one perturbation for all images, and tell what it does to images that it has not seen.

    Killed and started again with the same words, it goes on after the last finished pass. No labels are needed.

    brittle universal model.pt2 --data photographs/ --norm linf --eps 10/255 --out v.safetensors
    """
    with user_prints_aside(), Passes(quiet=quiet or json) as passes:
        made = make_universal(
            model,
            data,
            out,
            attack=attack,
            norm=norm,
            eps=None if eps is None else number(eps),
            unseen=unseen,
            limit=limit,
            batch=batch,
            device=device_of(device),
            seed=seed,
            weights=weights,
            dtype=dtype,
            binary=binary,
            resize=resize,
            crop=crop,
            skip_bad=skip_bad,
            force=force,
            watch=passes.tell,
            progress=passes.advance,
            looking=passes.look,
        )
    page = write_universal(made.path)
    if json:
        terminal.print_json({**made.plain(), "report": str(page)})
    elif not quiet:
        terminal.show_universal(made)
        terminal.say(f"report           {page.resolve()}")
