"""PDPGD, primal-dual proximal gradient descent."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from brittle.attacks.moments import Moments
from brittle.base.rows import column
from brittle.core.attack import State, Stepwise, at_least, fraction_below_one
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.maths import norms
from brittle.maths.elementary import sigmoid, softplus
from brittle.maths.proximal import proximal
from brittle.maths.schedule import geometric
from brittle.types import Images, PerImage


@dataclass(frozen=True)
class PDPGDState(State):
    """The points proposed next, and the weights of the two objectives.

    Attributes:
        moments: of each image's gradient.
        price: logarithm of the weight of the goal against that of the norm, (n,).
        fraction: running mean of the norm's fraction of the weights, (n,).
    """

    moments: Moments
    price: PerImage
    fraction: PerImage


@dataclass(frozen=True)
class PDPGD(Stepwise[PDPGDState]):
    """The smallest change, as a saddle point: the change descends on norm plus price times loss, and the price climbs.

    Matyasko & Chau 2021, algorithm 2 (arXiv:2106.01538): Adam on softplus of what is lacking to the goal, clipped to
    the box; then the proximal operator of the norm, in Adam's metric (Melchior et al. 2019, arXiv:1910.10094). The two
    weights are a softmax, whose logit of the goal rises while it is not met and falls while it is. With l0 the operator
    is that of the 2/3-norm. All with the bounds' span as unit.

    The softplus is of logits, as published, so that the loss depends on the scale of the logits.

    Attributes:
        steps: 500 in the paper.
        stride, fall: Adam's step, 0.1, and the fraction of it that is left in the end, 0.01.
        ratio: the first weight of the norm over that of the goal; 0.01.
        pace, pace_fall: the step of the goal's logit, 0.1, and the fraction of it that is left in the end, 0.1.
        memory: of the running mean of the weights; 0.9.
        least: the smallest ratio of the two weights, either way; 1e-6.
        rounds: proximal iterations in each step; 5.
        tolerance: an image's iterations end where its change moves by no more than this fraction; 0.01.

    Example:
        >>> PDPGD(steps=100).stride
        0.1
    """

    threats: ClassVar[tuple[str, ...]] = ("l0", "l1", "l2", "linf")
    stops: ClassVar[bool] = False
    steps: int = 500
    stride: float = 0.1
    fall: float = 0.01
    ratio: float = 0.01
    pace: float = 0.1
    pace_fall: float = 0.1
    memory: float = 0.9
    least: float = 1e-6
    rounds: int = 5
    tolerance: float = 0.01

    def __post_init__(self):
        at_least("steps", self.steps, 1)
        at_least("rounds", self.rounds, 1)
        at_least("tolerance", self.tolerance, 0)
        at_least("pace", self.pace, 0)
        for name, value in (("stride", self.stride), ("ratio", self.ratio)):
            if not value > 0:
                raise InputError(f"{name} is {value}; expected a number above 0")
        for name, value in (("fall", self.fall), ("pace_fall", self.pace_fall), ("least", self.least)):
            if not 0 < value <= 1:
                raise InputError(f"{name} is {value}; expected a fraction above 0 and at most 1")
        fraction_below_one("memory", self.memory)

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.steps

    def start(self, problem: Problem) -> PDPGDState:
        """Begin at the clean image, at rest, with most of the weight on the goal."""
        price = torch.full_like(problem.images[:, 0, 0, 0], -math.log(self.ratio))
        return PDPGDState(problem.images, Moments.none(problem.images), price, sigmoid(-price))

    def step(self, problem: Problem, state: PDPGDState, probe: Probe) -> PDPGDState:
        """Descend on the loss, shrink towards the clean image, and change the price."""
        threat, bounds, goal, done = problem.lp, problem.classifier.bounds, problem.goal, state.moments.age
        gradient = probe.gradient(lambda logits: softplus(goal.confidence - goal.margin(logits))) * bounds.span
        moments = state.moments.with_gradient(gradient)
        stride = geometric(self.stride, self.stride * self.fall, done, self.steps)
        x = bounds.clamp(probe.points - stride * bounds.span * moments.direction)
        spread = moments.spread
        widest = norms.size(spread, torch.inf)
        weight = state.fraction / (1 - state.fraction) * stride / widest
        change = self._shrunk(problem, x, weight, spread / column(widest, spread), 2 / 3 if threat.p == 0 else threat.p)
        left = (self.steps - 1 - done) / max(self.steps - 1, 1)
        pace = self.pace * (left * (1 - self.pace_fall) + self.pace_fall)
        limit = -math.log(self.least)
        lacking = (goal.confidence - goal.margin(probe.logits)).sign()
        price = (state.price + pace * lacking).clamp(-limit, limit)
        fraction = torch.lerp(sigmoid(-price), state.fraction, self.memory)
        return PDPGDState(problem.images + change * bounds.span, moments, price, fraction)

    def _shrunk(self, problem: Problem, x: Images, weight: PerImage, metric: Tensor, p: float) -> Tensor:
        """Minimise the weighted norm plus half the squared distance to `x`, measured by `metric`, within the box."""
        bounds, span = problem.classifier.bounds, problem.classifier.bounds.span
        aim = (x - problem.images) / span
        lower, upper = (bounds.lower - problem.images) / span, (bounds.upper - problem.images) / span
        change, going = aim, torch.ones_like(weight, dtype=torch.bool)
        for _ in range(self.rounds):
            pulled = proximal(change - metric * (change - aim), p, weight)
            pulled = torch.minimum(torch.maximum(pulled, lower), upper)
            onward = torch.where(column(going, change), pulled, change)
            moved, size = norms.size(onward - change, 2), norms.size(onward, 2)
            going = going & (moved > self.tolerance * size)
            change = onward
        return change
