"""ALMA, the augmented Lagrangian method for adversarial attacks."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from brittle.attacks.direction import random_where_zero
from brittle.base.rows import column
from brittle.core.attack import State, Stepwise, at_least, fraction_below_one
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.maths import norms
from brittle.maths.elementary import power
from brittle.types import Images, Logits, PerImage

FIRST_DISTANCE = {1.0: 0.5, 2.0: 0.1}
"""How far the first step should lead, by the norm, in units of the bounds' span; as in the authors' experiments."""
TOLERANCE = 1e-4
"""In logits: how far beyond the boundary the constraint asks for; as in the authors' code."""
LOWEST, HIGHEST = 1e-6, 1e12
"""Between which the multiplier is kept; as in the authors' code."""
DOUBLINGS = 40
"""How often the first stride is doubled, and then halved, while it is looked for."""


@dataclass(frozen=True)
class ALMAState(State):
    """The points proposed next, and what each image has learnt.

    Attributes:
        velocity: the running sum of scaled gradients.
        square: the running mean of the gradient's square.
        stride: eta before it falls, (n,).
        multiplier: mu, (n,).
        penalty: rho, (n,).
        before: the constraint's value when it was last checked, (n,).
        found: the step at which the goal was first met, infinite before, (n,).
        done: how many steps have been made.
    """

    velocity: Images
    square: Images
    stride: PerImage
    multiplier: PerImage
    penalty: PerImage
    before: PerImage
    found: PerImage
    done: int = 0


@dataclass(frozen=True)
class ALMA(Stepwise[ALMAState]):
    """The smallest change, by descending on its size plus a penalty whose weight is learnt on the way.

    Rony, Granger, Pedersoli, Ben Ayed, ICCV 2021, algorithm 1 (arXiv:2011.11857). The constraint is the difference of
    logits ratio d = (Z_y - max Z_i) / (Z_(1) - Z_(3)) < 0, the penalty is P_2 of equation 8: mu d + mu rho d^2 +
    rho^2 d^3 / 6 where d >= 0, mu d / (1 - rho d) below. mu is a running mean of the penalty's slope; rho grows by the
    factor `growth` where `check_every` steps have neither met the goal nor lowered d to the fraction `improvement`. The
    steps are RMSprop's with momentum. The first is as long as `first_distance` says; once an image's goal is met its
    stride falls geometrically, to a hundredth at the end.

    Deviations: with two classes there is no Z_(3), with three no Z_(4) as a target would need; then d is divided by
    the clean image's lead, which no step changes. Lengths are in units of the bounds' span, so that the first running
    mean of 1 means the same for every range of values. The perceptual distances of the authors' code (SSIM, CIEDE2000,
    LPIPS) are not offered.

    What is asked for beyond the boundary is 1e-4 logits, as published, so it depends on the scale of the logits.

    Attributes:
        steps: N; 1000 in the paper, 100 in its fast setting.
        first_distance: epsilon; by default 0.5 for l1 and 0.1 for l2, as in the authors' experiments.
        last_stride: the last stride as a fraction of the first; 0.01.
        smoothing: alpha, of the running means and of the momentum; 0.9, and 0.5 in the authors' runs of 100 steps.
        check_every: M; 10.
        improvement: tau; 0.95.
        growth: gamma; 1.2.
        multiplier, penalty: mu and rho at first; 1 and 1.

    Example:
        >>> ALMA(steps=100, smoothing=0.5).growth
        1.2
    """

    threats: ClassVar[tuple[str, ...]] = ("l1", "l2")
    stops: ClassVar[bool] = False
    steps: int = 1000
    first_distance: float | None = None
    last_stride: float = 0.01
    smoothing: float = 0.9
    check_every: int = 10
    improvement: float = 0.95
    growth: float = 1.2
    multiplier: float = 1.0
    penalty: float = 1.0

    def __post_init__(self):
        at_least("steps", self.steps, 1)
        at_least("check_every", self.check_every, 1)
        at_least("growth", self.growth, 1)
        lengths = {"multiplier": self.multiplier, "penalty": self.penalty, "first_distance": self.first_distance}
        for name, value in lengths.items():
            if value is not None and not value > 0:
                raise InputError(f"{name} is {value}; expected a number above 0")
        for name, value in (("smoothing", self.smoothing), ("improvement", self.improvement)):
            fraction_below_one(name, value)
        if not 0 < self.last_stride <= 1:
            raise InputError(
                f"last_stride is {self.last_stride}; expected a fraction of the first, above 0 and at most 1"
            )

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.steps

    def start(self, problem: Problem) -> ALMAState:
        """Begin at the clean image; the stride is found with the first gradient."""
        images = problem.images
        zero, one = torch.zeros_like(images), torch.ones_like(images[:, 0, 0, 0])
        mu, rho = one * self.multiplier, one * self.penalty
        return ALMAState(images, zero, zero + 1, one, mu, rho, one * torch.inf, one * torch.inf)

    def step(self, problem: Problem, state: ALMAState, probe: Probe) -> ALMAState:
        """Learn the weight of the constraint, and descend."""
        span = problem.classifier.bounds.span
        value = constraint(problem, probe.logits)
        state = self._weighed(state, value)
        slope = column(penalty_slope(value, state.penalty, state.multiplier), probe.points)
        gradient = slope * probe.gradient(lambda logits: constraint(problem, logits)) * span
        if state.done:
            gradient = gradient + _outward(problem, (probe.points - problem.images) / span)
        else:
            gradient = random_where_zero(problem, gradient)
            state = replace(state, stride=self._first_stride(problem, gradient))
        square = torch.lerp(gradient.square(), state.square, self.smoothing)
        velocity = self.smoothing * state.velocity + gradient / (square.sqrt() + 1e-8)
        x = problem.classifier.bounds.clamp(probe.points - span * column(self._stride(state), velocity) * velocity)
        return replace(state, x=x, velocity=velocity, square=square, done=state.done + 1)

    def _weighed(self, state: ALMAState, value: PerImage) -> ALMAState:
        """Adapt multiplier and penalty to the constraint's value."""
        before, penalty, multiplier = state.before, state.penalty, state.multiplier
        if not state.done:
            before = value
        elif (state.done + 1) % self.check_every == 0:
            stuck = torch.isinf(state.found) & (value >= self.improvement * before)
            penalty, before = torch.where(stuck, self.growth * penalty, penalty), value
        if state.done:
            wanted = penalty_slope(value, penalty, multiplier)
            multiplier = torch.lerp(wanted, multiplier, self.smoothing).clamp(LOWEST, HIGHEST)
        found = torch.where(value < 0, state.found.clamp_max(state.done), state.found)
        return replace(state, before=before, penalty=penalty, multiplier=multiplier, found=found)

    def _stride(self, state: ALMAState) -> PerImage:
        """The stride falls from the step on at which the goal was first met."""
        since = (state.done - state.found).clamp_min(0)
        left = (self.steps - state.found).clamp_min(1)
        fraction = torch.where(torch.isfinite(state.found), since / left, 0)
        return state.stride * power(self.last_stride, fraction)

    def _first_stride(self, problem: Problem, gradient: Images) -> PerImage:
        """Find how often the first gradient leads as far as `first_distance`, or as far as the box lets it."""
        threat, bounds = problem.lp, problem.classifier.bounds
        wanted = (FIRST_DISTANCE[threat.p] if self.first_distance is None else self.first_distance) * bounds.span
        low = torch.zeros_like(gradient[:, 0, 0, 0])
        high = torch.full_like(low, torch.inf)
        stride = torch.ones_like(low)
        for _ in range(DOUBLINGS):
            moved = bounds.clamp(problem.images - bounds.span * column(stride, gradient) * gradient)
            far = threat.size(problem.images, moved) > wanted
            low, high = torch.where(far, low, stride), torch.where(far, stride, high)
            stride = torch.where(torch.isinf(high), 2 * stride, (low + high) / 2)
        return stride


