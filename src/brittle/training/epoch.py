"""One pass over the training images, with random numbers of its own."""

import hashlib
import math
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from brittle.arguments import seen
from brittle.errors import InputError, ModelError
from brittle.processes.team import ALONE, Team
from brittle.training.accumulated import AccumulatedTraining
from brittle.training.adversarial import AdversarialTraining
from brittle.training.augmentation import augmented
from brittle.training.epoch_attacks import EpochAttacks
from brittle.training.objective import PLAIN
from brittle.training.outputs import device_of
from brittle.training.recipe import PlainTraining
from brittle.training.shared_step import average
from brittle.training.tally import Tally
from brittle.training.universal_pool import BatchChange, Hardening
from brittle.types import Images, Labels


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training images gave.

    Attributes:
        number: 1 for the first.
        loss: mean cross-entropy (nats), or what a generative model is trained by, over the epoch, measured while the
            weights moved, on the images that the steps were made on and in train mode.
        accuracy: fraction right, measured likewise; None where there are no labels.
        seconds: time taken; not part of equality.
        adversarial_loss, adversarial_accuracy: the same of the attacked images alone; None without an attack.
        clean_loss, clean_accuracy: of those images before the attack, in eval mode; None without an attack.
        radius: of the epoch's last attack; None without an attack or a radius.
        held_out_accuracy: of the held-out images after the epoch, clean; None without such images.
        held_out_robust_accuracy: the same under an attack of a few steps; None without one.
        held_out_own_accuracy: the same under the training's own attack; None where it is that one, or has no radius.
        collapsed: whether the network hides from the training's own attack, see `HeldOut`.
    """

    number: int
    loss: float
    accuracy: float | None
    seconds: float = field(compare=False)
    adversarial_loss: float | None = None
    adversarial_accuracy: float | None = None
    clean_loss: float | None = None
    clean_accuracy: float | None = None
    radius: float | None = None
    held_out_accuracy: float | None = None
    held_out_robust_accuracy: float | None = None
    held_out_own_accuracy: float | None = None
    collapsed: bool = False


@contextmanager
def own_randomness(module: nn.Module, settings: PlainTraining, number: int) -> Generator[torch.Generator, None, None]:
    """Gives an epoch its own random numbers (dropout's too), threads and deterministic kernels; restores all of it."""
    device, seed = device_of(module), epoch_seed(settings.seed, number)
    threads = torch.get_num_threads()
    cuda = device.type == "cuda"
    with (
        torch.random.fork_rng(devices=[device] if cuda else []),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        torch.enable_grad(),
    ):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        try:
            torch.set_num_threads(settings.threads or threads)
            yield torch.Generator().manual_seed(seed)
        finally:
            torch.set_num_threads(threads)


def epoch_seed(seed: int, number: int, purpose: str = "training") -> int:
    """A seed of 63 bits for one epoch; every epoch can be repeated without those before it."""
    return int.from_bytes(hashlib.sha256(f"brittle {purpose} {seed} {number}".encode()).digest()[:8], "big") >> 1


def _changes(task: "Task", number: int) -> BatchChange | None:
    """What is done to the batches of an epoch; perturbations that begin anew are drawn here."""
    training, seed = task.adversarial, epoch_seed(task.settings.seed, number, "attack")
    if isinstance(training, AdversarialTraining):
        return EpochAttacks(training, task.module, seed)
    if not isinstance(training, AccumulatedTraining):
        return training and training.in_epoch(seed)
    assert task.memory is not None
    if training.begins_anew(number):
        task.memory.copy_(training.memory(task.images, seed))
    return training.in_epoch(task.module, seed, task.memory)


Schedule = Callable[[float], float]
"""From the fraction of all steps that is done, 0 to 1, to what the optimiser's own learning rates are multiplied by."""


def batches(  # what is gone through, and how fast
    optimiser: torch.optim.Optimizer,
    count: int,
    settings: PlainTraining,
    number: int,
    generator: torch.Generator,
    watch: Callable[[float], None] | None = None,
    schedule: Schedule | None = None,
) -> Generator[tuple[int, Tensor]]:
    """Go through the images of an epoch in a new order, batch by batch; the learning rate moves with every step.

    Args:
        optimiser: whose learning rate is moved.
        count: how many images there are.
        settings: of the training.
        number: of the epoch, 1 for the first.
        generator: that the order is drawn from.
        watch: told after every step which fraction of the epoch is done.
        schedule: of an optimiser with rates of its own, those of its groups' `initial_lr`; by default the rate is that
            of the settings.

    Yields:
        The number of the step, from 0, and the positions of its images.
    """
    steps = -(-count // settings.batch)
    for step, chosen in enumerate(torch.randperm(count, generator=generator).split(settings.batch)):
        done = (number - 1 + step / steps) / settings.epochs
        for group in optimiser.param_groups:
            group["lr"] = settings.rate_at(done) if schedule is None else group["initial_lr"] * factor(schedule, done)
        yield step, chosen
        if watch:
            watch((step + 1) / steps)


def factor(schedule: Schedule, done: float) -> float:
    """Return what a schedule multiplies the rates by.

    Raises:
        InputError: it is no number.
    """
    found: object = schedule(done)
    if not isinstance(found, int | float) or math.isnan(found):  # pyright: ignore[reportUnnecessaryIsInstance]  # a user's
        raise InputError(
            f"the schedule gave {seen(found)} where {done:.0%} of the steps are done; expected what the rates are "
            "multiplied by, such as lambda done: 1 - done"
        )
    return float(found)


@dataclass(frozen=True)
class Task:
    """What is the same for every epoch of a training.

    Attributes:
        module: what is trained.
        optimiser: that moves its weights.
        images, labels: (n, c, h, w) in [0, 1] and (n,) int64, on any device.
        settings: of the steps.
        adversarial: what is done to a batch before its step; None for nothing.
        soft: (n, k), learnt in place of the labels; None for nothing.
        schedule: see `batches`.
        memory: of an accumulated training, the perturbations of all images, which every epoch moves.
        team: the processes that share each batch.
    """

    module: nn.Module
    optimiser: torch.optim.Optimizer
    images: Tensor
    labels: Tensor
    settings: PlainTraining
    adversarial: Hardening | None = None
    soft: Tensor | None = None
    schedule: Schedule | None = None
    memory: Tensor | None = None
    team: Team = ALONE


def _precision(settings: PlainTraining, device: torch.device) -> AbstractContextManager[object]:
    """The precision of a step's passes; entered for each step, for autocast keeps the weights that it has converted.

    In full precision the caller's own autocast stays as it is.
    """
    return torch.autocast(device.type, torch.bfloat16) if settings.precision == "mixed" else nullcontext()


def _batch(task: Task, chosen: Tensor, generator: torch.Generator) -> tuple[Images, Labels, Tensor, Tensor]:
    """Return images, labels, what is learnt, and positions of this process's share of a batch, on the device."""
    device = device_of(task.module)
    chosen = chosen.to(task.images.device)
    some, truth = task.images[chosen], task.labels[chosen.to(task.labels.device)].to(device)
    some = augmented(some, task.settings, generator)  # the whole batch, so that all of a team draw the same
    wanted = truth if task.soft is None else task.soft[chosen.to(task.soft.device)].to(device)
    mine = task.team.mine(len(chosen))
    return some[mine].to(device), truth[mine], wanted[mine], chosen[mine]


def run_epoch(
    task: Task, number: int, generator: torch.Generator, watch: Callable[[float], None] | None = None
) -> Epoch:
    """One pass over the images; an attack's radius moves with every batch, as the learning rate does.

    One of a team makes the passes of its share of each batch; the step is that of the whole batch, and the same on all.
    """
    began, device, settings, team = perf_counter(), device_of(task.module), task.settings, task.team
    steps = -(-len(task.images) // settings.batch)
    tally = Tally(device)
    attacks = _changes(task, number)
    task.module.train()
    walk = batches(task.optimiser, len(task.images), settings, number, generator, watch, task.schedule)
    for step, chosen in walk:
        whole, (some, truth, wanted, chosen) = len(chosen), _batch(task, chosen, generator)
        for _ in range(attacks.replays if attacks else 1):
            task.optimiser.zero_grad(set_to_none=True)
            if not len(chosen):  # a small batch, all of which others of the team have
                average(task.module, team, 0.0)
                task.optimiser.step()
                continue
            with _precision(settings, device):
                attacked = attacks.on(some, truth, chosen, number - 1 + step / steps) if attacks else some
                objective = attacks.objective if attacks else PLAIN
                loss, logits = objective.loss(task.module, some, attacked, wanted, settings.temperature)
            loss.backward()
            average(task.module, team, len(chosen) / whole)
            task.optimiser.step()
            tally.add(loss, logits, truth)
            if attacks:
                attacks.note(logits, truth)
    for one in (tally, *(attacks.tallies if isinstance(attacks, EpochAttacks) else ())):
        one.gather(team)
    loss, accuracy = tally.loss or 0.0, tally.accuracy or 0.0
    if not math.isfinite(loss):
        raise ModelError(
            f"the loss of epoch {number} is {loss}; the training ran away, try a rate below {settings.rate}"
        )
    taken: dict[str, Any] = dict(attacks.summary()) if attacks else {}
    return Epoch(number, loss, accuracy, perf_counter() - began, **taken)
