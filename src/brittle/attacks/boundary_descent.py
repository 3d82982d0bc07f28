"""Boundary descent: brittle's own search for the smallest change."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from brittle.attacks.alma import ALMA
from brittle.attacks.runs import divided, far_away
from brittle.base.rows import column
from brittle.core.attack import Attack, State, Stepwise, at_least, fraction, fraction_below_one
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.maths import norms
from brittle.maths.hyperplane import shrink_to_boundary, smallest_step
from brittle.maths.losses import logit_margin, others, smooth_margin
from brittle.maths.schedule import cosine
from brittle.types import Images, Mask, PerImage

STRIDES = {1.0: 0.65, 2.0: 0.8, math.inf: 0.8}
MOMENTA = {1.0: 0.7, 2.0: 0.0, math.inf: 0.5}
LAST = 1 / 40
"""The last fraction of a run, as a fraction of the first."""
NUDGE = 1e-6
"""Added to every distance, as a fraction of the bounds' span: what float32 needs to tell both sides apart."""
REACH = 16.0
"""For l1: how far the first step may move an entry, in units of the distance to the boundary in the maximum norm."""
LEAST, MOST = 1e-4, 0.5
"""Between which the overshoot is adapted."""
FARTHER = 200
"""Steps from which on a search in l2 looks farther first."""
GIVEN_UP = 0.3
"""Most of its size that a change beyond the boundary gives up in one step."""
FARTHEST, DOUBTED = 0.25, 1.1
"""How far a step may lead: before the goal is first met, as a fraction of the largest change that the box allows, or
twice as far as the image is; afterwards, before the boundary, in units of the smallest known change."""
SHORTEST = {1.0: 30, 2.0: 30, math.inf: 48}
"""Steps of the shortest run that is made by default."""
REMOTE = 20.0
"""In l2 a far start that is more than so many times as far as the known change gives way to another class."""
SETTLES, LAST_PART, LAST_STRIDE = 5, 5, 0.3
"""With so many runs, one step in so many is left for a last one from the best point, of at most this first stride."""


