"""FGSM, the fast gradient sign method."""

from dataclasses import dataclass
from typing import ClassVar

from brittle.attacks.objective import Loss, objective
from brittle.base.rows import column
from brittle.core.attack import State, Stepwise
from brittle.core.probe import Probe
from brittle.core.problem import Problem


@dataclass(frozen=True)
class FGSM(Stepwise[State]):
    """One step of the length of the radius along the sign of the gradient.

    Goodfellow, Shlens, Szegedy, ICLR 2015, section 4 (arXiv:1412.6572): x + eps sign(grad J(x, y)), for a targeted goal
    x - eps sign(grad J(x, target)). Deviation: in l1 and l2 the step goes along the steepest direction of that norm.

    Attributes:
        loss: what is increased; the paper's is the cross-entropy, which depends on the scale of the logits.

    Example:
        >>> FGSM().loss
        'cross_entropy'
    """

    threats: ClassVar[tuple[str, ...]] = ("l1", "l2", "linf")
    needs_radius: ClassVar[bool] = True
    loss: Loss = "cross_entropy"

    def start(self, problem: Problem) -> State:
        """Begin at the clean image."""
        return State(problem.images)

    def length(self, problem: Problem) -> int:
        """One step."""
        return 1

    def step(self, problem: Problem, state: State, probe: Probe) -> State:
        """Go to the edge of the ball."""
        threat = problem.lp
        direction = threat.steepest(probe.gradient(objective(problem, self.loss)))
        return State(problem.images + column(threat.radius, direction) * direction)
