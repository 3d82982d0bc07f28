"""One run of boundary descent: to the boundary and along it."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from brittle.base.rows import column
from brittle.core.attack import State, Stepwise
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.maths import norms
from brittle.maths.hyperplane import shrink_to_boundary, smallest_step
from brittle.maths.losses import logit_margin, smooth_margin
from brittle.maths.schedule import cosine
from brittle.types import Images, Mask, PerImage

LAST = 1 / 40
"""The last fraction of a run, as a fraction of the first."""
NUDGE = 1e-6
"""Added to every distance, as a fraction of the bounds' span: what float32 needs to tell both sides apart."""
REACH = 16.0
"""For l1: how far the first step may move an entry, in units of the distance to the boundary in the maximum norm."""
LEAST, MOST = 1e-4, 0.5
"""Between which the overshoot is adapted."""
GIVEN_UP = 0.3
"""Most of its size that a change beyond the boundary gives up in one step."""
FARTHEST, DOUBTED = 0.25, 1.1
"""How far a step may lead: before the goal is first met, as a fraction of the largest change that the box allows, or
twice as far as the image is; afterwards, before the boundary, in units of the smallest known change."""


@dataclass(frozen=True)
class BoundaryDescentState(State):
    """Where a run stands: `change` leads to `x`; the rest is learnt on the way.

    `average` is the running gradient, `overshoot` and `reach` are adapted, `found` says whether the run has met the
    goal, `heat` is the first temperature, `aim` the class it goes to (-1 for the nearest), `done` the number of steps.
    """

    change: Images
    average: Images
    overshoot: PerImage
    reach: PerImage
    found: Tensor
    heat: PerImage
    aim: Tensor
    done: Tensor


