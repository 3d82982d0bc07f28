"""One run of boundary descent in l1 by short strides: from far away, along the boundary, to the image."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from brittle.attacks.boundary_run import NUDGE
from brittle.core.attack import State, Stepwise
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.maths import norms
from brittle.maths.hyperplane import smallest_step
from brittle.maths.schedule import geometric
from brittle.types import Images, Mask

OVERSHOOT = 1e-3
"""How far beyond the linearised boundary a step leads, as a fraction of the change so far."""


@dataclass(frozen=True)
class BoundaryWalkState(State):
    """Where a walk stands: `change` leads to `x`, `done` is the number of steps."""

    change: Images
    done: Tensor


@dataclass(frozen=True)
class BoundaryWalk(Stepwise[BoundaryWalkState]):
    """One walk within a trust region, for `BoundaryDescent` in l1.

    Each step solves, exactly, for the smallest change in l1 that lies within the box, moves no value by more than a
    reach, and ends on the linearised boundary: first every value goes as far back to the clean image as it may, then
    those with the steepest gradient are moved as far as that takes. The reach falls exponentially from step to step.

    A step without a reach, as `BoundaryRun` makes it, puts the whole change into the few steepest values, where the
    linear model seldom holds; this one follows the boundary. Related: the attack of Brendel, Rauber, Kuemmerer,
    Ustyuzhaninov and Bethge (NeurIPS 2019) stays on the boundary within a trust region measured in l2, and begins at
    an image of another class.

    Attributes:
        steps: how many.
        begin: points where it begins (n, c, h, w).
        reach: how far the first step may move a value, as a fraction of the bounds' span.
        last: how far the last one may.
    """

    stops: ClassVar[bool] = False
    steps: int
    begin: Images
    reach: float
    last: float

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.steps

    def over(self, problem: Problem, state: BoundaryWalkState, probe: Probe) -> Mask:
        """Within a radius an image is done as soon as it is broken."""
        return problem.solved if problem.threat.bounded else torch.zeros_like(probe.met)

    def start(self, problem: Problem) -> BoundaryWalkState:
        """Begin where the walk begins."""
        change = self.begin - problem.images
        return BoundaryWalkState(problem.images + change, change, torch.zeros_like(problem.ids))

    def step(self, problem: Problem, state: BoundaryWalkState, probe: Probe) -> BoundaryWalkState:
        """Go to the smallest change on the linearised boundary that is within reach."""
        bounds, images, now = problem.classifier.bounds, problem.images, state.change
        margin = problem.goal.margin(probe.logits) - problem.goal.confidence
        gradient = probe.gradient(problem.goal.margin)
        reach = bounds.span * geometric(self.reach, self.last, int(state.done[0]), max(1, self.steps - 1))
        lower = torch.maximum(bounds.lower - images, now - reach)
        upper = torch.minimum(bounds.upper - images, now + reach)
        nearest = torch.zeros_like(now).clamp(lower, upper)
        steepest = gradient.flatten(1).abs().amax(1)
        beyond = OVERSHOOT * norms.size(now, 1) + NUDGE * bounds.span
        missing = (gradient * (now - nearest)).flatten(1).sum(1) - margin + beyond * steepest
        change = nearest + smallest_step(gradient, missing.clamp_min(0), 1, lower - nearest, upper - nearest)
        return replace(state, x=bounds.clamp(images + change), change=change, done=state.done + 1)
