"""What gradient attacks climb: a loss of the logits that grows towards the goal."""

from collections.abc import Callable
from typing import Literal

from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.maths import losses
from brittle.types import Logits, PerImage

Loss = Literal["cross_entropy", "margin", "dlr"]
"""Cross-entropy; the margin of Carlini & Wagner clipped at kappa; the difference of logits ratio (Croce & Hein)."""


def objective(problem: Problem, loss: Loss, kappa: float = 0.0) -> Callable[[Logits], PerImage]:
    """Return the function of the logits that an attack is to increase.

    Args:
        problem: whose goal says which labels to leave or to reach.
        loss: which one.
        kappa: for `margin`: how far beyond the boundary it still counts, in logits; at least the goal's confidence.

    Raises:
        InputError: another loss, or one that needs more classes than the network has.
    """
    classes, goal = problem.clean.shape[1], problem.goal
    if loss == "cross_entropy":
        sign = -1 if goal.targeted else 1
        return lambda logits: sign * losses.cross_entropy(logits, goal.labels)
    if loss == "margin":
        return lambda logits: goal.margin(logits).clamp_max(max(kappa, goal.confidence))
    if loss == "dlr":
        least = 4 if goal.targeted else 3
        if classes < least:
            aim = "a targeted" if goal.targeted else "an untargeted"
            raise InputError(
                f"the DLR loss of {aim} attack needs {least} classes, the network has {classes}; use loss=margin"
            )
        if goal.targeted:
            return lambda logits: losses.targeted_difference_of_logits_ratio(logits, problem.labels, goal.labels)
        return lambda logits: losses.difference_of_logits_ratio(logits, goal.labels)
    raise InputError(f"the loss is {loss!r}; expected cross_entropy, margin or dlr")