def constraint(problem: Problem, logits: Logits) -> PerImage:
    """Measure d: negative where the goal is met, and of no unit, (n,)."""
    goal = problem.goal
    missing = goal.confidence + TOLERANCE - goal.margin(logits)
    depth = 4 if goal.targeted else 3
    if logits.shape[1] < depth:
        return missing / goal.margin(problem.clean).abs().clamp_min(1e-8)
    falling = goal.distinct(logits).sort(dim=1, descending=True).values
    again = torch.zeros_like(falling, dtype=torch.bool)
    again[:, 1:] = falling[:, 1:] == falling[:, :-1]  # a copy of a class does not count as another
    largest = torch.where(again, falling[:, -1:], falling).topk(depth, dim=1).values
    return missing / (largest[:, 0] - largest[:, 2:].mean(1) + 1e-8)


def penalty_slope(value: PerImage, penalty: PerImage, multiplier: PerImage) -> PerImage:
    """Differentiate P_2 by the constraint's value.

    Example:
        >>> one = torch.tensor([1.0])
        >>> [float(penalty_slope(value * one, one, one)) for value in (0.0, 1.0, -1.0)]
        [1.0, 3.5, 0.25]
    """
    steep = multiplier + 2 * multiplier * penalty * value + (penalty * value).square() / 2
    flat = multiplier / (1 - penalty * value.clamp_max(0)).square()
    return torch.where(value >= 0, steep, flat)


def _outward(problem: Problem, change: Images) -> Images:
    """Differentiate the change's norm; 0 where nothing has changed."""
    return change.sign() if problem.lp.p == 1 else norms.steepest(change, 2)
