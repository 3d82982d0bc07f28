"""The command `substitute`."""

from pathlib import Path
from typing import Annotated

import typer

from brittle.cli.options import Fields, FileLimits, Force, Json, Quiet, Title
from brittle.output import user_prints_aside
from brittle.specs import SEARCHING, DataSpec, Effort, ModelSpec, Question

ORACLE = {
    "help": "Who is asked: the URL of a service, such as http://127.0.0.1:8000/, or a network as for `audit`.",
    "metavar": "ORACLE",
}
SEEDS = {"help": "Seed images, as for `audit`; labels are not used."}
MOST = {"help": "Use only the first N seed images."}
RADII = {"help": "Radii to try the attacks at, with commas between; by default 0.1,0.2,0.25,0.3,0.4."}


def substitute(
    model: Annotated[
        ModelSpec, Fields(without=("defence", "defence_data", "naive", "channel"), differ={"model": ORACLE})
    ],
    data: Annotated[
        DataSpec,
        Fields(
            without=("size", "resize", "crop", "interpolation", "skip_bad", "class_order"),
            differ={"data": SEEDS, "max_images": MOST},
            default={"max_images": 150},
        ),
    ],
    question: Annotated[Question, Fields(without=("eps", "target", "quantization", "confidence"))],
    effort: Annotated[Effort, Fields(without=("budget", "eot_samples", "batch", *SEARCHING))],
    test: Annotated[str, typer.Option(metavar="DATA", help="Labelled images to measure on; seed images are left out.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    network: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="The substitute: FILE.py:FACTORY, or an architecture of `brittle list models`. By default LeNet for "
            "images of 1x28x28 and 3x32x32.",
        ),
    ] = None,
    recipe: Annotated[str, typer.Option(help="wide, which transfers more, or published.")] = "wide",
    rounds: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's own number.")] = None,
    augment: Annotated[
        str, typer.Option(metavar="FIELD=VALUE,...", help="step, flip, full_rounds, sample of the augmentation.")
    ] = "",
    settings: Annotated[
        str, typer.Option("--set", metavar="FIELD=VALUE,...", help="epochs, batch, rate, decay, ... in each round.")
    ] = "",
    attack: Annotated[
        list[str] | None,
        typer.Option(metavar="SPEC", help="Made on the substitute and shown to the oracle; may be given again."),
    ] = None,
    eps: Annotated[str | None, typer.Option(metavar="NUMBER,...", help=RADII["help"])] = None,
    test_images: Annotated[int, typer.Option(min=1, help="Most images that are measured on.")] = 200,
    each_round: Annotated[
        int, typer.Option(min=0, help="So many of them are attacked after each round too, to see what transfers.")
    ] = 25,
    budget: Annotated[int, typer.Option(min=1, help="Most queries in all, those of the measuring included.")] = 6400,
    rate: Annotated[float | None, typer.Option(help="Most requests a second to a service.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds within which a service must answer.")] = 30.0,
    attempts: Annotated[int, typer.Option(min=1, help="How often a service is asked before it counts as gone.")] = 6,
    title: Title = "",
    limits: FileLimits = None,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Teach a network of your own the labels of an oracle that only answers, and show the oracle what fools it.

    Every answer is kept as it comes, and no image is asked about twice. Killed and started again with the same words,
    it goes on after the last finished round, and from the last answer.

    brittle substitute http://127.0.0.1:8000/ --data mnist/test.parquet --test mnist/test.parquet --out substitute
    """
    from brittle import terminal
    from brittle.arguments import parse_number
    from brittle.bars import Passes
    from brittle.endpoint.manner import Manner
    from brittle.evaluation.substitute import substitute as teach
    from brittle.report.substitute_page import write_substitute
    from brittle.runs.read import origin_of

    with user_prints_aside(), Passes("round", quiet=quiet or json) as passes:
        made = teach(
            model,
            data,
            out,
            test=test,
            network=network,
            recipe=recipe,
            rounds=rounds,
            augment=augment,
            settings=settings,
            attacks=attack or (),
            epsilons=[parse_number(one) for one in (eps or "").split(",") if one],
            test_images=test_images,
            each_round=each_round,
            budget=budget,
            manner=Manner(timeout=timeout, attempts=attempts, rate=rate),
            question=question,
            effort=effort,
            force=force,
            progress=passes.taught,
            transferred=passes.transferred,
            watch=passes.advance,
            tell=passes.note,
        )
    page = write_substitute(made.folder, title=title)
    if json:
        terminal.print_json("substitute", {**made.plain(), "report": str(page)}, origin_of(made.folder))
    elif not quiet:
        terminal.show_substitute(made)
        terminal.say(f"report           {page.resolve()}")