@dataclass(frozen=True)
class BoundaryDescent(Attack):
    """The smallest change, by a DeepFool start and a descent along the boundary that it reaches.

    Brittle's own; not published elsewhere. Every step costs one forward and one backward pass. Until the goal is first
    met a step goes to the linearised boundary, as DeepFool's does. From there on, with g the gradient and m the margin
    at x + d, the smallest change s that the box and the linearised constraint <g, s - d> >= -m allow has a closed form
    (`smallest_step`). The walk goes a fraction of the way from d to s and is then shortened in its norm, or lengthened,
    to the linearised boundary. The fraction falls along a cosine: the walk first looks far around and settles at the
    end.

    The linear model holds near the boundary only. So beyond it a step gives up at most `GIVEN_UP` of the change; before
    it, a step that would lead farther than `DOUBTED` of the best known size goes half the way to the best point
    instead; and until the goal is first met a step stays within `FARTHEST` of what the box allows. Where a network is
    flat at the clean image, as robust ones are, the walk otherwise goes to and fro between the image and the far corner
    of the box.

    Three things more: the gradient is that of a smooth margin whose temperature falls likewise, so that all classes
    near pull before one of them decides; the overshoot beyond the linearised boundary is adapted to each image; and a
    long search is several runs, since a walk soon stands in the smallest change of its surroundings. The later ones
    begin at a random point far from the image, or go from the clean image towards the classes that are next at the best
    point of the first. Far starts find more on robust networks, other classes on plain ones: in l1 all begin far away,
    in linf they take turns, the class first, and in l2 a class is gone to where a far start would be more than `REMOTE`
    times as far as the known change. With 5 runs or more, a fifth of the steps goes into a last one that begins at the
    best point and moves less. In l1 an entry may move no farther than a reach, which grows while the linear model
    holds.

    A search in l2 of at least 200 steps leaves half of them to an augmented Lagrangian (`ALMA`, in its authors' fast
    setting and with a longer first step) before all this, which goes far into the other classes and comes to parts of
    the boundary that few walks meet.

    Related: FAB (Croce & Hein, ICML 2020) averages projections of both points, DDN (Rony et al., CVPR 2019) anneals a
    step on a sphere, FMN (Pintor et al., NeurIPS 2021) takes its radius from the distance to the boundary.

    Attributes:
        steps: backward passes in all.
        farther: fraction of the steps that the other search takes, in l2 with at least 200 steps; elsewhere none.
        runs: how many runs the others are divided into; by default one for every 30 steps, in linf for every 48.
        spread: how far from the image a far run begins: each value is moved by up to this fraction of the bounds'
            span, and back into the box.
        stride: the first fraction; by default 0.8, for l1 0.65.
        momentum: fraction of the running gradient that a step keeps; by default 0, for linf 0.5, for l1 0.7.
        smoothing: first temperature of the smooth margin, in units of the lead at the clean image.
        overshoot: the first, as a fraction of the rise from the clean image to the boundary.

    Example:
        >>> BoundaryDescent(steps=100).momentum is None
        True
    """

    threats: ClassVar[tuple[str, ...]] = ("l1", "l2", "linf")
    steps: int = 100
    farther: float = 0.5
    runs: int | None = None
    spread: float = 0.5
    stride: float | None = None
    momentum: float | None = None
    smoothing: float = 0.2
    overshoot: float = 0.02

    def __post_init__(self):
        at_least("steps", self.steps, 1)
        at_least("runs", 1 if self.runs is None else self.runs, 1)
        at_least("smoothing", self.smoothing, 0)
        fraction_below_one("farther", self.farther)
        for name in ("stride", "momentum", "overshoot", "spread"):
            fraction(name, getattr(self, name) or 0)

    def perturb(self, problem: Problem) -> None:
        """Look far where the search is long; then make the runs, the first from the clean image."""
        far = int(self.farther * self.steps) if problem.threat.name == "l2" and self.steps >= FARTHER else 0
        if far:
            ALMA(steps=far, first_distance=0.5, smoothing=0.5).perturb(problem)
        p, left = problem.lp.p, self.steps - far
        last = left // LAST_PART if len(divided(left, SHORTEST[p], self.runs)) >= SETTLES else 0
        first, *later = divided(left - last, SHORTEST[p], self.runs)
        none = torch.full_like(problem.ids, -1)
        _Run(self, first, problem.images, none).perturb(problem)
        tried, order = torch.zeros_like(none), self._order(problem) if later else none
        for number, steps in enumerate(later, 1):
            begin, aim = self._later(problem, order, tried, number)
            tried += aim >= 0
            _Run(self, steps, begin, aim).perturb(problem)
        if last:
            settling = replace(self, stride=min(LAST_STRIDE, self.first(p)))
            _Run(settling, last, problem.record.best[problem.ids], none).perturb(problem)

    def _order(self, problem: Problem) -> Tensor:
        """Return the classes in the order of their logits at the best points, but for the label and the first."""
        if problem.goal.targeted or problem.clean.shape[1] < 3 or problem.threat.name == "l1":
            return problem.ids.new_empty(len(problem), 0)
        logits = problem.probe(problem.record.best[problem.ids], graph=False).logits
        nearest = others(problem.goal.distinct(logits), problem.goal.labels)
        return nearest.sort(dim=1, descending=True, stable=True).indices[:, 1:-1]

    def _later(self, problem: Problem, order: Tensor, tried: Tensor, number: int) -> tuple[Images, Tensor]:
        """Return where a later run begins, and the class it goes to, -1 for the nearest: far away, or a class."""
        images = problem.images
        begin = far_away(problem, self.spread)
        towards = tried < order.shape[1]
        if problem.threat.name == "linf":
            towards = towards & bool(number % 2)
        else:
            towards = towards & (problem.threat.size(images, begin) > REMOTE * problem.record.size[problem.ids])
        if not bool(towards.any()):
            return begin, torch.full_like(tried, -1)
        aim = order.gather(1, tried.clamp_max(order.shape[1] - 1)[:, None])[:, 0]
        return torch.where(column(towards, images), images, begin), aim.where(towards, -1)

    def first(self, p: float) -> float:
        """Return the first fraction of the way that a walk takes."""
        return STRIDES[p] if self.stride is None else self.stride


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
class _Run(Stepwise[BoundaryDescentState]):
    """One run to the boundary and along it, from the clean image, from far away or from the best point."""

    stops: ClassVar[bool] = False
    settings: BoundaryDescent
    steps: int
    begin: Images
    aim: Tensor

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
        heat = self.settings.smoothing * problem.goal.margin(problem.clean).abs()
        overshoot, reach, average = number + self.settings.overshoot, number + math.inf, torch.zeros_like(images)
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
        kept = MOMENTA[p] if self.settings.momentum is None else self.settings.momentum
        average = kept * state.average + norms.steepest(gradient, 2)
        height = (average * state.change).flatten(1).sum(1).clamp_min(0)
        smallest = smallest_step(average, height, p, *room)
        forward = column(state.found * (self.settings.first(p) * (LAST + (1 - LAST) * fraction)), gradient)
        return torch.lerp(state.change, smallest, forward), average
