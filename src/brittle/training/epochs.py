"""All epochs of a training, which goes on from its checkpoint where there is one, and keeps its best."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from brittle.errors import ModelError
from brittle.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from brittle.training.epoch import Epoch, own_randomness
from brittle.training.held_out import HeldOut
from brittle.training.recipe import PlainTraining
from brittle.training.universal_pool import Hardening
from brittle.types import Images

OneEpoch = Callable[[int, torch.Generator], Epoch]
"""Makes an epoch, by its number and with random numbers of its own."""


@dataclass(frozen=True)
class Course:
    """What is decided after each epoch; without held-out images all are made, and the last one's weights stay.

    Attributes:
        held_out: images that decide.
        adversarial: of the training.
    """

    held_out: HeldOut | None = None
    adversarial: Hardening | None = None

    def judged(self, epochs: tuple[Epoch, ...]) -> Epoch:
        """Return the last of some epochs with what is said of it in view of the others."""
        return epochs[-1] if self.held_out is None else self.held_out.judged(epochs, self.adversarial)

    def kept(self, epochs: tuple[Epoch, ...]) -> int | None:
        """Return the number of the epoch whose weights a training that ended here would have."""
        if not epochs:
            return None
        if self.held_out is None or self.held_out.keep == "last":
            return epochs[-1].number
        return self.held_out.best(epochs, self.adversarial).number

    def over(self, epochs: tuple[Epoch, ...]) -> bool:
        """Whether the training ends here, before its last epoch."""
        return self.held_out is not None and bool(epochs) and self.held_out.over(epochs, self.adversarial)


@dataclass(frozen=True)
class Done:
    """What all epochs gave.

    Attributes:
        epochs: one record each.
        resumed: how many of them came from the checkpoint.
        kept: the number of the epoch whose weights the module has now; None of no epoch.
    """

    epochs: tuple[Epoch, ...]
    resumed: int
    kept: int | None


def all_epochs(  # noqa: PLR0913  # each of these is a question of its own
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    settings: PlainTraining,
    one: OneEpoch,
    *,
    checkpoint: Path | str | None,
    identity: str,
    images: Images | None = None,
    progress: Callable[[Epoch], None] | None = None,
    course: Course | None = None,
    memory: Tensor | None = None,
) -> Done:
    """Make the epochs that are missing.

    Args:
        module: what is trained.
        optimiser: that moves its weights.
        settings: of the training.
        one: makes an epoch.
        checkpoint: a file to be written after every epoch and to go on from where it exists.
        identity: of the training, for the checkpoint.
        images: some that the network must answer as it did when the training goes on, see `save_checkpoint`.
        progress: called after every epoch.
        course: when to end, and with which epoch's weights.
        memory: what the epochs remember of the images, which they write to; kept with the weights.

    Raises:
        ModelError: of an epoch, with where the weights before it lie.
        RunError: the checkpoint cannot be written, or belongs to another training.
    """
    course = course or Course()
    checkpoint = None if checkpoint is None else Path(checkpoint)
    found = load_checkpoint(checkpoint, module, optimiser, identity, images) if checkpoint else None
    if found and found.memory is not None and memory is not None:
        memory.copy_(found.memory)
    epochs = tuple(Epoch(**record) for record in found.epochs) if found else ()
    resumed, kept = len(epochs), course.kept(epochs)
    best = dict(found.best) if found and found.best else _weights(module, epochs, course)
    while len(epochs) < settings.epochs and not course.over(epochs):
        number = len(epochs) + 1
        with own_randomness(module, settings, number) as generator, _telling_what_stays(checkpoint, epochs):
            epochs += (one(number, generator),)
        epochs = (*epochs[:-1], course.judged(epochs))
        kept = course.kept(epochs)
        best = _weights(module, epochs, course) or best
        if checkpoint:
            state = Checkpoint(identity, tuple(map(asdict, epochs)), {} if kept == number else best, memory)
            save_checkpoint(checkpoint, module, optimiser, state, images)
        if progress:
            progress(epochs[-1])
    if epochs and kept != epochs[-1].number:
        module.load_state_dict(best)
    return Done(epochs, resumed, kept)


def _weights(module: nn.Module, epochs: tuple[Epoch, ...], course: Course) -> dict[str, Tensor]:
    """Return a copy of the weights where they are the best so far and later ones may be worse; else nothing."""
    if course.held_out is None or not epochs or course.kept(epochs) != epochs[-1].number:
        return {}
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


@contextmanager
def _telling_what_stays(checkpoint: Path | None, epochs: tuple[Epoch, ...]) -> Generator[None]:
    """Say of an epoch that failed where the weights before it lie."""
    try:
        yield
    except ModelError as error:
        if checkpoint is None or not epochs:
            raise
        raise ModelError(
            f"{error}; the weights after epoch {len(epochs)} stay in {str(checkpoint)!r}, from which another training "
            "can start (--from)"
        ) from error
