"""Training: gradient descent on the loss of images, deterministic and resumable, attacked or not."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from brittle.arguments import seen
from brittle.core.attack import Attack
from brittle.errors import InputError
from brittle.training.accumulated import AccumulatedTraining
from brittle.training.epoch import Epoch, Schedule, Task, epoch_seed, run_epoch
from brittle.training.epochs import Course, all_epochs
from brittle.training.held_out import WITHIN_RADIUS, HeldOut
from brittle.training.identity import Beside, Optimise, identity_of
from brittle.training.optimisers import optimiser_of
from brittle.training.recipe import PlainTraining
from brittle.training.shared import begin_epoch, shared
from brittle.training.trainable import check_classes, check_images, check_trainable
from brittle.training.universal_pool import Hardening
from brittle.types import Images, Labels

GROWN = 100.0
"""A loss that has grown by so much says that the steps were too long."""


@dataclass(frozen=True)
class History:
    """All epochs of a training, those before an interruption included.

    Attributes:
        settings: how it was trained.
        epochs: one record an epoch.
        resumed: epochs taken over from a checkpoint; not part of equality.
        adversarial: what was done to the images; None for nothing.
        kept: the number of the epoch whose weights the network has now; None of no epoch.
    """

    settings: PlainTraining
    epochs: tuple[Epoch, ...]
    resumed: int = field(default=0, compare=False)
    adversarial: Hardening | None = None
    kept: int | None = None

    @property
    def collapsed(self) -> tuple[int, ...]:
        """Return the numbers of the epochs at which the network hid from the training's own attack."""
        return tuple(one.number for one in self.epochs if one.collapsed)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return what a user must know of the course, in sentences."""
        said: list[str] = []
        done = len(self.epochs)
        if done and done < self.settings.epochs:
            said.append(f"stopped after {done} of {self.settings.epochs} epochs, which brought nothing better")
        hardened = self.adversarial
        if done and isinstance(hardened, WITHIN_RADIUS) and not hardened.whole_at(done):
            radius = self.epochs[-1].radius
            grown = "" if radius is None else f", {radius:.4g} of {float(hardened.threat.radius):.4g} in the last epoch"
            said.append(f"ended before the attack was whole{grown}; take more epochs, or a shorter warm-up")
        if self.kept is not None and self.kept != done:
            said.append(f"ends with the weights of epoch {self.kept}, the best of {done} on the held-out images")
        if self.collapsed:
            first = self.epochs[self.collapsed[0] - 1]
            own, few = first.held_out_own_accuracy, first.held_out_robust_accuracy or 0.0
            beside = "" if own is None else f", its own attack {own:.1%}"
            said.append(
                f"collapsed at epoch {first.number}: a few steps leave {few:.1%} of the held-out images right{beside}; "
                "the network hides from the attack it is trained on (catastrophic overfitting): take more steps, a "
                "smaller step_size or a longer warm-up"
            )
        first, last = (self.epochs[0].loss, self.epochs[-1].loss) if done else (0.0, 0.0)
        if last > GROWN * max(first, 1.0):
            said.append(
                f"the loss grew from {first:.3g} in the first epoch to {last:.3g} in the last; take a lower rate than "
                f"{self.settings.rate:g}"
            )
        return tuple(said)


def fit(  # noqa: PLR0913  # each of these is a question of its own
    module: nn.Module,
    images: Images,
    labels: Labels,
    *,
    settings: PlainTraining | None = None,
    adversarial: Hardening | None = None,
    soft: Tensor | None = None,
    held_out: HeldOut | None = None,
    optimiser: Optimise | None = None,
    schedule: Schedule | None = None,
    checkpoint: Path | str | None = None,
    progress: Callable[[Epoch], None] | None = None,
    watch: Callable[[float], None] | None = None,
) -> History:
    """Train a module of any kind in place and leave it in eval mode.

    Everything random is drawn from `settings.seed` and the number of the epoch, and torch's global random state stays
    as it was; so the same call gives the same weights bit for bit on the same machine, also when it was killed and
    called again with the same checkpoint.

    Args:
        module: from images to logits, on the device to train on. Its present weights are the start.
        images: n x c x h x w in [0, 1], on any device.
        labels: int64, n.
        settings: how to train; `PlainTraining()` when not given.
        adversarial: how the images are attacked before each step, or what pool of universal perturbations is added to
            them; nothing is done when not given.
        soft: probabilities of the classes, (n, k), to be learnt in place of the labels (at the settings' temperature).
        held_out: images to measure on after every epoch; they decide which epoch's weights are kept, and when to stop.
        optimiser: makes one of the weights that ask for a gradient, such as `lambda weights: AdamW(weights, 1e-3)`, in
            place of that of the settings. Its learning rates are multiplied by the schedule.
        schedule: from the fraction of all steps that is done to a factor; with an optimiser of one's own 1 by default,
            otherwise that of the settings.
        checkpoint: a file to be written after every epoch and to go on from where it exists.
        progress: called after every epoch.
        watch: called after every step with the fraction of the epoch that is done.

    Returns:
        The loss and accuracy of every epoch.

    Raises:
        InputError: no images, or counts that differ.
        LabelError: labels that are not int64, or out of the range of the logits.
        ModelError: outputs that are not logits, or a loss that is no longer a number.
        RunError: the checkpoint cannot be written, or belongs to another training.

    Example:
        >>> images, labels = torch.rand(64, 1, 4, 4), torch.arange(64) % 2
        >>> module = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> len(fit(module, images, labels, settings=PlainTraining(epochs=2)).epochs)
        2
    """
    settings = settings or PlainTraining()
    mover, factor = optimiser_of(module, settings, optimiser, schedule)
    beside = Beside(soft, held_out, optimiser, schedule, mover)
    identity = identity_of(module, images, labels, settings, adversarial, beside) if checkpoint else ""
    try:
        classes = check_trainable(module, images, labels)
        _check_beside(classes, images, adversarial, held_out)
        memory = _memory(images, settings, adversarial)
        task = Task(module, mover, images, labels, settings, adversarial, soft, factor, memory)
        with shared(task, optimiser, schedule) as task:

            def one(number: int, generator: torch.Generator) -> Epoch:
                begin_epoch(task, number)
                epoch = run_epoch(task, number, generator, watch)
                if held_out is None:
                    return epoch
                return held_out.measured(module, epoch, adversarial, epoch_seed(settings.seed, 0, "held out"))

            done = all_epochs(
                *(module, mover, task.settings, one),
                checkpoint=checkpoint,
                identity=identity,
                images=images,
                progress=progress,
                course=Course(held_out, adversarial),
                memory=memory,
            )
    finally:
        module.zero_grad(set_to_none=True)
        module.eval()
    return History(settings, done.epochs, done.resumed, adversarial, done.kept)


def _check_beside(classes: int, images: Images, adversarial: object, held_out: HeldOut | None) -> None:
    """Refuse what is no training against attacks, and held-out images that are not of the kind of the others."""
    if isinstance(adversarial, Attack):
        raise InputError(
            f"adversarial is the attack {seen(adversarial)}; expected a training on it, such as "
            f"AdversarialTraining({type(adversarial).__name__}(), Lp('inf', 8 / 255))"
        )
    if held_out is None:
        return
    if held_out.images.shape[1:] != images.shape[1:]:
        shapes = [tuple(one.shape[1:]) for one in (held_out.images, images)]
        raise InputError(f"held-out images have shape {shapes[0]}, those of the training {shapes[1]}; expected one")
    try:
        check_images(held_out.images, held_out.labels)
        check_classes(held_out.labels, classes)
    except InputError as error:
        raise type(error)(f"held-out images: {error}") from error


def check_together(settings: PlainTraining, adversarial: Hardening | None) -> None:
    """Refuse settings that a training against attacks does not go with.

    Raises:
        InputError: an accumulated training whose images change, or are now with one process and now with another.
    """
    if not isinstance(adversarial, AccumulatedTraining):
        return
    if settings.workers > 1:
        raise InputError(
            f"accumulated training beside workers={settings.workers}: what is kept for an image is with the worker "
            "that had it last; leave workers out, or attack anew in each step (attack=pgd)"
        )
    if settings.shift or settings.flip:
        raise InputError(
            f"accumulated training beside shift={settings.shift} and flip={settings.flip}: perturbations that are kept "
            "for an image fit it as it is; set shift=0 and flip=False, or attack anew in each step (attack=pgd)"
        )


def _memory(images: Images, settings: PlainTraining, adversarial: Hardening | None) -> Tensor | None:
    """Return where an accumulated training keeps the perturbations of the images, which every epoch must show alike."""
    check_together(settings, adversarial)
    return torch.zeros(images.shape, dtype=torch.int8) if isinstance(adversarial, AccumulatedTraining) else None
