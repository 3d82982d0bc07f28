"""NES and SPSA: ascent along gradients that are estimated from scores by finite differences along random directions."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from brittle.attacks.moments import Moments
from brittle.attacks.objective import Loss, objective
from brittle.core.attack import State, Stepwise, at_least
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.types import Images


@dataclass(frozen=True)
class EstimatedAscentState(State):
    """Where each image stands; `x` is the point judged next.

    Attributes:
        moments: of the gradients so far.
    """

    moments: Moments


@dataclass(frozen=True)
class EstimatedAscent(Stepwise[EstimatedAscentState]):
    """What NES and SPSA have in common: g = mean of (L(x + delta u) - L(x - delta u)) / (2 delta) u over random u.

    Attributes:
        draws: points of one estimate, two for each direction.
        steps: most steps; each costs `draws` + 1 queries.
        delta: how far away the points are, as a fraction of the bounds' span.
        stride: length of a step, as a fraction of the bounds' span.
    """

    threats: ClassVar[tuple[str, ...]] = ("l2", "linf")
    needs_radius: ClassVar[bool] = True
    gradients: ClassVar[bool] = False
    loss: ClassVar[Loss] = "cross_entropy"
    draws: int = 50
    steps: int = 100
    delta: float = 0.01
    stride: float = 0.01

    def __post_init__(self):
        at_least("draws", self.draws, 2)
        at_least("steps", self.steps, 0)
        for name, value in (("delta", self.delta), ("stride", self.stride)):
            if not value > 0:
                raise InputError(f"{name} is {value}; expected a fraction of the bounds' span, above 0")

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.steps

    def start(self, problem: Problem) -> EstimatedAscentState:
        """Begin at the clean image."""
        return EstimatedAscentState(problem.images, Moments.none(problem.images))

    def step(self, problem: Problem, state: EstimatedAscentState, probe: Probe) -> EstimatedAscentState:
        """Estimate the gradient, and go along it within the radius."""
        moments = state.moments.with_gradient(self.slope(problem, probe.points))
        moved = probe.points + self.stride * problem.classifier.bounds.span * self.way(problem, moments)
        return replace(state, x=problem.threat.project(problem.images, moved), moments=moments)

    def slope(self, problem: Problem, points: Images) -> Images:
        """Estimate the gradient of the loss at points, by the images of one forward pass at a time."""
        together = max(1, problem.max_points // (2 * (self.draws // 2)))
        places = torch.arange(len(problem), device=points.device)
        return torch.cat([self._slope(problem.rows(part), points[part]) for part in places.split(together)])

    def _slope(self, problem: Problem, points: Images) -> Images:
        pairs = self.draws // 2
        reach = self.delta * problem.classifier.bounds.span
        drawn = self.drawn(problem, (pairs, *points.shape[1:]))
        near = torch.cat([points[:, None] + reach * drawn, points[:, None] - reach * drawn], 1)
        of = torch.arange(len(points), device=points.device).repeat_interleave(2 * pairs)
        probe = problem.probe(near.flatten(0, 1), of=of, graph=False)
        values = objective(problem.rows(of), self.loss)(probe.logits).reshape(len(points), 2, pairs)
        rises = (values[:, 0] - values[:, 1]) / (2 * reach)
        return (rises[:, :, None, None, None] * drawn).mean(1)

    @abstractmethod
    def drawn(self, problem: Problem, shape: tuple[int, ...]) -> Tensor:
        """Draw directions of unit variance in each value, (n, *shape)."""

    @abstractmethod
    def way(self, problem: Problem, moments: Moments) -> Images:
        """Return the direction of the next step."""


@dataclass(frozen=True)
class NES(EstimatedAscent):
    """Projected ascent along gradients estimated with pairs of Gaussian directions, from scores alone.

    Ilyas, Engstrom, Athalye, Lin, ICML 2018 (arXiv:1804.08598), sections 2.1 and 2.2: natural evolution strategies with
    antithetic sampling, then a step along the sign of the estimate (l2: along the estimate). As in their code the
    estimates are averaged with a momentum of 0.9. The cross-entropy depends on the scale of the logits.

    Deviations: the stride is not halved on plateaus, as their code does; points outside the bounds are clamped.

    Attributes:
        draws: n, points of one estimate; 50 in the paper.
        steps: most steps; each costs `draws` + 1 queries. 196 are the paper's 10,000 queries.
        delta: sigma, as a fraction of the bounds' span; 0.001 in the paper.
        stride: as a fraction of the bounds' span; 0.01 in the paper.

    Example:
        >>> NES(steps=20).draws
        50
    """

    draws: int = 50
    steps: int = 196
    delta: float = 0.001
    stride: float = 0.01

    def drawn(self, problem: Problem, shape: tuple[int, ...]) -> Tensor:
        """Draw from the normal distribution."""
        return problem.streams.normal(problem.ids, shape)

    def way(self, problem: Problem, moments: Moments) -> Images:
        """The steepest direction of the mean estimate."""
        return problem.lp.steepest(moments.first)


@dataclass(frozen=True)
class SPSA(EstimatedAscent):
    """Projected Adam along gradients estimated with pairs of random signs, from scores alone.

    Uesato, O'Donoghue, van den Oord, Kohli, ICML 2018 (arXiv:1802.05666), algorithm 1: simultaneous perturbation
    stochastic approximation (Spall 1992) of the margin of the logits, with Adam in place of plain ascent.

    Attributes:
        draws: n, points of one estimate; 128 is the least number of their experiments, 8192 the largest.
        steps: most steps; each costs `draws` + 1 queries. 100 in the paper.
        delta: as a fraction of the bounds' span; 0.01 in the paper.
        stride: Adam's step size, as a fraction of the bounds' span; 0.01 in the paper.

    Example:
        >>> SPSA(draws=256).steps
        100
    """

    loss: ClassVar[Loss] = "margin"
    draws: int = 128
    steps: int = 100
    delta: float = 0.01
    stride: float = 0.01

    def drawn(self, problem: Problem, shape: tuple[int, ...]) -> Tensor:
        """Draw signs."""
        return problem.streams.signs(problem.ids, shape)

    def way(self, problem: Problem, moments: Moments) -> Images:
        """Adam's direction."""
        return moments.direction
