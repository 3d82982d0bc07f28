"""Box-constrained L-BFGS."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from brittle.base.rows import Rows
from brittle.core.attack import Attack, at_least
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.maths.box import feasible
from brittle.maths.losses import cross_entropy, others
from brittle.maths.quasi_newton import ENOUGH, Pairs, boxed_step, shorter
from brittle.types import Labels, Logits, Mask, PerImage

Way = Literal["any", "runner-up", "random"]
"""What the loss of an untargeted goal asks for: to leave the label, to reach the runner-up, or a random class."""
SHORTEST = 1e-3
"""A step that brings nothing at this fraction of its length ends the descent: rounding, or a kink of the network."""


@dataclass(frozen=True)
class PointAndSlope(Rows):
    """A point that the network has seen: `x` (n, d) in units of the box, the loss and its gradient, and the verdict."""

    x: Tensor
    loss: PerImage
    gradient: Tensor
    met: Mask


@dataclass(frozen=True)
class LBFGSState(Rows):
    """Where the search stands, image by image; an image may be at its third constant while another is at its first.

    Attributes:
        clean: (n, d), in units of the box, as everything here.
        labels: the class to reach, or to leave.
        here: the point that the descent has come to.
        step, stride, fall: the next point is x + stride step; `fall` is the slope of the function along the step.
        constant: c; `met` is the largest so far that met the goal (0 for none), `unmet` the smallest that did not.
        tried: constants finished; `looks`: points looked at for the present one.
        moves, changes, count: the last moves and the changes of the loss's gradient along them, in a ring.
    """

    clean: Tensor
    labels: Labels
    here: PointAndSlope
    step: Tensor
    stride: PerImage
    fall: PerImage
    constant: PerImage
    met: PerImage
    unmet: PerImage
    tried: Tensor
    looks: Tensor
    moves: Tensor
    changes: Tensor
    count: Tensor

    def value(self, place: PointAndSlope) -> PerImage:
        """The function that is minimised, c ||r||^2 + loss."""
        return place.loss + self.constant * (place.x - self.clean).square().sum(1)

    def gradient(self, place: PointAndSlope) -> Tensor:
        """Its gradient."""
        return torch.addcmul(place.gradient, self.constant[:, None], place.x - self.clean, value=2)

    @property
    def pairs(self) -> Pairs:
        """What was learnt of the curvature, the newest first."""
        size = self.moves.shape[1]
        back = torch.arange(1, size + 1, device=self.count.device)
        order = (self.count[:, None] - back).remainder(size)
        return Pairs(self.moves, self.changes, order, self.count.clamp_max(size), 2 * self.constant)

    def learnt(self, rows: Tensor, place: PointAndSlope) -> "LBFGSState":
        """Move the images at the positions `rows` to a place, and keep the pair; the ring is written in place."""
        slot = self.count[rows] % self.moves.shape[1]
        self.moves[rows, slot] = place.x[rows] - self.here.x[rows]
        self.changes[rows, slot] = place.gradient[rows] - self.here.gradient[rows]
        moved = torch.zeros_like(self.here.met).index_fill(0, rows, True)
        return replace(self, here=place.where(moved, self.here), count=self.count + moved)

    def directed(self, which: Mask) -> "LBFGSState":
        """Give the chosen images a new step from where they are."""
        rows = which.nonzero()[:, 0]
        if not len(rows):
            return self
        part = self.rows(rows) if len(rows) < len(which) else self
        gradient = part.gradient(part.here)
        step = boxed_step(part.here.x, gradient, part.pairs)
        return replace(
            self,
            step=self.step.index_copy(0, rows, step),
            stride=self.stride.index_fill(0, rows, 1.0),
            fall=self.fall.index_copy(0, rows, torch.linalg.vecdot(gradient, step)),
        )


@dataclass(frozen=True)
class LBFGS(Attack):
    """The change that minimises c ||r||_2^2 + loss(x + r) in the box, for the largest c that still meets the goal.

    Szegedy et al., ICLR 2014, section 4.1 (arXiv:1312.6199); the loss of a targeted goal is the cross-entropy of its
    class. c is multiplied or divided by growing powers of `factor` until one constant meets the goal and one does not,
    then bisected on a logarithmic scale, for each image on its own. ||r|| is in units of the bounds' span.

    Deviations: the paper writes c |r| and asks for the smallest c; the smaller the change is to be, the larger c is,
    and the 2-norm is squared, as in the later literature. L-BFGS with projection stands in for L-BFGS-B (see
    `brittle.maths.quasi_newton`). Every constant goes on from where the one before ended, with what was learnt of the
    loss's curvature; that of c ||r||^2 is known. Untargeted goals are not in the paper: see `untargeted`.

    The loss is a cross-entropy, as published, which makes what it finds depend on the scale of the logits.

    Attributes:
        searches: most constants tried; the paper names no number.
        steps: most points looked at for one constant.
        memory: pairs kept (m of L-BFGS); 10 as in scipy's L-BFGS-B. They take 2 m images of memory for each image.
        tolerance: a descent has arrived where the gradients of the two terms cancel but for this fraction.
        decrease: or where a step brings no more than this fraction of the function's value.
        precision: the search ends when the constants that do and do not meet the goal differ by this fraction.
        factor: of the search for the two.
        constant: the first c; by default ||g||^2 / (4 loss) with g the loss's gradient at the image, which is the
            answer for an affine network of two classes far from its boundary.
        untargeted: the loss of an untargeted goal: "any" is -log(1 - p) of the label's probability p; "runner-up" and
            "random" are the cross-entropy of the likeliest other class, or of one drawn from the image's stream.

    Example:
        >>> LBFGS(untargeted="runner-up").searches
        12
    """

    threats: ClassVar[tuple[str, ...]] = ("l2",)
    searches: int = 12
    steps: int = 50
    memory: int = 10
    tolerance: float = 0.02
    decrease: float = 3e-4
    precision: float = 0.02
    factor: float = 2.0
    constant: float | None = None
    untargeted: Way = "any"

    def __post_init__(self):
        for name, least in (("searches", 1), ("steps", 1), ("memory", 1), ("tolerance", 0), ("decrease", 0)):
            at_least(name, getattr(self, name), least)
        at_least("precision", self.precision, 0)
        if not self.factor > 1:
            raise InputError(f"factor is {self.factor}; expected a number above 1, such as 2")
        if self.constant is not None and not self.constant > 0:
            raise InputError(f"constant is {self.constant}; expected a number above 0, or None to have it estimated")
        if self.untargeted not in ("any", "runner-up", "random"):
            raise InputError(f"untargeted is {self.untargeted!r}; expected any, runner-up or random")

    def perturb(self, problem: Problem) -> None:
        """Search each image's constant; all images look at one point a step, whatever they are busy with."""
        search = self._begun(problem)
        while True:
            keep = torch.logical_not(self._done(search) | problem.record.spent(problem.ids)).nonzero()[:, 0]
            if not len(keep):
                return
            if len(keep) < len(problem):
                problem, search = problem.rows(keep), search.rows(keep)
            place = self._look(
                problem, search.labels, search.clean, search.here.x + search.stride[:, None] * search.step
            )
            problem.record.iterations[problem.ids] += 1
            search = self._went_on(search, place)

    def _done(self, search: LBFGSState) -> Mask:
        close = search.unmet <= search.met * (1 + self.precision)
        return (search.tried >= self.searches) | close | (search.constant == 0)

    def _begun(self, problem: Problem) -> LBFGSState:
        """Look at the clean images, and estimate the first constants; 0 where the loss has no slope there."""
        bounds, count = problem.classifier.bounds, len(problem)
        clean = ((problem.images - bounds.lower) / bounds.span).flatten(1)
        labels = self.labels(problem)
        here = self._look(problem, labels, clean, clean)
        steep = feasible(-here.gradient, clean, 0.0, 1.0).square().sum(1)
        constant = steep / (4 * here.loss.clamp_min(0.1)) if self.constant is None else (steep > 0) * self.constant
        zero, whole = torch.zeros_like(here.loss), torch.zeros_like(labels)
        moves, changes = clean.new_zeros(2, count, self.memory, clean.shape[1])
        search = LBFGSState(
            *(clean, labels, here, torch.zeros_like(clean), zero, zero, constant.to(clean.dtype)),
            *(zero, zero + torch.inf, whole, whole, moves, changes, whole),
        )
        return search.directed(torch.ones_like(here.met))

    def labels(self, problem: Problem) -> Labels:
        """Return the class that each image is to reach, or, where any other will do, the one that it is to leave."""
        goal, classes = problem.goal, problem.clean.shape[1]
        if goal.targeted or self.untargeted == "any":
            return goal.labels
        if self.untargeted == "runner-up":
            return others(goal.distinct(problem.clean), goal.labels).argmax(1)
        drawn = (problem.streams.uniform(problem.ids, ()) * (classes - 1)).long().clamp_max(classes - 2)
        return drawn + (drawn >= goal.labels).long()

    def _look(self, problem: Problem, labels: Labels, clean: Tensor, x: Tensor) -> PointAndSlope:
        """Let the network see points given in units of the box."""
        span = problem.classifier.bounds.span
        moved = problem.images + span * (x - clean).reshape(problem.images.shape)
        probe, loss = problem.probe(moved), self._loss(problem, labels)
        return PointAndSlope(x, loss(probe.logits), span * probe.gradient(loss).flatten(1), probe.met)

    def _loss(self, problem: Problem, labels: Labels) -> Callable[[Logits], PerImage]:
        if problem.goal.targeted or self.untargeted != "any":
            return lambda logits: cross_entropy(logits, labels)
        distinct = problem.goal.distinct
        return lambda logits: distinct(logits).logsumexp(1) - others(distinct(logits), labels).logsumexp(1)

    def _went_on(self, search: LBFGSState, place: PointAndSlope) -> LBFGSState:
        """Accept or shorten the steps; where a descent has arrived, go on to the next constant."""
        before = search.value(search.here)
        rise = search.value(place) - before
        noise = 10 * torch.finfo(rise.dtype).eps * before.abs()
        accepted = rise <= ENOUGH * search.stride * search.fall + noise
        stride = torch.where(accepted, search.stride, shorter(search.stride, search.fall, rise))
        search = replace(search, stride=stride, looks=search.looks + 1).learnt(accepted.nonzero()[:, 0], place)
        arrived = accepted & (self._stationary(search) | (-rise <= self.decrease * before.abs()))
        over = arrived | (stride < SHORTEST) | (search.looks >= self.steps)
        return self._next_constant(search, over).directed(accepted | over)

    def _stationary(self, search: LBFGSState) -> Mask:
        gradient = search.gradient(search.here)
        left = feasible(-gradient, search.here.x, 0.0, 1.0).norm(dim=1)
        return left <= self.tolerance * search.here.gradient.norm(dim=1)

    def _next_constant(self, search: LBFGSState, over: Mask) -> LBFGSState:
        """Enter whether the constants that are over met the goal, and choose the next."""
        met = torch.where(over & search.here.met, search.constant, search.met)
        unmet = torch.where(over & ~search.here.met, search.constant, search.unmet)
        tried = search.tried + over
        leap = self.factor**tried
        between = torch.where(met == 0, unmet / leap, (met * unmet).sqrt())
        constant = torch.where(over, torch.where(torch.isinf(unmet), met * leap, between), search.constant)
        return replace(
            search,
            constant=constant,
            met=met,
            unmet=unmet,
            tried=tried,
            looks=torch.where(over, 0, search.looks),
        )