@dataclass(frozen=True)
class BoundaryRun(Stepwise[BoundaryDescentState]):
    """One run to the boundary and along it, as `BoundaryDescent` says.

    Attributes:
        steps: how many.
        begin: points where it begins (n, c, h, w): the clean images, far away, or the best points.
        aim: the class that each goes to (n,), -1 for the nearest.
        stride: the first fraction of the way to the smallest change that the linear model allows.
        momentum: fraction of the running gradient that a step keeps.
        smoothing: first temperature of the smooth margin, in units of the lead at the clean image.
        overshoot: the first, as a fraction of the rise from the clean image to the boundary.
    """

    stops: ClassVar[bool] = False
    steps: int
    begin: Images
    aim: Tensor
    stride: float
    momentum: float
    smoothing: float
    overshoot: float

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.steps

    def over(self, problem: Problem, state: BoundaryDescentState, probe: Probe) -> Mask:
        """Within a radius an image is done as soon as it is broken."""
        return problem.solved if problem.threat.bounded else torch.zeros_like(probe.met)

    def start(self, problem: Problem) -> BoundaryDescentState:
        """Begin where the run begins."""
        images, number = problem.images, problem.images.new_zeros(len(problem))
        change = self.begin - images
        done = torch.zeros(len(problem), dtype=torch.int64, device=images.device)
        heat = self.smoothing * problem.goal.margin(problem.clean).abs()
        overshoot, reach, average = number + self.overshoot, number + math.inf, torch.zeros_like(images)
        return BoundaryDescentState(
            images + change, change, average, overshoot, reach, done.bool(), heat, self.aim, done
        )

    def step(self, problem: Problem, state: BoundaryDescentState, probe: Probe) -> BoundaryDescentState:
        """Go to the linearised boundary, or along it once it was crossed."""
        threat = problem.lp
        fraction = cosine(1, 0, int(state.done[0]), max(1, self.steps - 1))
        margin, gradient = self._margin(problem, state, probe, fraction)
        norm = norms.size(gradient, threat.dual).clamp_min(torch.finfo(gradient.dtype).tiny ** 0.5)
        state = self._adapted(problem, state, probe, margin, gradient)
        lower, upper = self._room(problem, state)
        along = (gradient * state.change).flatten(1).sum(1)
        rise = (along - margin).clamp_min(0)
        wanted = rise * (1 + state.overshoot) + NUDGE * problem.classifier.bounds.span * norm
        change, average = self._blended(state, gradient, threat.p, (lower, upper), fraction)
        reached = (gradient * change).flatten(1).sum(1)
        shorter = shrink_to_boundary(change, gradient, wanted, threat.p, lower, upper)
        missing = (wanted - reached).clamp_min(0)
        longer = change + smallest_step(
            gradient, missing, threat.p, (lower - change).clamp_max(0), (upper - change).clamp_min(0)
        )
        proposal = torch.where(column(reached >= wanted, change), shorter, longer)
        change = self._held(problem, state, proposal, beyond=margin > 0)
        return replace(state, x=problem.images + change, change=change, average=average, done=state.done + 1)

    def _margin(
        self, problem: Problem, state: BoundaryDescentState, probe: Probe, fraction: float
    ) -> tuple[PerImage, Images]:
        """Return the margin of the boundary that is followed, and the gradient of its smooth form."""
        goal, heat = problem.goal, state.heat * fraction
        sign = 1 if goal.targeted else -1
        margin, aimed = goal.margin(probe.logits), state.aim >= 0

        def smooth(logits: Tensor) -> PerImage:
            return sign * smooth_margin(goal.distinct(logits), goal.labels, heat)

        if not bool(aimed.any()):
            return margin - goal.confidence, probe.gradient(smooth)

        def gap(logits: Tensor) -> PerImage:
            pair = logits.gather(1, torch.stack([state.aim.clamp_min(0), goal.labels], 1))
            return pair[:, 0] - pair[:, 1]

        margin = torch.where(aimed, gap(probe.logits), margin) - goal.confidence
        return margin, probe.gradient(lambda logits: torch.where(aimed, gap(logits), smooth(logits)))

    def _adapted(
        self, problem: Problem, state: BoundaryDescentState, probe: Probe, margin: PerImage, gradient: Images
    ) -> BoundaryDescentState:
        """Learn from the last step: how far to overshoot, and in l1 how far an entry may go."""
        beyond = margin > 0
        span = problem.classifier.bounds.span
        if not int(state.done[0]):
            steepness = gradient.abs().flatten(1).sum(1).clamp_min(torch.finfo(gradient.dtype).tiny)
            return replace(state, reach=(REACH * margin.abs() / steepness).clamp_max(span))
        overshoot = (state.overshoot * torch.where(beyond, 0.75, 1.5)).clamp(LEAST, MOST)
        clean = logit_margin(problem.goal.distinct(problem.clean), problem.labels).abs()
        found = state.found | probe.met | beyond
        shrinks = (margin < -clean / 3) & found  # where nothing was found yet it must get farther
        reach = state.reach * torch.where(shrinks, 0.5, torch.where(margin > -clean / 10, 1.5, 1.0))
        return replace(state, overshoot=overshoot, reach=reach.clamp_max(span), found=found)

    def _held(self, problem: Problem, state: BoundaryDescentState, proposal: Images, beyond: Mask) -> Images:
        """Hold a step to where the linear model can be trusted."""
        p, tiny = problem.lp.p, torch.finfo(proposal.dtype).tiny
        now, new = norms.size(state.change, p), norms.size(proposal, p)
        fraction = (GIVEN_UP * now / (now - new).clamp_min(tiny)).clamp_max(1)
        everything = torch.full_like(now, problem.classifier.bounds.span * proposal[0].numel() ** (1 / p))
        first = (torch.maximum(FARTHEST * everything, 2 * now) / new.clamp_min(tiny)).clamp_max(1)
        fraction = torch.where(beyond, fraction, torch.where(state.found, 1.0, first))
        held = torch.lerp(state.change, proposal, column(fraction, proposal))
        doubted = column(~beyond & state.found & (new > DOUBTED * problem.record.size[problem.ids]), held)
        best = problem.record.best[problem.ids] - problem.images
        return torch.where(doubted, (state.change + best) / 2, held)

    def _room(self, problem: Problem, state: BoundaryDescentState) -> tuple[Images, Images]:
        """Return between what the change of each entry must lie."""
        bounds, images = problem.classifier.bounds, problem.images
        lower, upper = bounds.lower - images, bounds.upper - images
        if problem.threat.name != "l1":
            return lower, upper
        reach = column(state.reach, images)
        return torch.maximum(lower, -reach), torch.minimum(upper, reach)

    def _blended(
        self, state: BoundaryDescentState, gradient: Images, p: float, room: tuple[Images, Images], fraction: float
    ) -> tuple[Images, Images]:
        """Go a fraction of the way to the smallest change at the same height; none before the boundary was crossed."""
        average = self.momentum * state.average + norms.steepest(gradient, 2)
        height = (average * state.change).flatten(1).sum(1).clamp_min(0)
        smallest = smallest_step(average, height, p, *room)
        forward = column(state.found * (self.stride * (LAST + (1 - LAST) * fraction)), gradient)
        return torch.lerp(state.change, smallest, forward), average
