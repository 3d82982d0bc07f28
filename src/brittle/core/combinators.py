"""Searches around an attack, written once: restarts, the smallest radius, one attack after the other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat

import torch

from brittle.base.rows import Rows
from brittle.core.attack import Attack, asking, at_least, nothing_returned, telling_whose
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.threats import Threat


@dataclass(frozen=True)
class Restarts(Attack):
    """Run an attack several times with fresh random draws, each time only on the images not yet broken.

    Attributes:
        attack: what to run; without random draws every run is the same.
        count: how many runs.
    """

    attack: Attack
    count: int = 10

    def __post_init__(self):
        at_least("count", self.count, 1)

    def perturb(self, problem: Problem) -> None:
        """Run the attack `count` times on the survivors."""
        for attack, remaining in _in_turn(repeat(self.attack, self.count), problem):
            with telling_whose(attack):
                nothing_returned(attack, attack.perturb(asking(attack, remaining)))

    def check(self, threat: Threat) -> None:
        """Refuse what the attack refuses."""
        self.attack.check(threat)


@dataclass(frozen=True)
class Cascade(Attack):
    """Run one attack after the other, each only on the images that the earlier ones left unbroken.

    Attributes:
        attacks: in the order in which they run, cheapest first.
    """

    attacks: tuple[Attack, ...]

    def __post_init__(self):
        at_least("the number of attacks", len(self.attacks), 1)

    def perturb(self, problem: Problem) -> None:
        """Run each attack on the survivors of those before."""
        for attack, remaining in _in_turn(self.attacks, problem):
            with telling_whose(attack):
                nothing_returned(attack, attack.perturb(asking(attack, remaining)))

    def check(self, threat: Threat) -> None:
        """Refuse what any of the attacks refuses."""
        for attack in self.attacks:
            attack.check(threat)


@dataclass(frozen=True)
class SmallestRadius(Attack):
    """Turn an attack at a given radius into a minimum-norm one, by doubling and bisecting each image's radius.

    The size of what was found, not the radius tried, is the new upper end, so every run that succeeds gains at least
    half.

    Attributes:
        attack: what to run at each radius.
        steps: how many radii are tried per image.
        first: the first radius, as a fraction of the largest change that the box allows the image.
    """

    attack: Attack
    steps: int = 12
    first: float = 1 / 128

    def __post_init__(self):
        at_least("steps", self.steps, 1)
        if not 0 < self.first <= 1:
            raise InputError(f"first is {self.first}; expected a fraction of the largest change, above 0 and at most 1")

    def perturb(self, problem: Problem) -> None:
        """Try `steps` radii for each image."""
        ceiling = problem.threat.max_size(problem.images, problem.classifier.bounds)
        ceiling = torch.minimum(
            ceiling, torch.as_tensor(problem.threat.radius, dtype=ceiling.dtype, device=ceiling.device)
        )
        bracket = _Bracket(torch.zeros_like(ceiling), torch.full_like(ceiling, torch.inf), ceiling)
        radius = ceiling * self.first
        for _ in range(self.steps):
            keep = (~problem.record.spent(problem.ids)).nonzero()[:, 0]
            if not len(keep):
                return
            problem, bracket, radius = problem.rows(keep), bracket.rows(keep), radius[keep]
            trial = replace(problem, threat=problem.threat.within(radius))
            with telling_whose(self.attack):
                nothing_returned(self.attack, self.attack.perturb(asking(self.attack, trial)))
            found = problem.record.size[problem.ids]
            bracket = replace(
                bracket,
                low=torch.where(trial.solved, bracket.low, radius),
                high=torch.minimum(bracket.high, found),
            )
            radius = bracket.next(radius)

    def check(self, threat: Threat) -> None:
        """Refuse the norms that the attack refuses; a radius is not needed."""
        self.attack.check(threat if threat.bounded else threat.within(1.0))


@dataclass(frozen=True)
class _Bracket(Rows):
    """Between which radii the smallest one lies, for each image."""

    low: torch.Tensor
    high: torch.Tensor
    ceiling: torch.Tensor

    def next(self, radius: torch.Tensor) -> torch.Tensor:
        halved = (self.low + self.high) / 2
        return torch.where(torch.isfinite(self.high), halved, torch.minimum(2 * radius, self.ceiling))


def _in_turn(attacks: Iterable[Attack], problem: Problem) -> Iterator[tuple[Attack, Problem]]:
    """Yield attacks one after the other, each with the images that the earlier ones left unbroken."""
    for attack in attacks:
        problem = survivors(problem)
        if not len(problem):
            return
        yield attack, problem


def survivors(problem: Problem) -> Problem:
    """Return the part of a problem whose images are neither broken within its threat nor out of budget."""
    keep = (~(problem.solved | problem.record.spent(problem.ids))).nonzero()[:, 0]
    return problem.rows(keep) if len(keep) < len(problem) else problem
