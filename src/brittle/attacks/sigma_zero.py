"""Sigma-zero, which changes few values."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from brittle.attacks.moments import Moments
from brittle.base.rows import column
from brittle.core.attack import State, Stepwise, at_least
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.maths import norms
from brittle.maths.schedule import cosine
from brittle.types import Images, PerImage


@dataclass(frozen=True)
class SigmaZeroState(State):
    """The points proposed next, the moments of each image's gradient, and the size below which changes are undone."""

    moments: Moments
    threshold: PerImage


@dataclass(frozen=True)
class SigmaZero(Stepwise[SigmaZeroState]):
    """The fewest changed values, by descending on a smooth count of them and undoing the small changes.

    Cina et al., ICLR 2025, algorithm 1 (arXiv:2402.01879): minimise what is lacking to the goal plus 1/d sum_i d_i^2 /
    (d_i^2 + sigma) by Adam on the change d, with the gradient divided by its largest entry; clip to the box; changes
    smaller than a threshold tau become 0, and tau grows where the goal was met and falls elsewhere. The step eta falls
    from 1 to a tenth along a cosine. All with the bounds' span as unit; a value is a channel of a pixel.

    Deviation: a targeted goal's margin serves as well; the paper's attack is untargeted.

    What is lacking is in logits beside a count that is not, as published: it depends on the scale of the logits.

    Attributes:
        steps: 1000 in the paper.
        stride: eta_0, Adam's first step; 1.
        sigma: how sharp the count is; 1e-3.
        threshold: tau_0; 0.3.
        pace: tau changes by this fraction of eta at each step; 0.01.

    Example:
        >>> SigmaZero(steps=200).sigma
        0.001
    """

    threats: ClassVar[tuple[str, ...]] = ("l0",)
    stops: ClassVar[bool] = False
    steps: int = 1000
    stride: float = 1.0
    sigma: float = 1e-3
    threshold: float = 0.3
    pace: float = 0.01

    def __post_init__(self):
        at_least("steps", self.steps, 1)
        at_least("pace", self.pace, 0)
        for name, value in (("stride", self.stride), ("sigma", self.sigma)):
            if not value > 0:
                raise InputError(f"{name} is {value}; expected a number above 0")
        if not 0 <= self.threshold <= 1:
            raise InputError(f"threshold is {self.threshold}; expected a fraction of the bounds' span, 0 to 1")

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.steps

    def start(self, problem: Problem) -> SigmaZeroState:
        """Begin at the clean image, at rest."""
        threshold = torch.full_like(problem.images[:, 0, 0, 0], self.threshold)
        return SigmaZeroState(problem.images, Moments.none(problem.images), threshold)

    def step(self, problem: Problem, state: SigmaZeroState, probe: Probe) -> SigmaZeroState:
        """Step, clip, and undo the changes below the threshold."""
        bounds, goal, done = problem.classifier.bounds, problem.goal, state.moments.age
        change = (probe.points - problem.images) / bounds.span
        lacking = probe.gradient(lambda logits: (goal.confidence - goal.margin(logits)).clamp_min(0)) * bounds.span
        gradient = lacking + self._count_slope(change)
        largest = norms.size(gradient, torch.inf).clamp_min(torch.finfo(gradient.dtype).tiny)
        moments = state.moments.with_gradient(gradient / column(largest, gradient))
        stride = cosine(self.stride, self.stride / 10, max(done - 1, 0), self.steps)
        x = bounds.clamp(problem.images + (change - stride * moments.direction) * bounds.span)
        moved = (x - problem.images) / bounds.span
        pace = self.pace * cosine(self.stride, self.stride / 10, done, self.steps)
        threshold = torch.where(goal.met(probe.logits), state.threshold + pace, state.threshold - pace).clamp(0, 1)
        kept = moved.abs() >= column(threshold, moved)
        return SigmaZeroState(torch.where(kept, x, problem.images), moments, threshold)

    def _count_slope(self, change: Images) -> Images:
        """Differentiate the smooth count, divided by the number of values."""
        return 2 * self.sigma * change / (change.square() + self.sigma).square() / change[0].numel()
