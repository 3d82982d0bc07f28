"""DDN, the decoupled direction and norm attack."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from brittle.attacks.direction import random_where_zero
from brittle.attacks.objective import objective
from brittle.base.rows import column
from brittle.core.attack import State, Stepwise, at_least
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.maths import norms
from brittle.maths.quantization import rounded
from brittle.maths.schedule import cosine
from brittle.types import Images, PerImage


@dataclass(frozen=True)
class DDNState(State):
    """The points proposed next, the radius of each image's sphere, and how many steps have been made."""

    radius: PerImage
    done: int = 0


@dataclass(frozen=True)
class DDN(Stepwise[DDNState]):
    """The smallest change in the 2-norm, on spheres that shrink where the goal is met and grow where it is not.

    Rony et al., CVPR 2019, algorithm 1 (arXiv:1811.09600): delta <- delta + alpha g / ||g||_2 with the gradient g of
    the cross-entropy; eps <- (1 - gamma) eps where the image is broken, (1 + gamma) eps elsewhere; x <- x_0 +
    eps delta / ||delta||_2, clipped to the box. alpha falls from 1 to 0.01 along a cosine. Where the gradient vanishes
    the direction is random, and no sphere reaches beyond the farthest corner of the box, as in the authors' code.

    Deviation: points are not rounded to the 256 values of an 8-bit image (`levels`).

    The cross-entropy, as published, makes the path depend on the scale of the logits.

    Attributes:
        steps: K; 100 in the paper's cheapest setting (which has 300 and 1000 too).
        gamma: by what fraction a radius changes; 0.05 in the paper.
        radius: the first one, as a fraction of the bounds' span; 1 in the paper.
        first_stride, last_stride: alpha at the first and after the last step, as fractions of the span; 1 and 0.01.
        levels: how many values a pixel may have, such as 256 (as published); by default any.

    Example:
        >>> DDN(steps=300).gamma
        0.05
    """

    threats: ClassVar[tuple[str, ...]] = ("l2",)
    stops: ClassVar[bool] = False
    steps: int = 100
    gamma: float = 0.05
    radius: float = 1.0
    first_stride: float = 1.0
    last_stride: float = 0.01
    levels: int | None = None

    def __post_init__(self):
        at_least("steps", self.steps, 1)
        at_least("first_stride", self.first_stride, 0)
        at_least("last_stride", self.last_stride, 0)
        at_least("levels", 2 if self.levels is None else self.levels, 2)
        if not 0 < self.gamma < 1:
            raise InputError(f"gamma is {self.gamma}; expected a fraction between 0 and 1")
        if not self.radius > 0:
            raise InputError(f"radius is {self.radius}; expected a fraction of the bounds' span, above 0")

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.steps

    def start(self, problem: Problem) -> DDNState:
        """Begin at the clean image."""
        radius = torch.full_like(problem.images[:, 0, 0, 0], self.radius * problem.classifier.bounds.span)
        return DDNState(problem.images, radius)

    def step(self, problem: Problem, state: DDNState, probe: Probe) -> DDNState:
        """Turn the change towards the gradient, and put it on the next sphere."""
        bounds = problem.classifier.bounds
        stride = cosine(self.first_stride, self.last_stride, state.done, self.steps) * bounds.span
        direction = random_where_zero(problem, norms.steepest(probe.gradient(objective(problem, "cross_entropy")), 2))
        moved = norms.steepest(probe.points - problem.images + stride * direction, 2)
        smaller, larger = state.radius * (1 - self.gamma), state.radius * (1 + self.gamma)
        radius = torch.where(problem.goal.met(probe.logits), smaller, larger)
        radius = torch.minimum(radius, problem.threat.max_size(problem.images, bounds))
        return DDNState(self._rounded(problem, problem.images + column(radius, moved) * moved), radius, state.done + 1)

    def _rounded(self, problem: Problem, x: Images) -> Images:
        if self.levels is None:
            return x
        bounds = problem.classifier.bounds
        return rounded(bounds.clamp(x), bounds.lower, bounds.span, self.levels - 1)
