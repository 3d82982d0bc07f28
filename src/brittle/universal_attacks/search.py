"""The loop of every search for a universal perturbation: passes, judgement, the best one, checkpoints."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from brittle.arguments import Count, check_fields, checked, fields_first
from brittle.errors import InputError, UnsupportedThreat
from brittle.universal_attacks.course import Course, answers_of, identity_of
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.passes import first_state, one_pass
from brittle.universal_attacks.perturbation import Perturbation
from brittle.universal_attacks.problem import Judge, Pass, UniversalProblem, UniversalState
from brittle.universal_attacks.shared import Begun, begin, shared


@dataclass(frozen=True)
class UniversalAttack(ABC):
    """A way to make a universal perturbation, pass by pass; its fields are its hyper-parameters.

    Attributes:
        threats: names of the norms that it has mathematics for.
        dense: whether it takes networks with an answer for every pixel.
        keeps_best: whether the pass that the judge liked best is returned; otherwise the last one.
    """

    threats: ClassVar[tuple[str, ...]] = ("l2", "linf")
    keeps_best: ClassVar[bool] = True
    dense: ClassVar[bool] = False

    def __post_init__(self):
        check_fields(self)

    def __init_subclass__(cls, **options: object):
        """Let the checks that a method makes itself find fields of the types that it says."""
        super().__init_subclass__(**options)
        fields_first(cls)

    @property
    def needs_images(self) -> bool:
        """Whether it is made from images; otherwise from the network alone."""
        return True

    @property
    def aims_at(self) -> int | None:
        """The class that all images shall be taken for; None where any other than their own will do."""
        return None

    @property
    def only(self) -> tuple[int, ...]:
        """The classes whose images alone shall be fooled; () where all shall be."""
        return ()

    @property
    def makes(self) -> int:
        """How many perturbations it makes, of which each image is to be fooled by one."""
        return 1

    @property
    def step_images(self) -> int:
        """The images of a step that several processes can share, with `Pull`; 0 where one makes it alone."""
        return 0

    @property
    @abstractmethod
    def most_passes(self) -> int:
        """The number of passes after which it ends in any case."""

    @abstractmethod
    def start(self, problem: UniversalProblem) -> UniversalState:
        """Return the first perturbation."""

    @abstractmethod
    def advance(self, problem: UniversalProblem, state: UniversalState, number: int) -> UniversalState:
        """Make pass `number`, counted from 0."""

    def finished(self, history: Sequence[Pass]) -> bool:
        """Say whether enough is reached after these passes."""
        return False

    def check(self, problem: UniversalProblem) -> None:
        """Refuse a problem that the method cannot work on.

        Raises:
            UnsupportedThreat: another norm.
            InputError: no radius, no images where they are needed, or none of a class that they are needed of.
        """
        name = type(self).__name__
        if problem.threat.name not in self.threats:
            raise UnsupportedThreat(f"{name} works with {', '.join(self.threats)}, not with {problem.threat.name}")
        if isinstance(problem.threat.radius, Tensor) or not problem.threat.bounded or problem.radius <= 0:
            raise InputError(f"{name} needs one radius above 0, as in Lp('inf', 10 / 255)")
        pixels = problem.images is not None and problem.images.pixels
        if pixels and (self.only or not (self.dense or not self.needs_images)):
            raise InputError(
                f"{name} goes by one class per image{' with classes=' * bool(self.only)}; of networks with a "
                "class or a depth for every pixel take ascent, or a method without images"
            )
        if self.aims_at is not None and problem.images is not None and not problem.images.answers.classes:
            raise InputError(f"the target is class {self.aims_at}, and the network has depths; leave it out")
        if self.needs_images:
            self._check_classes(problem.given())
            problem.given().judge(self.aims_at, self.only)

    def _check_classes(self, images: ImageSet) -> None:
        """Refuse a target, or classes, that the network does not have."""
        target = [] if self.aims_at is None else [self.aims_at]
        count = images.classes if target or self.only or images.pixels else 0  # which looks at a clean image, too
        unknown = [one for one in (*target, *self.only) if one >= count]
        if unknown:
            what = "the target is" if target else "the classes have"
            raise InputError(f"{what} {unknown[0]}; the network has the classes 0 to {images.classes - 1}")


@checked
def find_universal(
    method: UniversalAttack,
    problem: UniversalProblem,
    judge: Judge | None = None,
    *,
    checkpoint: Path | str | None = None,
    identity: str = "",
    watch: Callable[[Pass], None] | None = None,
    workers: Count = 1,
) -> Perturbation:
    """Make a universal perturbation.

    Args:
        method: how.
        problem: for what.
        judge: looks at the perturbation after every pass; by default the fooling rate on X, or how many images of X are
            taken for the class that the method aims at. A perturbation of the worst score is better than none.
        checkpoint: a file that keeps the state after every pass; a search that was killed and is started again with the
            same arguments goes on from there, and ends with the same bits on the same device with as many workers.
        identity: names network and images, so that a checkpoint of others is not taken for one of these.
        watch: called after every pass.
        workers: so many processes of this machine share each mini-batch, one for each GPU on GPUs; `ascent`,
            `joint-ascent` and `sga` can be shared. Each takes its share of the threads.

    Returns:
        The perturbation of the pass with the best score (of the last one where the method wants that), with the
        history of the passes in `made`.

    Raises:
        InputError: a problem that the method cannot work on, of which UnsupportedThreat is a kind, or that so many
            workers cannot share.
        RunError: the checkpoint cannot be written, or is of another search; or a worker is gone.

    Example:
        >>> from brittle import Classifier, Lp
        >>> from brittle.universal_attacks.ascent import UniversalAscent
        >>> from brittle.universal_attacks.images import ImageSet
        >>> from brittle.universal_attacks.problem import UniversalProblem
        >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
        >>> some = ImageSet(Classifier(network), torch.rand(8, 1, 2, 2))
        >>> problem = UniversalProblem(some.classifier, some.shape, Lp("inf", 0.1), some)
        >>> found = find_universal(UniversalAscent(passes=2), problem)
        >>> found.size <= 0.1 + 1e-6
        True
    """
    method.check(problem)
    with shared(method, problem, workers) as together:
        return searched(method, together, judge, checkpoint=checkpoint, identity=identity, watch=watch)


def searched(
    method: UniversalAttack,
    problem: UniversalProblem,
    judge: Judge | None = None,
    *,
    checkpoint: Path | str | None = None,
    identity: str = "",
    watch: Callable[[Pass], None] | None = None,
) -> Perturbation:
    """Make a universal perturbation for a problem that was looked at, and may be `shared`; see `find_universal`."""
    checkpoint = None if checkpoint is None else Path(checkpoint)
    if judge is None:
        problem.given()
    whole = "" if checkpoint is None else identity_of(method, problem, identity)
    course = Course.load(checkpoint, whole, problem) if checkpoint is not None and checkpoint.exists() else None
    if course is None:
        begin(problem, Begun(problem.seed))
        first = first_state(method, problem)
        course = Course(first, first.perturbation, [])
    while len(course.history) < method.most_passes and not method.finished(course.history):
        number = len(course.history)
        begin(problem, Begun(problem.seed, number, course.state.moved("cpu"), judge is None))
        state, line = one_pass(method, problem, course.state, number, judge)
        better = not method.keeps_best or line.score >= max((one.score for one in course.history), default=-torch.inf)
        course = Course(state, state.perturbation if better else course.best, [*course.history, line])
        if checkpoint is not None:
            course.save(checkpoint, whole, answers_of(problem, state.perturbation))
        if watch is not None:
            watch(line)
    bounds = problem.classifier.bounds
    made: dict[str, object] = {"method": repr(method), "bounds": [bounds.lower, bounds.upper], "seed": problem.seed}
    made |= {"passes": [asdict(one) for one in course.history], "image": list(problem.shape[1:])}
    made |= {"workers": problem.team.size}
    best, more = course.best.detach().clone(), course.state.extras.get("more")
    return Perturbation(best, problem.threat, made, None if more is None else more.detach().clone())
