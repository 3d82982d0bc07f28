"""Goals of depths: a share of the pixels that count must be too far or too near by a ratio, or within it of others."""

import math
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from brittle.dense.goal import PixelGoal
from brittle.maths.depth_ratio import log_ratio
from brittle.metrics import depth_errors
from brittle.types import Logits, PerImage

NEAREST = 1e-30
"""Estimates below it are taken for it in errors, whatever the unit of the depths."""


@dataclass(frozen=True, kw_only=True)
class DepthGoal(PixelGoal, ABC):
    """What an attack wants of pixels with a depth d each, beside depths d* that it must leave or reach.

    A depth is right where max(d / d*, d* / d) is below a ratio, 1.25 in Eigen, Puhrsch & Fergus, NIPS 2014, section
    4.3 (arXiv:1406.2283). Margins are measured in the natural logarithm of that ratio, so that the unit of depth does
    not matter.

    Attributes:
        labels: (n, p) floats above 0: the depths d*.
        ratio: above 1.
    """

    ratio: float

    def off(self, logits: Logits) -> Tensor:
        """Measure log d - log d* of each pixel, (n, p): positive where it is farther than d*; see `log_ratio`."""
        return log_ratio(logits, self.labels)

    def won(self, logits: Logits) -> Tensor:
        """Say which pixels are off by the ratio at least, or for targets by less."""
        margins = self.margins(logits)
        return margins > 0 if self.targeted else margins >= 0

    def margins(self, logits: Logits) -> Tensor:
        """Measure |log d - log d*| - log ratio, or for targets its negative; the slope where d = d* leads farther."""
        off = self.off(logits)
        beyond = torch.where(off >= 0, off, -off) - math.log(self.ratio)
        return -beyond if self.targeted else beyond

    def gain(self, logits: Logits, heat: PerImage) -> Tensor:
        """Measure each pixel's logistic loss at a temperature, negative for targets."""
        hot, warm = self.margins(logits) / heat[:, None], heat[:, None]
        return functional.logsigmoid(hot) * warm if self.targeted else functional.softplus(hot) * warm

    def errors(self, clean: Logits, final: Logits) -> Mapping[str, PerImage]:
        """Measure errors of depth beside d* over the pixels that count, before and after.

        Returns:
            `absolute`, the mean |d - d*| / d*, and `within`, the fraction of the pixels with max(d / d*, d* / d) <
            1.25, after; the same before as `clean_absolute` and `clean_within`.
        """
        true = self.labels.masked_fill(~self.counted, torch.nan)[:, None].cpu().numpy()
        found: dict[str, PerImage] = {}
        for name, depths in (("clean_", clean), ("", final)):
            errors = depth_errors(true, depths.detach()[:, None].cpu().numpy(), NEAREST)
            found[f"{name}absolute"] = torch.from_numpy(errors.absolute)
            found[f"{name}within"] = torch.from_numpy(errors.within[:, 0])
        return found


@dataclass(frozen=True, kw_only=True)
class DepthsAway(DepthGoal):
    """Depths that are farther or nearer than the labels by the ratio at least.

    Example:
        >>> depths, counted = torch.tensor([[2.0, 2.0]]), torch.tensor([[True, True]])
        >>> goal = DepthsAway(labels=depths, counted=counted, needed=torch.tensor([1]), ratio=1.25)
        >>> estimates = torch.tensor([[2.4, 1.0]])
        >>> goal.won(estimates), goal.share(estimates), goal.reached(estimates)
        (tensor([[False,  True]]), tensor([0.5000]), tensor([True]))
    """


@dataclass(frozen=True, kw_only=True)
class DepthsTo(DepthGoal):
    """Depths within the ratio of the labels."""

    targeted: ClassVar[bool] = True
