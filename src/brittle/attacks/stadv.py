"""Spatially transformed adversarial examples: the smoothest deformation that misleads."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from brittle.attacks.objective import logit_scale
from brittle.base.rows import Rows, column
from brittle.core.attack import State, Stepwise, at_least
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.maths import geometry
from brittle.maths.quasi_newton import CURVED, ENOUGH, Pairs, shorter, two_loop
from brittle.types import Fields, Mask, PerImage

SHORTEST = 1e-3
"""A step that brings nothing at this fraction of its length brings nothing at all."""
PATIENCE = 3
"""A descent has arrived once so many steps in a row brought next to nothing."""
RELAXED = 0.1
"""What tau is multiplied by where the descent has arrived short of its goal."""


@dataclass(frozen=True)
class PointAndSlope(Rows):
    """A field that the network has seen.

    Attributes:
        field: (n, 2, h, w), in pixels.
        lacking: by how much the margin falls short of kappa, in logits (n,).
        pull: its gradient by the field.
        spread: the variation of the field, in pixels (n,).
        tension: its gradient by the field.
    """

    field: Fields
    lacking: PerImage
    pull: Fields
    spread: PerImage
    tension: Fields

    @staticmethod
    def unseen(field: Fields) -> "PointAndSlope":
        """Stand for a place that any other is better than."""
        none = field.new_zeros(len(field))
        return PointAndSlope(field, none + torch.inf, torch.zeros_like(field), none, torch.zeros_like(field))

    def value(self, tau: PerImage) -> PerImage:
        """The function that is minimised."""
        return self.lacking + tau * self.spread

    def gradient(self, tau: PerImage) -> Fields:
        """Its gradient."""
        return self.pull + column(tau, self.pull) * self.tension


@dataclass(frozen=True)
class SpatiallyTransformedState(State):
    """Where each image's descent stands; `x` is here.field + stride step.

    Attributes:
        here: the place it has come to.
        step: the quasi-Newton step from there, stride how much of it is tried.
        fall: the slope of the function along the step.
        tau: the weight of the variation.
        idle: how many steps in a row have brought next to nothing.
        done: whether no further step is wanted.
        moves, changes, count: the last moves and changes of the gradient, (n, memory, 2 h w), in a ring.
    """

    here: PointAndSlope
    step: Fields
    stride: PerImage
    fall: PerImage
    tau: PerImage
    idle: PerImage
    done: Mask
    moves: Tensor
    changes: Tensor
    count: Tensor

    @property
    def pairs(self) -> Pairs:
        """What was learnt of the curvature, the newest first."""
        size = self.moves.shape[1]
        order = (self.count[:, None] - torch.arange(1, size + 1, device=self.count.device)).remainder(size)
        return Pairs(self.moves, self.changes, order, self.count.clamp_max(size), torch.zeros_like(self.tau))

    def moved(self, accepted: Mask, place: PointAndSlope) -> "SpatiallyTransformedState":
        """Go to a place where it was accepted, and learn from the way there; the ring is written in place."""
        rows = (accepted & torch.isfinite(self.here.lacking)).nonzero()[:, 0]
        slot, tau = self.count[rows] % self.moves.shape[1], self.tau[rows]
        new, old = place.rows(rows), self.here.rows(rows)
        self.moves[rows, slot] = (new.field - old.field).flatten(1)
        self.changes[rows, slot] = (new.gradient(tau) - old.gradient(tau)).flatten(1)
        return replace(self, here=place.where(accepted, self.here), count=self.count.index_add(0, rows, slot * 0 + 1))


@dataclass(frozen=True)
class SpatiallyTransformed(Stepwise[SpatiallyTransformedState]):
    """The smoothest deformation that misleads: minimises what the margin lacks plus tau times the field's variation.

    stAdv: Xiao, Zhu, Li, He, Liu, Song, ICLR 2018, section 3 (arXiv:1801.02612). L(field) = max(max_{i != t} Z_i - Z_t,
    -kappa) + tau L_flow(field) (equations 2 and 3; without a target, the label's lead over the other classes), L_flow
    the sum over the pixels and their four neighbours of the length of the difference of their vectors (equation 4,
    `brittle.maths.geometry.variation`). kappa is the goal's `confidence`. L-BFGS with a backtracking line search, as in
    the paper; every image has its own memory and its own line search, all of them share the passes. Of all fields that
    met the goal the one with the smallest T-norm is returned. Within a radius fields are projected on it: the target of
    every quasi-Newton step is, so that the line search stays within.

    Deviations: a difference of length d counts as sqrt(d^2 + softness^2) - softness, for d has no derivative at 0,
    where all differences begin. No step moves a pixel farther than `stride`: an image is linear between neighbouring
    pixels at most. Where the descent arrives without ever having met the goal, it goes on with a tenth of tau; in the
    paper tau is fixed. A line search that finds nothing forgets what was learnt and tries the gradient once.

    What is lacking is in logits, as published, so that tau depends on the scale of the logits; not so with `scaled`.

    Attributes:
        steps: most fields looked at after the first; the paper names no number.
        tau: the weight of the variation, in logits per pixel; 0.05 in the paper.
        softness: of the variation, in pixels.
        stride: the T-norm of the longest step, in pixels.
        memory: pairs kept (m of L-BFGS); they take 4 m planes of memory for each image.
        scaled: bring the clean image's logits to a standard deviation of 5 over the classes first (`SPREAD` of
            `brittle.attacks.objective`), so that tau means the same for k times the same network.
        decrease: a step that brings no more than this fraction of the function's value brings next to nothing.

    Example:
        >>> SpatiallyTransformed(steps=50).tau
        0.05
    """

    fits_radius: ClassVar[bool] = True
    threats: ClassVar[tuple[str, ...]] = ("flow",)
    stops: ClassVar[bool] = False
    steps: int = 100
    tau: float = 0.05
    softness: float = 0.1
    stride: float = 0.5
    memory: int = 10
    decrease: float = 0.01
    scaled: bool = False

    def __post_init__(self):
        for name, least in (("steps", 1), ("tau", 0), ("memory", 1), ("decrease", 0)):
            at_least(name, getattr(self, name), least)
        for name in ("softness", "stride"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; expected a number of pixels, above 0")

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.steps

    def start(self, problem: Problem) -> SpatiallyTransformedState:
        """Begin without a deformation."""
        field, none = problem.threat.zero(problem.images), torch.zeros_like(problem.clean[:, 0])
        ring = field.new_zeros(2, len(field), self.memory, field[:1].numel())
        here, count = PointAndSlope.unseen(field), torch.zeros_like(problem.ids)
        return SpatiallyTransformedState(
            field, here, field, none + 1, none, none + self.tau, none, none.bool(), ring[0], ring[1], count
        )

    def over(self, problem: Problem, state: SpatiallyTransformedState, probe: Probe) -> Mask:
        """An image leaves where the descent has arrived; until then it keeps improving."""
        return state.done

    def step(self, problem: Problem, state: SpatiallyTransformedState, probe: Probe) -> SpatiallyTransformedState:
        """Accept or shorten the last step; where it was accepted, choose the next."""
        place, before = self._place(problem, state.x, probe), state.here.value(state.tau)
        rise = place.value(state.tau) - before
        noise = 10 * torch.finfo(rise.dtype).eps * before
        accepted = rise <= ENOUGH * state.stride * state.fall + noise
        stride = torch.where(accepted, state.stride, shorter(state.stride, state.fall, rise))
        stuck, little = ~accepted & (stride < SHORTEST), accepted & (-rise <= self.decrease * before)
        arrived = stuck & (state.count == 0)
        idle = torch.where(accepted, torch.where(little, state.idle + 1, 0), state.idle)
        state = replace(state, stride=stride, idle=idle).moved(accepted, place)
        return self._onward(problem, state, arrived | (idle >= PATIENCE), accepted | stuck, stuck)

    def _onward(
        self, problem: Problem, state: SpatiallyTransformedState, arrived: Mask, turning: Mask, stuck: Mask
    ) -> SpatiallyTransformedState:
        """Relax tau where the descent arrived in vain, and choose the next steps of the images that need one."""
        relaxed = arrived & ~problem.solved
        forgetting, turning = relaxed | stuck, turning | arrived
        tau = torch.where(relaxed, RELAXED * state.tau, state.tau)
        state = replace(state, tau=tau, idle=state.idle.masked_fill(relaxed, 0))
        state = replace(state, count=state.count.masked_fill(forgetting, 0))
        gradient = state.here.gradient(tau)
        fresh = self._direction(problem, state, gradient)
        step = torch.where(column(turning, fresh), fresh, state.step)
        stride = state.stride.masked_fill(turning, 1)
        fall = (gradient * step).flatten(1).sum(1)
        done = (arrived & ~relaxed) | ~(fall < 0)
        return replace(
            state, x=state.here.field + column(stride, step) * step, step=step, stride=stride, fall=fall, done=done
        )

    def _direction(self, problem: Problem, state: SpatiallyTransformedState, gradient: Fields) -> Fields:
        """Return the step to the quasi-Newton point, or to the nearest allowed one; where that climbs, down the slope.

        It moves no pixel farther than `stride`, and without anything learnt exactly so far.
        """
        flat, here = gradient.flatten(1), state.here.field
        newton = two_loop(flat, torch.ones_like(flat, dtype=torch.bool), state.pairs).reshape(gradient.shape)
        fraction = self._fraction(newton)
        fraction = torch.where(state.count > 0, fraction.clamp_max(1), fraction)
        step = problem.threat.project(problem.images, here - column(fraction, newton) * newton) - here
        steep = gradient * column(self._fraction(gradient), gradient)
        down = problem.threat.project(problem.images, here - steep) - here
        falls = (gradient * step).flatten(1).sum(1) < -CURVED * step.flatten(1).norm(dim=1) * flat.norm(dim=1)
        return torch.where(column(falls, step), step, down)

    def _fraction(self, field: Fields) -> PerImage:
        """Return the factor that makes a field as long as a step may be."""
        return self.stride / geometry.longest(field).clamp_min(torch.finfo(field.dtype).tiny)

    def _place(self, problem: Problem, field: Fields, probe: Probe) -> PointAndSlope:
        """Measure both terms and their gradients; an image that lacks nothing costs no backward pass."""
        goal = problem.goal
        unit = logit_scale(problem) if self.scaled else torch.ones_like(probe.logits[:, 0])
        lacking = unit * (goal.confidence - goal.margin(probe.logits)).clamp_min(0)
        pull = torch.zeros_like(probe.points)
        needing = (lacking > 0).long()
        for _, rows, part in probe.sweep(lambda logits, at: -goal.rows(at).margin(logits)[:, None], needing):
            pull[rows] = column(unit[rows], part) * part
        leaf = field.detach().requires_grad_()
        with torch.enable_grad():
            spread = geometry.variation(leaf, self.softness)
        (tension,) = torch.autograd.grad(spread.sum(), leaf)
        return PointAndSlope(
            field, lacking, geometry.pulled_back(problem.images, field, pull), spread.detach(), tension
        )
