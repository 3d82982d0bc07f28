"""The basic iterative method, and the iterative least-likely class method."""

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from brittle.attacks.transferable import Diversity, KernelRows, Momentum, Path, Transferable
from brittle.core.attack import at_least
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.maths.losses import cross_entropy
from brittle.types import Images


@dataclass(frozen=True)
class SignSteps(Transferable):
    """Steps along a sign, kept within the radius; a subclass says of what.

    Attributes:
        step_size: alpha, as a fraction of the bounds' span; 1/255 in the paper.
        steps: by default the paper's ceil(min(eps + 4, 1.25 eps)) with eps on the 0..255 scale.
    """

    threats: ClassVar[tuple[str, ...]] = ("linf",)
    needs_radius: ClassVar[bool] = True
    step_size: float = 1 / 255
    steps: int | None = None
    momentum: Momentum = 0.0
    diversity: Diversity = 0.0
    kernel: KernelRows = 1

    def __post_init__(self):
        super().__post_init__()
        at_least("step_size", self.step_size, 0)
        if self.steps is not None:
            at_least("steps", self.steps, 1)

    @staticmethod
    def published_steps(radius: float) -> int:
        """Return the paper's number of steps for a radius given as a fraction of the span."""
        scaled = 255 * radius
        return max(1, math.ceil(round(min(scaled + 4, 1.25 * scaled), 4)))  # 8/255 in float32 is a little above 8/255

    def perturb(self, problem: Problem) -> None:
        """Step as the paper does; images whose radii ask for other numbers of steps are taken apart."""
        radius = problem.threat.radius
        if self.steps is not None or not isinstance(radius, Tensor) or radius.ndim == 0:
            return super().perturb(problem)
        span = problem.classifier.bounds.span
        counts = torch.tensor([self.published_steps(value / span) for value in radius.tolist()], dtype=torch.int64)
        for count in counts.unique().tolist():
            keep = (counts == count).nonzero()[:, 0].to(problem.ids.device)
            replace(self, steps=count).perturb(problem.rows(keep))
        return None

    def start(self, problem: Problem) -> Path:
        """Begin at the clean image."""
        return self.begun(problem, problem.images)

    def length(self, problem: Problem) -> int:
        """The steps given, or the paper's for the radius."""
        if self.steps is not None:
            return self.steps
        return self.published_steps(float(problem.threat.radius) / problem.classifier.bounds.span)

    def step(self, problem: Problem, state: Path, probe: Probe) -> Path:
        """Move every value by alpha and go back into the ball."""
        stride = self.step_size * problem.classifier.bounds.span
        direction, path = self.climbed(state, self.direction(problem, probe))
        moved = self.here(state, probe) + stride * direction.sign()
        return self.onward(problem, path, problem.threat.project(problem.images, moved))

    @abstractmethod
    def direction(self, problem: Problem, probe: Probe) -> Images:
        """Return the gradient to climb."""


@dataclass(frozen=True)
class BasicIterative(SignSteps):
    """Small steps along the sign of the gradient, kept within the radius.

    Kurakin, Goodfellow, Bengio, ICLR 2017 workshop, section 2.2 (arXiv:1607.02533): x_{n+1} = Clip_{x, eps}(x_n +
    alpha sign grad J(x_n, y)).

    The cross-entropy, as published, makes it depend on the scale of the logits.

    Attributes:
        step_size: alpha, as a fraction of the bounds' span; 1/255 in the paper.
        steps: by default the paper's ceil(min(eps + 4, 1.25 eps)) with eps on the 0..255 scale.
        momentum, diversity, kernel: what makes changes break other networks, see `Transferable`; with momentum it is
            MI-FGSM, with diversity DI-FGSM, with a kernel TI-FGSM.

    Example:
        >>> BasicIterative().published_steps(8 / 255)
        10
    """

    def direction(self, problem: Problem, probe: Probe) -> Images:
        """Return the gradient to climb: of the cross-entropy of the label, or down that of the target."""
        sign = -1 if problem.goal.targeted else 1
        return probe.gradient(lambda logits: sign * cross_entropy(logits, problem.goal.labels))


@dataclass(frozen=True)
class IterativeLeastLikely(SignSteps):
    """The basic iterative method towards the class that the network finds least likely for the clean image.

    Kurakin, Goodfellow, Bengio, ICLR 2017 workshop, section 2.3: x_{n+1} = Clip_{x, eps}(x_n - alpha sign grad J(x_n,
    y_LL)), y_LL fixed at the clean image. It succeeds, as any attack, when the goal is met: with an untargeted goal,
    at whatever class that is. As its loss, it depends on the scale of the logits.

    Attributes:
        step_size: alpha, as a fraction of the bounds' span; 1/255 in the paper.
        steps: by default those of `BasicIterative`.
        momentum, diversity, kernel: see `Transferable`.
    """

    def direction(self, problem: Problem, probe: Probe) -> Images:
        """Return the gradient down the cross-entropy of the least likely class."""
        least = problem.clean.argmin(1)
        return probe.gradient(lambda logits: -cross_entropy(logits, least))
