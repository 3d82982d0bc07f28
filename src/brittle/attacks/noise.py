"""Baselines without gradients: random noise within the radius, and the nearest boundary along random directions."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from brittle.base.rows import Rows, column
from brittle.core.attack import Attack, at_least
from brittle.core.combinators import Restarts
from brittle.core.problem import Problem
from brittle.maths import norms
from brittle.types import Images


@dataclass(frozen=True)
class RandomNoise(Attack):
    """Random changes within the radius; an attack that does no better than this finds nothing.

    Uniform in the ball: for linf each value is uniform in +-radius, for flow each vector in the disc. Carlini et al.
    2019, "On evaluating adversarial robustness", section 5.3, ask for it.

    Attributes:
        draws: how many changes are tried per image, until one succeeds.

    Example:
        >>> RandomNoise().draws
        100
    """

    threats: ClassVar[tuple[str, ...]] = ("l0", "l1", "l2", "linf", "pixels", "flow", "patch", "frame")
    generic: ClassVar[bool] = True
    gradients: ClassVar[bool] = False
    goes_by = "nothing"
    needs_radius: ClassVar[bool] = True
    draws: int = 100

    def __post_init__(self):
        at_least("draws", self.draws, 1)

    def perturb(self, problem: Problem) -> None:
        """Look at one draw after the other."""
        Restarts(_Draw(), self.draws).perturb(problem)


@dataclass(frozen=True)
class _Draw(Attack):
    """One random change."""

    def perturb(self, problem: Problem) -> None:
        """Look at it."""
        bounds = problem.classifier.bounds
        problem.probe(problem.threat.draw(problem.images, problem.streams, problem.ids, bounds), graph=False)
        problem.record.iterations[problem.ids] += 1


@dataclass(frozen=True)
class RandomDirection(Attack):
    """The smallest change along random directions: how far away the boundary is where nobody looks for it.

    Looks at x + t d for random d of p-norm 1; t is doubled until the goal is met, then bisected. The baseline of Fawzi,
    Moosavi-Dezfooli, Frossard, NeurIPS 2016 ("Robustness of classifiers: from adversarial to random noise").

    Attributes:
        directions: how many are tried per image; the best counts.
        doublings: the first length is the box's span (linf) or the norm of the farthest corner, halved so many times,
            then doubled until it succeeds.
        bisections: how often the bracket is then halved.

    Example:
        >>> RandomDirection(directions=5).directions
        5
    """

    threats: ClassVar[tuple[str, ...]] = ("l1", "l2", "linf")
    gradients: ClassVar[bool] = False
    goes_by = "nothing"
    directions: int = 10
    doublings: int = 8
    bisections: int = 10

    def __post_init__(self):
        at_least("directions", self.directions, 1)
        at_least("doublings", self.doublings, 0)
        at_least("bisections", self.bisections, 0)

    def perturb(self, problem: Problem) -> None:
        """Search along one direction after the other."""
        for _ in range(self.directions):
            keep = (~problem.record.spent(problem.ids)).nonzero()[:, 0]
            if not len(keep):
                return
            problem = problem.rows(keep)
            threat = problem.lp
            bounds = problem.classifier.bounds
            draw = threat.within(1.0).draw(problem.images, problem.streams, problem.ids, bounds) - problem.images
            self._along(problem, draw / column(norms.size(draw, threat.p), draw))

    def _along(self, problem: Problem, direction: Images) -> None:
        low = torch.zeros_like(problem.clean[:, 0])
        length = problem.threat.max_size(problem.images, problem.classifier.bounds) * 2.0**-self.doublings
        bracket = _Lengths(low, torch.full_like(low, torch.inf), length)
        for turn in range(self.doublings + 1 + self.bisections):
            growing = torch.isinf(bracket.high)
            keep = (~growing | (turn <= self.doublings)).nonzero()[:, 0]
            problem, direction, bracket = problem.rows(keep), direction[keep], bracket.rows(keep)
            if not len(keep):
                return
            met = problem.probe(problem.images + column(bracket.length, direction) * direction, graph=False).met
            problem.record.iterations[problem.ids] += 1
            bracket = bracket.halved(met)


@dataclass(frozen=True)
class _Lengths(Rows):
    """Between which lengths the boundary lies, and which one is tried next."""

    low: Tensor
    high: Tensor
    length: Tensor

    def halved(self, met: Tensor) -> "_Lengths":
        low, high = torch.where(met, self.low, self.length), torch.where(met, self.length, self.high)
        return _Lengths(low, high, torch.where(torch.isinf(high), 2 * self.length, (low + high) / 2))
