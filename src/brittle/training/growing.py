"""What trainings within the maximum norm have in common whose radius may grow."""

import math
from abc import ABC

from torch import Tensor

from brittle.core.attack import at_least
from brittle.errors import InputError, UnsupportedThreat
from brittle.threats import Lp


class Growing(ABC):
    """A training that moves the images itself, by signs of gradients within the maximum norm.

    Attributes:
        threat: changes in the maximum norm, with one radius for all images.
        step_size: of the perturbation, as a fraction of the radius.
        warmup: epochs over which the radius grows from 0, in proportion to the batches shown.
    """

    threat: Lp
    step_size: float
    warmup: float

    def check_growth(self, what: str) -> None:
        """Refuse a threat that is not the maximum norm with one finite radius, and steps and warm-ups that are none.

        Args:
            what: the training, for the error.

        Raises:
            UnsupportedThreat: another norm.
            InputError: no radius, or one for each image; no step, or a negative warm-up.
        """
        radius = self.threat.radius
        if self.threat.p != math.inf:
            raise UnsupportedThreat(
                f"{what} moves by the sign of the gradient, within the maximum norm; got {self.threat.name}, "
                "expected linf"
            )
        if isinstance(radius, Tensor) or not math.isfinite(radius):
            raise InputError(f"the radius is {radius}; expected one finite number for all images")
        if not 0 < self.step_size < math.inf:
            raise InputError(f"step_size is {self.step_size}; expected a fraction of the radius, above 0")
        at_least("warmup", self.warmup, 0)

    def radius_at(self, epochs: float) -> float:
        """Return the radius when so many epochs are done: the threat's, or in the warm-up a part of it."""
        whole = float(self.threat.radius)
        return whole if epochs >= self.warmup else whole * epochs / self.warmup

    def whole_at(self, epoch: int) -> bool:
        """Whether the radius was whole when an epoch, 1 for the first, ended."""
        return epoch >= self.warmup
