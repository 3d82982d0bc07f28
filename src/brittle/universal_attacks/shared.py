"""A search whose mini-batches several processes share: the first leads, and the others make the same passes in step."""

import contextlib
from collections.abc import Callable, Generator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from brittle.base.stored import StoredImages
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import autocast_around
from brittle.errors import InputError, RunError
from brittle.identity.compare import apart
from brittle.processes.gathering import gathered, refuse
from brittle.processes.team import Team
from brittle.threats import SharedThreat
from brittle.universal_attacks.answers import Answers
from brittle.universal_attacks.course import answers_of
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.passes import first_state, one_pass
from brittle.universal_attacks.problem import UniversalProblem, UniversalState

if TYPE_CHECKING:
    from brittle.universal_attacks.search import UniversalAttack

Opens = Callable[[torch.device], Classifier]
"""Gives another process the network on a device; it can be pickled."""
KNOWN = ("clean", "classes")
"""What may be known of the clean images before the others begin: then all know it, so that all ask the same."""


@dataclass(frozen=True)
class Carried:
    """A network that goes along as a value."""

    classifier: Classifier

    def __call__(self, device: torch.device) -> Classifier:
        """Return it on a device."""
        self.classifier.module.to(device)
        return self.classifier


@dataclass(frozen=True)
class Begun:
    """What the first process begins, and the others with it.

    Attributes:
        seed: of the search.
        number: of the pass, from 0; -1 for the first perturbation.
        state: after the pass before.
        judged: whether the images X judge it.
    """

    seed: int
    number: int = -1
    state: UniversalState | None = None
    judged: bool = False


@dataclass(frozen=True)
class Seeker:
    """What the others do.

    Attributes:
        method: of the search.
        opens: gives the network.
        threat: norm and radius.
        batch, answers: of the images.
        classes: how many the network knows, where that is known.
        autocast: under which the network is asked.
    """

    method: "UniversalAttack"
    opens: Opens
    threat: SharedThreat
    batch: int
    answers: Answers
    classes: int | None
    autocast: tuple[tuple[str, torch.dtype], ...]

    def work(self, team: Team, tensors: Mapping[str, Tensor]) -> None:
        """Make this one's share of everything that the first begins."""
        classifier = self.opens(team.device)
        images = ImageSet(
            classifier, tensors["images"], self.batch, self.threat, tensors.get("ids"), self.answers, team
        )
        known = {"clean": tensors.get("clean"), "classes": self.classes}
        vars(images).update({name: value for name, value in known.items() if value is not None})
        problem = UniversalProblem(classifier, images.shape, self.threat, images)
        with contextlib.ExitStack() as around:
            for kind, dtype in self.autocast:
                around.enter_context(torch.autocast(kind, dtype=dtype))
            _compare(problem)
            while (begun := team.told(None)) is not None:
                self._follow(replace(problem, seed=begun.seed), begun)

    def _follow(self, problem: UniversalProblem, begun: Begun) -> None:
        if begun.state is None:
            first_state(self.method, problem)
            return
        judge = None if begun.judged else _somebody_else
        one_pass(self.method, problem, begun.state.moved(problem.classifier.device), begun.number, judge)


def _somebody_else(perturbation: Tensor) -> float:
    """Leave it to the first process, which has a judge of its own."""
    return 0.0


def check_shared(
    method: "UniversalAttack", problem: UniversalProblem, workers: int, opens: Opens | None = None
) -> None:
    """Refuse a search that so many processes cannot share, before anything is begun or written.

    Args:
        method: how.
        problem: for what.
        workers: how many.
        opens: gives the others the network; by default it goes along as a value.

    Raises:
        InputError: steps that one process makes alone, or on too few images; or what cannot be sent.
    """
    if workers == 1:
        return
    if not method.step_images:
        raise InputError(
            f"workers is {workers}, and {type(method).__name__} makes each step in one process; leave workers out, or "
            "take a method that goes by mini-batches of images: ascent, joint-ascent or sga"
        )
    few = min(method.step_images, len(problem.given()))
    if workers > few // 2:
        mend = f"take {few // 2} at most" if few > 3 else "leave workers out"
        raise InputError(
            f"workers is {workers}, and each needs two of the {few} images of a step; {mend}, or take larger "
            "mini-batches of more images"
        )
    refuse(_seeker(method, problem, opens), workers, problem.classifier.device)


@contextlib.contextmanager
def shared(
    method: "UniversalAttack", problem: UniversalProblem, workers: int, opens: Opens | None = None
) -> Generator[UniversalProblem]:
    """Gather those that share the mini-batches, for any number of searches by other seeds.

    Args:
        method: how; it has looked at the problem (`check`).
        problem: for what, of one process.
        workers: how many there are; 1 starts none.
        opens: as of `check_shared`.

    Yields:
        The same problem of a team.

    Raises:
        InputError: as `check_shared`.
        RunError: one of them is gone, or its network answers otherwise.
    """
    if workers == 1:
        yield problem
        return
    check_shared(method, problem, workers, opens)
    images = problem.given()
    known = {name: value for name, value in vars(images).items() if name in KNOWN}
    every = images.images.mapped() if isinstance(images.images, StoredImages) else images.images
    tensors = {"images": every, "ids": images.ids, "clean": known.get("clean")}
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    seeker, device = _seeker(method, problem, opens), problem.classifier.device
    with _share_of_threads(workers), gathered(seeker, tensors, workers, device) as team:
        together = replace(images, team=team)
        vars(together).update(known)
        problem = replace(problem, images=together)
        _compare(problem)
        yield problem
        team.told(None)
    for name in sorted({"clean", "clean_logits"} & {*vars(together)}):
        vars(images).setdefault(name, vars(together)[name])


def begin(problem: UniversalProblem, begun: Begun) -> None:
    """Let the others begin what this process begins now."""
    problem.team.told(begun)


def _seeker(method: "UniversalAttack", problem: UniversalProblem, opens: Opens | None) -> Seeker:
    images = problem.given()
    network, classes = opens or _carried(problem.classifier), vars(images).get("classes")
    return Seeker(method, network, problem.threat, images.batch, images.answers, classes, autocast_around())


def _carried(classifier: Classifier) -> Carried:
    return Carried(classifier if classifier.device.type == "cpu" else _on_processor(classifier))


def _on_processor(classifier: Classifier) -> Classifier:
    copied = deepcopy(classifier)
    copied.module.cpu()
    return copied


@contextlib.contextmanager
def _share_of_threads(workers: int) -> Generator[None]:
    """Divide the threads of this process among all."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // workers))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _compare(problem: UniversalProblem) -> None:
    """Have each of the others compare what its network says of a few images with what that of the first says.

    Raises:
        RunError: they differ.
    """
    own = answers_of(problem, problem.zeros()).cpu()
    off = apart(problem.team.told(own), own)
    if off:
        raise RunError(
            f"in another process the network answers otherwise: {len(own)} answers differ {off}; a file that it is "
            "opened from may have been changed: start again, or leave workers out"
        )
