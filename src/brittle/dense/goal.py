"""Goals of dense outputs: a share of the pixels that count must leave what they are, or reach something else."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from brittle.core.goal import Goal
from brittle.types import Labels, Logits, Mask, PerImage

ROUNDING = 1e-9
"""Of the number of pixels: by how much a share times that number may round beyond a whole number."""


@dataclass(frozen=True, kw_only=True)
class PixelGoal(Goal, ABC):
    """What an attack wants of each image's pixels; an image has a row of outputs (k p) for its p pixels.

    Attributes:
        labels: (n, p): the classes (int64) or depths (floats) to leave, or to reach.
        counted: (n, p) bool: which pixels count.
        needed: (n,) int64: of how many pixels the goal asks.
    """

    counted: Tensor
    needed: Tensor

    def share(self, logits: Logits) -> PerImage:
        """Measure which part of the counted pixels are as wanted, (n,)."""
        return self._count(logits).to(logits.dtype) / self.counted.sum(1)

    def reached(self, logits: Logits) -> Mask:
        """True where enough pixels are as wanted."""
        return self._count(logits) >= self.needed

    def margin(self, logits: Logits) -> PerImage:
        """How far beyond its boundary the last pixel is that is needed: a quantile of the pixels' margins.

        It is above 0 just where enough pixels are as wanted, but for ties.
        """
        falling = self.margins(logits).masked_fill(~self.counted, -torch.inf).sort(dim=1, descending=True).values
        return falling.gather(1, self.needed[:, None] - 1)[:, 0]

    def _count(self, logits: Logits) -> Tensor:
        return (self.won(logits) & self.counted).sum(1)

    @abstractmethod
    def won(self, logits: Logits) -> Tensor:
        """Say which pixels are as wanted, (n, p) bool."""

    @abstractmethod
    def margins(self, logits: Logits) -> Tensor:
        """How far beyond its boundary each pixel is, (n, p); negative before it."""

    @abstractmethod
    def gain(self, logits: Logits, heat: PerImage) -> Tensor:
        """Measure smoothly what a search climbs, in the units of the margins, growing as a pixel gets won, (n, p).

        Args:
            logits: (n, k p).
            heat: in the same units; a pixel farther than this from its boundary is pulled least where it leaves what
                it is, and one that is won by more hardly at all.
        """

    @abstractmethod
    def errors(self, clean: Logits, final: Logits) -> Mapping[str, PerImage]:
        """Measure, by name, how far the outputs are from the labels in the field's own measures, (n,) each."""


@dataclass(frozen=True, kw_only=True)
class ClassGoal(PixelGoal, ABC):
    """What an attack wants of pixels with logits of k classes; the labels are classes, and margins are in logits."""

    def by_class(self, logits: Logits) -> Tensor:
        """Shape rows of logits (n, k p) as (n, k, p)."""
        return logits.unflatten(1, (-1, self.labels.shape[1]))

    def won(self, logits: Logits) -> Tensor:
        """Say which pixels have a class that is wanted."""
        return self.wanted(self.by_class(logits).argmax(1))

    def leads(self, logits: Logits) -> Tensor:
        """By how much each pixel's label leads the best other class, in logits, (n, p); negative where it does not."""
        maps, places = self.by_class(logits), self.labels[:, None]
        return maps.gather(1, places)[:, 0] - maps.scatter(1, places, -torch.inf).amax(1)

    def gain(self, logits: Logits, heat: PerImage) -> Tensor:
        """Measure each pixel's cross-entropy at a temperature, negative for targets."""
        maps = self.by_class(logits) / heat[:, None, None]
        loss = functional.cross_entropy(maps, self.labels, reduction="none") * heat[:, None]
        return -loss if self.targeted else loss

    def errors(self, clean: Logits, final: Logits) -> Mapping[str, PerImage]:
        """Measure nothing but the shares, which every goal has."""
        return {}

    @abstractmethod
    def wanted(self, classes: Labels) -> Tensor:
        """Say which pixels have a class that is wanted, (n, p) of (n, p)."""


@dataclass(frozen=True, kw_only=True)
class PixelsAway(ClassGoal):
    """Any classes but the labels.

    Example:
        >>> labels, counted = torch.tensor([[0, 0]]), torch.tensor([[True, True]])
        >>> goal = PixelsAway(labels=labels, counted=counted, needed=torch.tensor([1]))
        >>> logits = torch.tensor([[[3.0, 1.0], [1.0, 5.0]]]).flatten(1)  # 2 classes, 2 pixels
        >>> goal.share(logits), goal.margins(logits), goal.margin(logits), goal.reached(logits)
        (tensor([0.5000]), tensor([[-2.,  4.]]), tensor([4.]), tensor([True]))
    """

    def wanted(self, classes: Labels) -> Tensor:
        """True where another class is predicted."""
        return classes != self.labels

    def margins(self, logits: Logits) -> Tensor:
        """The largest other logit minus the label's."""
        return -self.leads(logits)


@dataclass(frozen=True, kw_only=True)
class PixelsTo(ClassGoal):
    """The given classes and no others."""

    targeted: ClassVar[bool] = True

    def wanted(self, classes: Labels) -> Tensor:
        """True where the target is predicted."""
        return classes == self.labels

    def margins(self, logits: Logits) -> Tensor:
        """The target's logit minus the largest other."""
        return self.leads(logits)


def needed_of(counted: Tensor, share: float) -> Tensor:
    """Return how many pixels a share of those that count are at least, (n,) int64; at least one.

    Args:
        counted: (n, p) bool.
        share: above 0, at most 1.

    Example:
        >>> needed_of(torch.ones(1, 100, dtype=torch.bool), 0.99)
        tensor([99])
    """
    asked = counted.sum(1).double() * share
    return (asked * (1 - ROUNDING)).ceil().long().clamp_min(1)
