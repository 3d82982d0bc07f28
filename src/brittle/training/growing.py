"""What trainings within the maximum norm have in common whose radius may grow."""

import math

from torch import Tensor

from brittle.errors import InputError, UnsupportedThreat
from brittle.threats import Lp


def check_linf(threat: Lp, what: str) -> None:
    """Refuse a threat that is not the maximum norm with one finite radius.

    Args:
        threat: of the training.
        what: the training, for the error.

    Raises:
        UnsupportedThreat: another norm.
        InputError: no radius, or one for each image.
    """
    if threat.p != math.inf:
        raise UnsupportedThreat(
            f"{what} moves by the sign of the gradient, within the maximum norm; got {threat.name}, expected linf"
        )
    if isinstance(threat.radius, Tensor) or not math.isfinite(threat.radius):
        raise InputError(f"the radius is {threat.radius}; expected one finite number for all images")


def radius_at(threat: Lp, warmup: float, epochs: float) -> float:
    """Return the radius when so many epochs are done: the threat's, or in the warm-up a part of it.

    Example:
        >>> radius_at(Lp("inf", 0.5), 2.0, 1.0)
        0.25
    """
    whole = float(threat.radius)
    return whole if epochs >= warmup else whole * epochs / warmup
