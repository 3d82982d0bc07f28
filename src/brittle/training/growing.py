"""What trainings within the maximum norm have in common whose radius may grow."""

import math

from torch import Tensor

from brittle.core.attack import at_least
from brittle.errors import InputError, UnsupportedThreat
from brittle.threats import Lp


def check_growing(threat: Lp, step_size: float, warmup: float, what: str) -> None:
    """Refuse a threat that is not the maximum norm with one finite radius, and steps and warm-ups that are none.

    Args:
        threat: of the training.
        step_size: of the perturbation, as a fraction of the radius.
        warmup: in epochs.
        what: the training, for the error.

    Raises:
        UnsupportedThreat: another norm.
        InputError: no radius, or one for each image; no step, or a negative warm-up.
    """
    if threat.p != math.inf:
        raise UnsupportedThreat(
            f"{what} moves by the sign of the gradient, within the maximum norm; got {threat.name}, expected linf"
        )
    if isinstance(threat.radius, Tensor) or not math.isfinite(threat.radius):
        raise InputError(f"the radius is {threat.radius}; expected one finite number for all images")
    if not 0 < step_size < math.inf:
        raise InputError(f"step_size is {step_size}; expected a fraction of the radius, above 0")
    at_least("warmup", warmup, 0)


def radius_at(threat: Lp, warmup: float, epochs: float) -> float:
    """Return the radius when so many epochs are done: the threat's, or in the warm-up a part of it.

    Example:
        >>> radius_at(Lp("inf", 0.5), 2.0, 1.0)
        0.25
    """
    whole = float(threat.radius)
    return whole if epochs >= warmup else whole * epochs / warmup
