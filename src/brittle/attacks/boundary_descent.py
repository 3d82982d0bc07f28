"""Boundary descent: brittle's own search for the smallest change."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from brittle.attacks.alma import ALMA
from brittle.attacks.boundary_run import BoundaryRun
from brittle.attacks.boundary_walk import BoundaryWalk
from brittle.attacks.runs import as_many_runs, divided, far_away
from brittle.base.rows import column
from brittle.core.attack import Attack, at_least, fraction, fraction_below_one
from brittle.core.problem import Problem
from brittle.maths.losses import others
from brittle.threats.pixels import anywhere
from brittle.types import Images

STRIDES = {1.0: 0.65, 2.0: 0.8, math.inf: 0.8}
MOMENTA = {1.0: 0.7, 2.0: 0.0, math.inf: 0.5}
FARTHER = 200
"""Steps from which on a search in l2 looks farther first."""
SHORTEST = {1.0: 30, 2.0: 30, math.inf: 48}
"""Steps of the shortest run that is made by default."""
REMOTE = 20.0
"""In l2 a far start that is more than so many times as far as the known change gives way to another class."""
FIRST_REACH, LAST_REACH = 0.5, 0.005
"""How far a step of a walk in l1 may move a value at its beginning and its end, as fractions of the bounds' span."""
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
    best point and moves less.

    In l1, where the smallest step on a linear model is all in a few entries, an entry may move no farther than a reach,
    which grows while the linear model holds; and every second of the later runs is a walk by short strides
    (`BoundaryWalk`), which follows the boundary instead of jumping along it, in turns from a point far away and from
    one anywhere in the box.

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
        as_many_runs(self.runs, self.steps)
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
        self._run(problem, first, problem.images, none)
        tried, order = torch.zeros_like(none), self._order(problem) if later else none
        for number, steps in enumerate(later, 1):
            if p == 1 and number % 2:
                BoundaryWalk(steps, self._afar(problem, number), FIRST_REACH, LAST_REACH).perturb(problem)
                continue
            begin, aim = self._later(problem, order, tried, number)
            tried += aim >= 0
            self._run(problem, steps, begin, aim)
        if last:
            self._run(problem, last, problem.record.best[problem.ids], none, LAST_STRIDE)

    def _run(self, problem: Problem, steps: int, begin: Images, aim: Tensor, most: float = 1.0) -> None:
        """Make one run, of at most this first stride."""
        p = problem.lp.p
        stride = min(STRIDES[p] if self.stride is None else self.stride, most)
        momentum = MOMENTA[p] if self.momentum is None else self.momentum
        BoundaryRun(steps, begin, aim, stride, momentum, self.smoothing, self.overshoot).perturb(problem)

    def _afar(self, problem: Problem, number: int) -> Images:
        """Return where a walk in l1 begins: every second time anywhere in the box."""
        shape, bounds = tuple(problem.images.shape[1:]), problem.classifier.bounds
        return (
            anywhere(shape, problem.streams, problem.ids, bounds) if number % 4 == 3 else far_away(problem, self.spread)
        )

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
