"""FMN, the fast minimum-norm attack."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from brittle.core.attack import State, Stepwise, at_least, fraction_below_one
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.maths import norms
from brittle.maths.box import feasible
from brittle.maths.schedule import cosine
from brittle.types import Mask, PerImage


@dataclass(frozen=True)
class FMNState(State):
    """The points proposed next, and the ball that each image's change is kept in.

    Attributes:
        radius: eps, (n,).
        smallest: the smallest change so far that met the goal, infinite before there is one, (n,).
        done: how many steps have been made.
    """

    radius: PerImage
    smallest: PerImage
    done: int = 0


@dataclass(frozen=True)
class FMN(Stepwise[FMNState]):
    """The smallest change, within balls that shrink where the goal is met and grow where it is not.

    Pintor et al., NeurIPS 2021, algorithm 1 (arXiv:2102.12827): step by alpha along the gradient of the margin,
    normalised in the 2-norm; project on the ball of radius eps, and on the box. eps falls by the fraction gamma where
    the goal is met, and to the smallest change known; elsewhere it grows by gamma, or, before the first success, to the
    size of the change plus the distance to the linearised boundary. For l0, eps counts values (channels of pixels),
    begins at 1 and changes by 1 at least. alpha and gamma fall along cosines.

    Deviations: values at the box's edge that the gradient pushes against it are left out of the gradient, both in the
    step and in the distance (`inward`); otherwise they use up the ball, the clipped change stays as it is, and some
    images are never broken. Before an image's first success its l0 count grows by gamma's first value: in K steps it
    would otherwise reach about K values (`inward` again). The distance to the boundary is lengthened a little
    (`nudge`): where the network is linear, images otherwise stay on the boundary. Where eps would become the smallest
    change known, it becomes smaller by gamma: another change of the same size would be no better.

    Attributes:
        steps: K; 100. More of them make the changes smaller.
        first_stride: alpha at first, as a fraction of the bounds' span; by default 1, and 10 for linf, where a step of
            2-norm 1 is spread over all values.
        last_stride: alpha in the end; by default a hundredth of the first.
        first_gamma, last_gamma: gamma at first and in the end; 0.05 and 0.001.
        inward: as said under Deviations; False is as published.
        nudge: added to the distance, as a fraction of the bounds' span; 1e-4 as in DeepFool, 0 is as published.

    Example:
        >>> FMN(steps=1000).first_gamma
        0.05
    """

    threats: ClassVar[tuple[str, ...]] = ("l0", "l1", "l2", "linf")
    stops: ClassVar[bool] = False
    steps: int = 100
    first_stride: float | None = None
    last_stride: float | None = None
    first_gamma: float = 0.05
    last_gamma: float = 0.001
    inward: bool = True
    nudge: float = 1e-4

    def __post_init__(self):
        at_least("steps", self.steps, 1)
        at_least("first_stride", 0 if self.first_stride is None else self.first_stride, 0)
        at_least("last_stride", 0 if self.last_stride is None else self.last_stride, 0)
        at_least("nudge", self.nudge, 0)
        for name, value in (("first_gamma", self.first_gamma), ("last_gamma", self.last_gamma)):
            fraction_below_one(name, value)

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.steps

    def start(self, problem: Problem) -> FMNState:
        """Begin at the clean image, for l0 with a single value to change."""
        infinite = torch.full_like(problem.images[:, 0, 0, 0], torch.inf)
        radius = torch.ones_like(infinite) if problem.lp.p == 0 else infinite
        return FMNState(problem.images, radius, infinite)

    def step(self, problem: Problem, state: FMNState, probe: Probe) -> FMNState:
        """Climb along the gradient, and project on the next ball."""
        threat, bounds = problem.lp, problem.classifier.bounds
        gradient = probe.gradient(problem.goal.margin)
        if self.inward:
            gradient = feasible(gradient, probe.points, bounds.lower, bounds.upper)
        size, met = threat.size(problem.images, probe.points), problem.goal.met(probe.logits)
        smallest = torch.where(met, torch.minimum(state.smallest, size), state.smallest)
        if threat.p == 0:
            radius = self._count(state, met, smallest)
        else:
            missing = (problem.goal.confidence - problem.goal.margin(probe.logits)).abs()
            distance = missing / norms.size(gradient, threat.dual).clamp_min(torch.finfo(gradient.dtype).tiny ** 0.5)
            radius = self._radius(state, met, smallest, size + distance + self.nudge * bounds.span)
        radius = torch.minimum(radius, threat.max_size(problem.images, bounds))
        moved = probe.points + self._stride(threat.p, state.done) * bounds.span * norms.steepest(gradient, 2)
        change = norms.project(moved - problem.images, threat.p, radius)
        return FMNState(problem.images + change, radius, smallest, state.done + 1)

    def _stride(self, p: float, done: int) -> float:
        first = (10.0 if p == math.inf else 1.0) if self.first_stride is None else self.first_stride
        last = first / 100 if self.last_stride is None else self.last_stride
        return cosine(first, last, done, self.steps)

    def _radius(self, state: FMNState, met: Mask, smallest: PerImage, boundary: PerImage) -> PerImage:
        """Change each radius by the fraction gamma; before the first success reach for the boundary."""
        gamma = cosine(self.first_gamma, self.last_gamma, state.done, self.steps)
        grown = torch.where(torch.isfinite(smallest), state.radius * (1 + gamma), boundary)
        shrunk = state.radius * (1 - gamma)
        shrunk = torch.where(shrunk < smallest, shrunk, smallest * (1 - gamma))
        return torch.where(met, shrunk, grown)

    def _count(self, state: FMNState, met: Mask, smallest: PerImage) -> PerImage:
        """Change each number of values by the fraction gamma, and by one at least."""
        count, gamma = state.radius, cosine(self.first_gamma, self.last_gamma, state.done, self.steps)
        searching = torch.isinf(smallest) & self.inward
        fraction = torch.where(searching, self.first_gamma, torch.full_like(count, gamma))
        fewer = torch.minimum(torch.minimum(count - 1, (count * (1 - gamma)).floor()), smallest)
        more = torch.maximum(count + 1, (count * (1 + fraction)).floor())
        return torch.where(met, fewer, more).clamp_min(0)
