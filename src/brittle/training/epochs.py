"""All epochs of a training, which goes on from its checkpoint where there is one."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from brittle.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from brittle.training.epoch import Epoch, own_randomness
from brittle.training.recipe import PlainTraining
from brittle.types import Images

OneEpoch = Callable[[int, torch.Generator], Epoch]
"""Makes an epoch, by its number and with random numbers of its own."""


def all_epochs(  # noqa: PLR0913  # each of these is a question of its own
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    settings: PlainTraining,
    one: OneEpoch,
    *,
    checkpoint: Path | None,
    identity: str,
    images: Images | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> tuple[tuple[Epoch, ...], int]:
    """Make the epochs that are missing, and return all of them.

    Args:
        module: what is trained.
        optimiser: that moves its weights.
        settings: of the training.
        one: makes an epoch.
        checkpoint: a file to be written after every epoch and to go on from where it exists.
        identity: of the training, for the checkpoint.
        images: some that the network must answer as it did when the training goes on, see `save_checkpoint`.
        progress: called after every epoch.

    Returns:
        The epochs, and how many of them came from the checkpoint.

    Raises:
        RunError: the checkpoint cannot be written, or belongs to another training.
    """
    found = load_checkpoint(checkpoint, module, optimiser, identity, images) if checkpoint else None
    epochs = [Epoch(**record) for record in found.epochs] if found else []
    resumed = len(epochs)
    for number in range(resumed + 1, settings.epochs + 1):
        with own_randomness(module, settings, number) as generator:
            epochs.append(one(number, generator))
        if checkpoint:
            save_checkpoint(checkpoint, module, optimiser, Checkpoint(identity, tuple(map(asdict, epochs))), images)
        if progress:
            progress(epochs[-1])
    return tuple(epochs), resumed
