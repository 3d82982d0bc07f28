"""`train`: from an architecture's name and labelled images to a file of weights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from brittle.data import Fit, Source, open_source
from brittle.errors import DataError, InputError
from brittle.models import ARCHITECTURES
from brittle.training.epoch import Epoch
from brittle.training.plain import accuracy, train_named
from brittle.training.recipe import RECIPES, PlainTraining
from brittle.training.weights import save_weights, training_story
from brittle.types import Images, Labels


def train(  # noqa: PLR0913  # one parameter for each option of the command of the same name
    network: str,
    data: str,
    out: Path | str,
    *,
    test: str | None = None,
    epochs: int | None = None,
    limit: int | None = None,
    device: str = "cpu",
    seed: int | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> float | None:
    """Train a built-in architecture on labelled images and save its weights.

    Killed at any moment and called again, it goes on after the last finished epoch; the same call gives the same file.

    Args:
        network: the name of an architecture.
        data: what `open_source` understands.
        out: the safetensors file to write; a checkpoint lies beside it meanwhile.
        test: images to measure the accuracy on afterwards.
        epochs: instead of the architecture's own number.
        limit: use the first so many images.
        device: where to train.
        seed: of weights, order and augmentation, instead of 0.
        progress: called after every epoch.

    Returns:
        The accuracy on `test`, None without.

    Raises:
        BrittleError: anything that cannot be meant or done.
    """
    if network not in ARCHITECTURES:
        raise InputError(f"there is no architecture {network!r}; there are {', '.join(ARCHITECTURES)}")
    design, path = ARCHITECTURES[network], Path(out)
    settings = RECIPES.get(network, PlainTraining())
    settings = replace(settings, epochs=epochs or settings.epochs, seed=settings.seed if seed is None else seed)
    source = open_source(data, fit=Fit(*design.input_shape), limit=limit)
    images, labels = in_memory(source)
    checkpoint = path.with_suffix(".checkpoint")
    module, history = train_named(
        design, images, labels, settings=settings, checkpoint=checkpoint, device=device, progress=progress
    )
    about: dict[str, object] = {"train": data, "train_digest": source.digest()}
    measured = None
    if test is not None:
        measured = accuracy(module, *in_memory(open_source(test, fit=Fit(*design.input_shape))))
        about |= {"test": test, "test_accuracy": measured}
    save_weights(path, module, training_story(network, f"brittle train {network} --data {data}", history, about))
    checkpoint.unlink(missing_ok=True)
    return measured


def in_memory(source: Source) -> tuple[Images, Labels]:
    """Return all images and labels of a source at once, as training needs them.

    Raises:
        DataError: no images, or no labels.
    """
    if not len(source) or not source.labelled:
        raise DataError(
            f"{source.spec} has {len(source)} images and {'' if source.labelled else 'no '}labels; training needs both"
        )
    blocks = list(source.blocks(1000))
    return torch.cat([block.images for block in blocks]), torch.cat([block.labels for block in blocks])
