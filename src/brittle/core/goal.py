"""Goals: when an image counts as broken, and by what margin."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor

from brittle.arguments import fitted, seen
from brittle.base.rows import Rows
from brittle.errors import InputError, LabelError
from brittle.maths.losses import logit_margin, others
from brittle.types import Labels, Logits, Mask, PerImage

ALL_THE_WAY = 1e9
"""A confidence, in logits, that no point has: a search for it goes on to its last step and ends with the largest
margin, as is wanted of a change that shall break other networks, too."""
ROUNDING = 4
"""Units in the last place of the largest logit by which one class may round otherwise than its copy."""


@dataclass(frozen=True)
class Goal(Rows, ABC):
    """What an attack wants of each image.

    Attributes:
        labels: (n,) int64: the classes to leave (untargeted) or to reach (targeted).
        confidence: how far beyond the boundary an image must be, in logits (Carlini & Wagner's kappa); 0 asks for no
            more than the other class.
        copies: classes with the label's logit at the clean image, (n, k), as `beside` has found; None for none.

    Raises:
        InputError: a negative confidence.
    """

    labels: Labels
    confidence: float = 0.0
    copies: Tensor | None = None
    targeted: ClassVar[bool] = False

    def __post_init__(self):
        given = cast(object, self.labels)
        if not isinstance(given, Tensor | np.ndarray):
            raise LabelError(f"the classes of a goal are {seen(given)}; expected an int64 tensor, one class per image")
        if type(self.confidence) is float and self.confidence >= 0:
            return  # as in every cut of a goal
        object.__setattr__(self, "confidence", fitted("confidence", self.confidence, float))
        if not self.confidence >= 0:
            raise InputError(f"confidence is {self.confidence}; expected a margin in logits, at least 0")

    def met(self, logits: Logits) -> Mask:
        """Say for which images the goal is reached."""
        reached = self.reached(logits)
        return reached & (self.margin(logits) >= self.confidence) if self.confidence else reached

    def beside(self, clean: Logits) -> "Goal":
        """Return the goal that knows the copies of its labels, once the logits of the clean images (n, k) are known."""
        copies = _equal(clean, self.labels)
        return replace(self, copies=copies if bool(copies.any()) else None)

    def distinct(self, logits: Logits) -> Logits:
        """Give copies of the label the logit of the last class, as far as they are still equal to it.

        Margins and losses are made of these: a class with the label's own logit, at the clean image and wherever an
        attack stands, is another name of the label, and nothing is to be gained towards it or away from it.
        """
        if self.copies is None:
            return logits
        return torch.where(self.copies & _equal(logits, self.labels), logits.amin(1, keepdim=True), logits)

    def homes(self, clean: Logits) -> Labels:
        """Return the class of each image that does not count: by it, a refusal is no success (`refusals.folded`).

        Args:
            clean: logits of the classes for the clean images, (n, k).
        """
        return others(clean, self.labels).argmax(1) if self.targeted else self.labels

    @abstractmethod
    def reached(self, logits: Logits) -> Mask:
        """Say for which images the predicted class is one that is wanted, with whatever margin."""

    @abstractmethod
    def margin(self, logits: Logits) -> PerImage:
        """Measure how far beyond the boundary each image is, in logits; negative before it."""


@dataclass(frozen=True)
class Away(Goal):
    """Away from the given classes; a subclass says how far."""

    def margin(self, logits: Logits) -> PerImage:
        """The largest other logit minus the label's."""
        return -logit_margin(self.distinct(logits), self.labels)


@dataclass(frozen=True)
class Untargeted(Away):
    """Any class but the given ones (usually the true labels).

    Example:
        >>> import torch
        >>> Untargeted(torch.tensor([0])).margin(torch.tensor([[2.0, 5.0, 1.0]]))
        tensor([3.])
    """

    def reached(self, logits: Logits) -> Mask:
        """True where another class is predicted."""
        return logits.argmax(1) != self.labels


@dataclass(frozen=True)
class Targeted(Goal):
    """The given classes and no others."""

    targeted: ClassVar[bool] = True

    def reached(self, logits: Logits) -> Mask:
        """True where the target is predicted."""
        return logits.argmax(1) == self.labels

    def margin(self, logits: Logits) -> PerImage:
        """The target's logit minus the largest other."""
        return logit_margin(self.distinct(logits), self.labels)


def _equal(logits: Logits, labels: Labels) -> Tensor:
    """Say which other classes have the label's logit but for rounding, (n, k)."""
    values = logits.detach()
    noise = ROUNDING * torch.finfo(values.dtype).eps * values.abs().amax(1, keepdim=True)
    near = (values - values.gather(1, labels[:, None])).abs() <= noise
    return near.scatter(1, labels[:, None], False)


@dataclass(frozen=True)
class LeastLikely:
    """The class that the network finds least likely for the clean image (Kurakin et al. 2017, section 2.3).

    It becomes a `Targeted` goal once `run` has seen the clean logits.
    """

    def at(self, clean: Logits) -> Targeted:
        """Fix the targets from the logits of the clean images."""
        return Targeted(clean.argmin(1))


def goal_text(goal: Goal | LeastLikely | None) -> str:
    """Return what a goal other than the usual one, any other class, is called in a line; "" for that one.

    Example:
        >>> import torch
        >>> goal_text(None), goal_text(LeastLikely()), goal_text(Targeted(torch.tensor([0]), confidence=2.0))
        ('', 'targeted at the least likely class', 'targeted by 2 logits')
    """
    if goal is None or isinstance(goal, LeastLikely):
        return "" if goal is None else "targeted at the least likely class"
    usual: dict[type[Goal], str] = {Untargeted: "", Targeted: "targeted"}
    name = usual.get(type(goal), f"goal {type(goal).__name__}")
    won = f"by {goal.confidence:g} logits" if goal.confidence else ""
    return f"{name} {won}".strip()
