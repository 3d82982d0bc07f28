"""Goals of dense outputs: a share of the pixels that count must leave their classes, or reach others."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from brittle.core.goal import Goal
from brittle.types import Labels, Logits, Mask, PerImage

ROUNDING = 1e-9
"""Of the number of pixels: by how much a share times that number may round beyond a whole number."""


@dataclass(frozen=True, kw_only=True)
class PixelGoal(Goal):
    """What an attack wants of each image's pixels; an image has a row of logits (k p) for its p pixels.

    Attributes:
        labels: (n, p) int64: the classes to leave, or to reach.
        counted: (n, p) bool: which pixels count.
        needed: (n,) int64: of how many pixels the goal asks.
    """

    counted: Tensor
    needed: Tensor

    def by_class(self, logits: Logits) -> Tensor:
        """Shape rows of logits (n, k p) as (n, k, p)."""
        return logits.unflatten(1, (-1, self.labels.shape[1]))

    def share(self, logits: Logits) -> PerImage:
        """Measure which part of the counted pixels are as wanted, (n,)."""
        return self._count(logits).to(logits.dtype) / self.counted.sum(1)

    def reached(self, logits: Logits) -> Mask:
        """True where enough pixels are of a class that is wanted."""
        return self._count(logits) >= self.needed

    def margin(self, logits: Logits) -> PerImage:
        """How far beyond its boundary the last pixel is that is needed, in logits: a quantile of the pixels' margins.

        It is above 0 just where enough pixels are as wanted, but for ties.
        """
        falling = self.margins(logits).masked_fill(~self.counted, -torch.inf).sort(dim=1, descending=True).values
        return falling.gather(1, self.needed[:, None] - 1)[:, 0]

    def _count(self, logits: Logits) -> Tensor:
        return (self.wanted(self.by_class(logits).argmax(1)) & self.counted).sum(1)

    def leads(self, logits: Logits) -> Tensor:
        """By how much each pixel's label leads the best other class, in logits, (n, p); negative where it does not."""
        maps, places = self.by_class(logits), self.labels[:, None]
        return maps.gather(1, places)[:, 0] - maps.scatter(1, places, -torch.inf).amax(1)

    @abstractmethod
    def wanted(self, classes: Labels) -> Tensor:
        """Say which pixels have a class that is wanted, (n, p) of (n, p)."""

    @abstractmethod
    def margins(self, logits: Logits) -> Tensor:
        """How far beyond its boundary each pixel is, in logits, (n, p); negative before it."""


@dataclass(frozen=True, kw_only=True)
class PixelsAway(PixelGoal):
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
class PixelsTo(PixelGoal):
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
