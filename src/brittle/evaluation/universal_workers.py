"""The network of a search that several processes share, as each of the others gets it."""

import pickle
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch

from brittle.classifiers.classifier import Classifier
from brittle.engine.portable import begin_at
from brittle.evaluation.subject import open_subject
from brittle.evaluation.universal_task import AskedTask
from brittle.limits import Limits, current, use_limits
from brittle.specs import DataSpec, ModelSpec
from brittle.universal_attacks.problem import UniversalProblem
from brittle.universal_attacks.search import UniversalAttack
from brittle.universal_attacks.shared import Opens, check_shared, shared


@dataclass(frozen=True)
class Reopened:
    """A network that each process opens anew, as an exported program is: it cannot be sent.

    Attributes:
        model: what was asked for.
        data: the images, which it is fitted to.
        task: how its outputs are read.
        start: the folder from which relative names of files count.
        limits: what files may take.
    """

    model: ModelSpec
    data: DataSpec
    task: AskedTask
    start: Path
    limits: Limits

    def __call__(self, device: torch.device) -> Classifier:
        """Open it on a device."""
        begin_at(self.start)
        with use_limits(self.limits):
            subject = open_subject(self.model, self.data, device=str(device))
        return self.task.classifier(subject.classifier)


@dataclass(frozen=True)
class Shared:
    """A search, and how many processes share it.

    Attributes:
        method: of the search.
        problem: of one process.
        workers: how many there are.
        opens: gives the others the network; None where it goes along as a value.
    """

    method: UniversalAttack
    problem: UniversalProblem
    workers: int = 1
    opens: Opens | None = None

    @classmethod
    def of(
        cls,
        method: UniversalAttack,
        problem: UniversalProblem,
        workers: int,
        model: ModelSpec,
        data: DataSpec,
        task: AskedTask,
    ) -> "Shared":
        """Take what was asked; what opens the network anew is told where it was given by its name or file.

        Raises:
            InputError: so many processes cannot share it.
        """
        anew = workers > 1 and isinstance(model.spec, str | Path) and not _goes_along(problem.classifier)
        asked = cls(method, problem, workers, Reopened(model, data, task, Path.cwd(), current()) if anew else None)
        check_shared(method, problem, workers, asked.opens)
        return asked

    def gathered(self) -> AbstractContextManager[UniversalProblem]:
        """Gather the processes; gives the problem as they share it."""
        return shared(self.method, self.problem, self.workers, self.opens)


def _goes_along(classifier: Classifier) -> bool:
    try:
        pickle.dumps(classifier)
    except Exception:  # whatever the classes of its modules raise
        return False
    return True
