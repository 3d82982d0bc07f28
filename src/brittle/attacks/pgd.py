"""PGD, projected gradient descent."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from brittle.attacks.objective import Loss, objective
from brittle.attacks.transferable import Diversity, KernelRows, Momentum, Path, Transferable
from brittle.base.rows import column
from brittle.core.attack import at_least, fraction_below_one
from brittle.core.combinators import Restarts
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.maths.box import feasible
from brittle.threats import Lp
from brittle.types import Images


@dataclass(frozen=True)
class PGD(Transferable):
    """Steps along the steepest direction, projected on the ball, from random starts.

    Madry et al., ICLR 2018, section 2.1 (arXiv:1706.06083): x_{t+1} = Project_{x, eps}(x_t + step_size sign grad J(x_t,
    y)), in l2 along the normalised gradient. The l1 step moves the entries with the largest gradients that the box
    still lets move (Tramer & Boneh, NeurIPS 2019, section 4.2: "sparse l1 descent"). Deviation: an image leaves as soon
    as it is broken; the result is the same, and a restart runs only on images not yet broken.

    Of threats whose points are parameters, such as colour shifts, the parameters are searched: the gradient is chained
    back to them.

    Attributes:
        steps: 40, the paper's for MNIST (with radius 0.3 and step_size 0.01).
        step_size: in the units of the images; by default 2.5 radius / steps, which lets a path reach every point of
            the ball.
        restarts: how many random starts.
        random_start: begin at a random point of the ball; otherwise at the clean image.
        loss: cross_entropy (the paper's, which depends on the scale of the logits), scaled (which does
            not: see `brittle.attacks.objective`), margin (its "CW"), dlr, or divergence (from what is said of the clean
            image, of TRADES: Zhang et al., ICML 2019, algorithm 1; needs a random start, as its gradient is 0 there).
        kappa: for margin: beyond the boundary the margin counts up to here; 50 is the paper's "CW+". An image leaves
            once its goal is met, so kappa has no say in which images break; a goal's `confidence` asks for a margin.
        sparsity: for l1: the fraction of entries that a step leaves alone; 0.99 in the sparse l1 descent's code.
        momentum, diversity, kernel: what makes changes break other networks, see `Transferable`.

    Example:
        >>> PGD(steps=40, restarts=5).restarts
        5
    """

    threats: ClassVar[tuple[str, ...]] = ("l1", "l2", "linf")
    generic: ClassVar[bool] = True
    needs_radius: ClassVar[bool] = True
    steps: int = 40
    step_size: float | None = None
    restarts: int = 1
    random_start: bool = True
    loss: Loss = "cross_entropy"
    kappa: float = 0.0
    sparsity: float = 0.99
    momentum: Momentum = 0.0
    diversity: Diversity = 0.0
    kernel: KernelRows = 1

    def __post_init__(self):
        super().__post_init__()
        at_least("steps", self.steps, 1)
        at_least("restarts", self.restarts, 1)
        at_least("kappa", self.kappa, 0)
        at_least("step_size", 0 if self.step_size is None else self.step_size, 0)
        fraction_below_one("sparsity", self.sparsity)

    def perturb(self, problem: Problem) -> None:
        """Run the loop, again from other starts where restarts are asked for."""
        if self.restarts == 1:
            super().perturb(problem)
        else:
            Restarts(replace(self, restarts=1), self.restarts).perturb(problem)

    def start(self, problem: Problem) -> Path:
        """Draw a point of the ball, or take the clean image."""
        if not self.random_start:
            return self.begun(problem, problem.threat.zero(problem.images))
        bounds = problem.classifier.bounds
        return self.begun(problem, problem.threat.draw(problem.images, problem.streams, problem.ids, bounds))

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.steps

    def step(self, problem: Problem, state: Path, probe: Probe) -> Path:
        """Climb and project."""
        threat, bounds = problem.threat, problem.classifier.bounds
        slope = probe.gradient(objective(problem, self.loss, self.kappa))
        gradient, path = self.climbed(state, threat.pulled_back(problem.images, state.x, slope, bounds))
        here = self.here(state, probe) if threat.on_images else state.x
        stride = 2.5 * threat.radius / self.steps if self.step_size is None else self.step_size
        sparse = isinstance(threat, Lp) and threat.p == 1
        direction = self._sparse(problem, here, gradient) if sparse else threat.steepest(gradient)
        moved = torch.addcmul(here, direction, column(stride, direction))
        return self.onward(problem, path, threat.project(problem.images, moved))

    def _sparse(self, problem: Problem, here: Images, gradient: Images) -> Tensor:
        """Return the signs of the largest entries of the gradient that do not push against the box, with l1-norm 1."""
        bounds = problem.classifier.bounds
        flat = feasible(gradient, here, bounds.lower, bounds.upper).flatten(1)
        count = max(1, round((1 - self.sparsity) * flat.shape[1]))
        largest = flat.abs().topk(count, dim=1).indices
        chosen = torch.zeros_like(flat).scatter(1, largest, flat.gather(1, largest).sign())
        return (chosen / chosen.abs().sum(1, keepdim=True).clamp_min(1)).reshape(gradient.shape)
