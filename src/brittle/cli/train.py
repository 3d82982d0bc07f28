"""The command `train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from brittle.addresses import path_or_address
from brittle.cli.options import Fields, FileLimits, Force, Quiet, Title
from brittle.files import told
from brittle.output import user_prints_aside
from brittle.specs import SEARCHING, DataSpec, Effort, ModelSpec, Question

if TYPE_CHECKING:
    from brittle.training.held_out import Keep

NETWORK = {
    "help": "FILE.py:FACTORY, which builds your network, or an architecture of `brittle list models`.",
    "metavar": "NETWORK",
}
DEFENCE = {"help": "Train behind a defence, such as thermometer; open the weights with it too."}
LEFT_OUT = ("weights", "dtype", "binary", "probabilities", "labels", "defence_data", "naive", "channel")
"""Of a network's options, those that do nothing to a training."""


def train(
    model: Annotated[ModelSpec, Fields(without=LEFT_OUT, differ={"model": NETWORK, "defence": DEFENCE})],
    data: Annotated[DataSpec, Fields(without=("size", "resize", "crop", "interpolation", "skip_bad", "class_order"))],
    question: Annotated[Question, Fields(without=("target", "quantization", "confidence"))],
    effort: Annotated[Effort, Fields(without=("budget", "eot_samples", "batch", *SEARCHING))],
    out: Annotated[
        Path,
        typer.Option(parser=path_or_address, metavar="PATH", help="The folder to write, or its address."),
    ],
    test: Annotated[str | None, typer.Option(metavar="DATA", help="Images to measure the accuracy on.")] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="WEIGHTS",
            help="Fine-tune: begin with the weights of a .safetensors file, of the folder of a training (it may have "
            "been interrupted), or of a network that comes with the package.",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="An adversarial training by name: madry-mnist-quick or madry-mnist. By default the network's own."
        ),
    ] = None,
    settings: Annotated[
        str, typer.Option("--set", metavar="FIELD=VALUE,...", help="batch, rate, optimiser, schedule, decay, ...")
    ] = "",
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's own number.")] = None,
    attack: Annotated[
        str | None, typer.Option(metavar="SPEC", help="Train on what this attack makes of the images: NAME:FIELD=VALUE")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="In place of an attack: accumulated:steps=1, which goes on from epoch to epoch, or free:replays=8.",
        ),
    ] = None,
    once: Annotated[
        bool,
        typer.Option("--once", help="Attack the images once, for the network as it is, and not anew in each step."),
    ] = False,
    pool: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            help="Of `brittle universal`, or its address, may be given again and again: one of these perturbations, "
            "picked at random, is added to images in each step.",
        ),
    ] = None,
    probability: Annotated[float, typer.Option(help="That an image has one of the pool added.")] = 0.5,
    alpha: Annotated[float, typer.Option(help="What the changes of --once or --pool are multiplied by.")] = 1.0,
    fraction: Annotated[float, typer.Option(help="Fraction of each batch that is attacked.")] = 1.0,
    warmup: Annotated[float, typer.Option(help="Epochs over which the radius grows from 0.")] = 0.0,
    clean_epochs: Annotated[int, typer.Option(help="First epochs without the attack.")] = 0,
    objective: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="What the training minimises: cross-entropy (of the attacked images, the default), trades:beta=6, or "
            "mixed:weight=0.5.",
        ),
    ] = None,
    held_out: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="So many training images are kept aside, and clean and robust accuracy measured on them after every "
            "epoch. By default a tenth, at most 1,000, where an attack is given.",
        ),
    ] = None,
    keep: Annotated[
        str | None, typer.Option(help="End with the best epoch's weights on these images (the default), or the last's.")
    ] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Stop after so many epochs without a better one.")] = None,
    distil: Annotated[
        float | None,
        typer.Option(metavar="TEMPERATURE", help="Train a teacher first, then the network on its softmax at this."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="So many processes of this machine share each batch; on GPUs one for each. By default one."
        ),
    ] = None,
    title: Title = "",
    limits: FileLimits = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Train a network of yours or a built-in architecture, on images as they are or as an attack makes them.

    Killed and started again with the same words, it goes on after the last finished epoch.

    brittle train lenet-mnist --data train.parquet --out robust --attack pgd:steps=7 --eps 0.3 --warmup 2

    brittle train net.py:make --data train.parquet --out robust --from weights.safetensors --attack pgd:steps=7
    """
    from brittle import terminal
    from brittle.bars import Passes
    from brittle.evaluation.train import train as train_network
    from brittle.report.training_page import write_training
    from brittle.runs.place import folder_of

    folder, note = folder_of(out)
    if note and not quiet:
        terminal.tell(note)
    with user_prints_aside(), Passes("epoch", quiet=quiet) as passes:
        made = train_network(
            model,
            data,
            folder,
            test=test,
            start=start,
            recipe=recipe,
            settings=settings,
            epochs=epochs,
            attack=attack,
            method=method,
            question=question,
            once=once,
            pool=pool or (),
            probability=probability,
            alpha=alpha,
            fraction=fraction,
            warmup=warmup,
            clean_epochs=clean_epochs,
            objective=objective,
            held_out=held_out,
            keep=cast("Keep | None", keep),
            patience=patience,
            distil=distil,
            workers=workers,
            effort=effort,
            force=force,
            progress=passes.tell,
            watch=passes.advance,
            begins=passes.begin,
        )
    page = write_training(made.folder, title=title)
    if not quiet:
        terminal.show_trained(made)
        terminal.say(f"report           {told(page.resolve())}")
