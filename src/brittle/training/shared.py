"""A training whose batches several processes share: the first leads, and the others make the same epochs in step."""

import io
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from brittle.processes.gathering import gathered
from brittle.processes.team import Team
from brittle.training.epoch import Schedule, Task, epoch_seed, own_randomness, run_epoch
from brittle.training.identity import Optimise
from brittle.training.optimisers import optimiser_of
from brittle.training.outputs import device_of
from brittle.training.recipe import PlainTraining
from brittle.training.universal_pool import Hardening


@dataclass(frozen=True)
class Trainer:
    """What the others do.

    Attributes:
        module: on the processor; its weights come with each epoch.
        settings: of the training.
        adversarial: see `Task`.
        optimiser, schedule: see `fit`.
    """

    module: nn.Module
    settings: PlainTraining
    adversarial: Hardening | None
    optimiser: Optimise | None
    schedule: Schedule | None

    def work(self, team: Team, tensors: Mapping[str, Tensor]) -> None:
        """Make this one's share of every epoch that the first begins."""
        module, settings = self.module.to(team.device), self.settings
        mover, schedule = optimiser_of(module, settings, self.optimiser, self.schedule)
        images, labels, soft = tensors["images"], tensors["labels"], tensors.get("soft")
        task = Task(module, mover, images, labels, settings, self.adversarial, soft, schedule, team=team)
        while (begun := team.told(cast("tuple[int, bytes] | None", None))) is not None:
            number, state = begun
            _take(task, state)
            with own_randomness(module, settings, number) as generator:
                seed = epoch_seed(settings.seed, number, f"training of worker {team.rank}")
                torch.manual_seed(seed)  # of dropout: shares that drew the same would see less of it
                run_epoch(task, number, generator)


@contextmanager
def shared(task: Task, optimiser: Optimise | None, schedule: Schedule | None) -> Generator[Task]:
    """Gather those that share the batches, as many as the settings say.

    Args:
        task: of a training by one process.
        optimiser: see `fit`.
        schedule: see `fit`.

    Yields:
        The same of one by the team.

    Raises:
        InputError: network, optimiser or schedule cannot be sent to another process; or there are too few GPUs.
        RunError: one of them is gone.
    """
    workers = task.settings.workers
    if workers == 1:
        yield task
        return
    threads = max(1, (task.settings.threads or torch.get_num_threads()) // workers)
    settings = replace(task.settings, threads=threads)
    module = task.module if device_of(task.module).type == "cpu" else deepcopy(task.module).cpu()
    member = Trainer(module, settings, task.adversarial, optimiser, schedule)
    tensors = {"images": task.images, "labels": task.labels} | ({} if task.soft is None else {"soft": task.soft})
    with gathered(member, tensors, workers, device_of(task.module)) as team:
        yield replace(task, settings=settings, team=team)
        team.told(None)


def begin_epoch(task: Task, number: int) -> None:
    """Let the others begin an epoch with the weights of this process."""
    if task.team.size > 1:
        content = io.BytesIO()
        torch.save((task.module.state_dict(), task.optimiser.state_dict()), content)
        task.team.told((number, content.getvalue()))


def _take(task: Task, state: bytes) -> None:
    weights, moved = torch.load(io.BytesIO(state), map_location=task.team.device, weights_only=True)
    task.module.load_state_dict(weights)
    task.optimiser.load_state_dict(moved)
