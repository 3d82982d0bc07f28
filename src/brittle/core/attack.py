"""What an attack is: frozen hyper-parameters, and a way to propose points."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar

import torch

from brittle.arguments import check_fields, fields_first
from brittle.base.rows import Rows
from brittle.classifiers.search_mode import PLAIN, SearchMode
from brittle.core.elsewhere import ELSEWHERE, unexpected
from brittle.core.probe import Probe
from brittle.core.problem import Problem, WrongPoints
from brittle.errors import InputError, UnsupportedThreat
from brittle.plugins.own_code import place_of
from brittle.threats import Threat
from brittle.types import Mask, Points
from brittle.words import with_article


@dataclass(frozen=True)
class Attack(ABC):
    """A way to propose points; its fields are its hyper-parameters, and it holds no model, norm or label.

    Attributes:
        threats: names of the threats that it has mathematics for.
        needs_radius: whether it works at a given radius; otherwise it searches for the smallest change.
        generic: whether it needs nothing of a threat but draws, projections and steepest directions, and so takes any
            threat that says it may be searched so (`Threat.generic`) beside those named.
        fits_radius: whether a radius that it does not need changes what it looks for; an audit runs it at the radius.
        gradients: whether it differentiates the network; otherwise it is a black box or a baseline (see
            `uses_gradients` for attacks around attacks).
        goes_by: what it learns of the network where it does not differentiate it: scores, decisions alone, or nothing,
            as baselines.
        dense: whether it takes networks with an answer for every pixel (`run_dense`): it asks the goal what logits
            mean, and never reads them as those of one class per image.
        adds_gradients: of an attack around attacks, whether it differentiates the network itself, beside what they do.
    """

    threats: ClassVar[tuple[str, ...]] = ("l1", "l2", "linf")
    generic: ClassVar[bool] = False
    needs_radius: ClassVar[bool] = False
    fits_radius: ClassVar[bool] = False
    gradients: ClassVar[bool] = True
    goes_by: ClassVar[Literal["scores", "decisions", "nothing"]] = "scores"
    dense: ClassVar[bool] = False
    adds_gradients: ClassVar[bool] = False

    def __post_init__(self):
        check_fields(self)

    if not TYPE_CHECKING:  # which reads the arguments off the fields

        def __new__(cls, *given: object, **named: object):
            """Say where arguments of other libraries go."""
            for name in named.keys() & ELSEWHERE:
                if name not in inspect.signature(cls.__init__).parameters:
                    raise unexpected(cls.__name__, name, ())
            return super().__new__(cls)

    def __init_subclass__(cls, **options: object):
        """Let the checks that an attack makes itself find fields of the types that it says."""
        super().__init_subclass__(**options)
        fields_first(cls)

    @abstractmethod
    def perturb(self, problem: Problem) -> None:
        """Propose points through `problem.probe`; the record keeps what is best, so nothing is returned."""

    def parts(self, classes: int | None = None) -> "list[Attack]":
        """Return the attacks that it is built around: its fields that are attacks; none for most.

        Args:
            classes: of the network, for an ensemble that chooses its members by them; by default many.
        """
        values = [getattr(self, field.name) for field in fields(self)]
        inner = [one for value in values for one in (value if isinstance(value, tuple) else (value,))]
        return [one for one in inner if isinstance(one, Attack)]

    def check(self, threat: Threat) -> None:
        """Refuse a threat that the attack has no mathematics for.

        Raises:
            UnsupportedThreat: another norm.
            InputError: no radius, where the attack needs one.
        """
        name = type(self).__name__
        if threat.name not in self.threats and not (self.generic and threat.generic):
            raise UnsupportedThreat(
                f"{name} cannot measure changes by {threat.name}; it knows {', '.join(self.threats)}"
            )
        if self.needs_radius and not threat.bounded:
            raise InputError(
                f"{name} works within a radius and {threat.name} was given none; give a finite one (--eps on the "
                f"command line, {threat.constructor_hint} in Python), or search for the smallest one (--attack "
                f"'smallest(...)', SmallestRadius({name}(...)))"
            )


@dataclass(frozen=True)
class State(Rows):
    """What a stepwise attack remembers of each image; `x` are the points it proposes next."""

    x: Points


S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class Stepwise(Attack, Generic[S]):
    """An attack that goes step by step; this is the only loop, and every point on the path is judged, the last one too.

    Attributes:
        stops: whether an image is finished as soon as its goal is met; attacks that keep improving say False.
    """

    stops: ClassVar[bool] = True

    @abstractmethod
    def start(self, problem: Problem) -> S:
        """Return the state with the first points to look at."""

    @abstractmethod
    def step(self, problem: Problem, state: S, probe: Probe) -> S:
        """Return the state with the next points, given what the network said of the current ones."""

    @abstractmethod
    def length(self, problem: Problem) -> int:
        """Return the most steps that an image takes."""

    def perturb(self, problem: Problem) -> None:
        """Step until the goal is met, the steps are used up or the budget is spent, for each image on its own."""
        state = self.start(problem)
        steps = self.length(problem)
        probe = problem.probe(state.x, graph=steps > 0 and self.differentiates(0))
        for left in reversed(range(steps)):
            keep = problem.record.left(self.over(problem, state, probe), problem.ids)
            if keep is not None:
                if not len(keep):
                    return
                problem, state, probe = problem.rows(keep), state.rows(keep), probe.rows(keep)
            state = self.step(problem, state, probe)
            problem.record.passes.add(problem.ids, iterations=1)
            probe = problem.probe(state.x, graph=left > 0 and self.differentiates(steps - left))

    def differentiates(self, done: int) -> bool:
        """Say whether the probe that follows `done` steps is to be differentiated: with gradients, every one."""
        return self.gradients

    def over(self, problem: Problem, state: S, probe: Probe) -> Mask:
        """Say for which images no further step is wanted: where the goal is met, unless the attack keeps improving."""
        return probe.met if self.stops else torch.zeros_like(probe.met)


@contextmanager
def telling_whose(attack: Attack) -> Generator[None]:
    """Within it, where an attack proposes points, what it does wrong is said of it by name.

    A context and no function around the call, for what stands above a pass is read in every error.

    Raises:
        InputError: it shows the network points of another shape than the images'.
    """
    try:
        yield
    except WrongPoints as error:
        place = place_of(error)
        raise InputError(f"{type(attack).__name__} {error}{'; see ' * bool(place)}{place}") from error


def nothing_returned(attack: Attack, returned: object) -> None:
    """Refuse what an attack's `perturb` has returned.

    Raises:
        InputError: it returns something, such as the images that it means to have found: nothing looks at these, so
            that an attack which only returns them would count as one that breaks nothing.
    """
    if returned is not None:
        raise InputError(
            f"{type(attack).__name__}.perturb returned {with_article(type(returned).__name__)}, which nothing looks "
            "at; show points to the network through problem.probe(points), which keeps the best one of each image, and "
            "return nothing"
        )


def uses_gradients(attack: Attack) -> bool:
    """Whether an attack, or for a search around attacks any of these, differentiates the network."""
    parts = attack.parts()
    return (attack.adds_gradients or any(uses_gradients(part) for part in parts)) if parts else attack.gradients


def asking(attack: Attack, problem: Problem) -> Problem:
    """Return the problem as an attack within another is to have it: without gradients, the network as it judges."""
    return problem if problem.plain is None or uses_gradients(attack) else problem.in_full()


def search_of(attack: Attack, search: SearchMode) -> SearchMode:
    """Return how an attack asks the network while it searches: one without gradients as the network is."""
    return search if uses_gradients(attack) else PLAIN


def at_least(name: str, value: float, lowest: float) -> None:
    """Refuse a hyper-parameter below its lowest value.

    Raises:
        InputError: with the name, the value and the bound.
    """
    if not value >= lowest:
        raise InputError(f"{name} is {value}; expected at least {lowest}")


def finite_length(name: str, value: float | None) -> None:
    """Refuse a length that is negative, NaN or infinite; None stands for a default.

    Raises:
        InputError: with the name and the value.
    """
    if value is not None and not 0 <= value < torch.inf:
        raise InputError(f"{name} is {value}; expected a finite number, at least 0")


def fraction_below_one(name: str, value: float) -> None:
    """Refuse a hyper-parameter that is not from 0 up to, but not including, 1.

    Raises:
        InputError: with the name and the value.
    """
    if not 0 <= value < 1:
        raise InputError(f"{name} is {value}; expected a fraction from 0 up to, but not including, 1")


def fraction(name: str, value: float) -> None:
    """Refuse a hyper-parameter that is no fraction from 0 to 1.

    Raises:
        InputError: with the name and the value.
    """
    if not 0 <= value <= 1:
        raise InputError(f"{name} is {value}; expected a fraction from 0 to 1")


def fraction_above_zero(name: str, value: float) -> None:
    """Refuse a hyper-parameter that is no fraction from just above 0 to 1.

    Raises:
        InputError: with the name, the value and the range.
    """
    if not 0 < value <= 1:
        raise InputError(f"{name} is {value}; expected a fraction above 0, at most 1")
