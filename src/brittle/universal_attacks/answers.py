"""What a network's outputs are taken for where a perturbation is judged: a class of an image, of a pixel, or depths."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from brittle.maths.depth_ratio import log_ratio
from brittle.metrics.depth import THRESHOLD, checked_ratio
from brittle.types import Labels, Logits, Mask, PerImage
from brittle.universal_attacks.objective import Aim, Objective, away


@dataclass(frozen=True)
class Answers(ABC):
    """How rows of outputs are read, when an answer counts as another one, and what a search climbs to make it so.

    Attributes:
        pixels: whether there is an answer for every pixel, in rows of their own.
        classes: whether an answer is a class, which there may be a target of.
    """

    pixels: ClassVar[bool] = True
    classes: ClassVar[bool] = True

    @abstractmethod
    def read(self, outputs: Logits, count: int) -> Tensor:
        """Return the answers to `count` images, (count,) or (count, pixels), on the CPU; a network's rows are given."""

    @abstractmethod
    def changed(self, moved: Tensor, clean: Tensor) -> Mask:
        """Say which answers are others than those without a perturbation; both as `read` returns them."""

    def shares(self, moved: Tensor, clean: Tensor) -> PerImage:
        """Return which part of each image's answers is another one, (n,) float64."""
        return self.changed(moved, clean).double().flatten(1).mean(1)

    def leading(self, answers: Tensor) -> float | None:
        """Return the fraction of the answers that are the class that most are; None of depths."""
        return float(answers.flatten().bincount().max()) / answers.numel()

    def away(self, name: Objective, clip: float) -> Aim:
        """Return what grows as rows of outputs with a perturbation leave those without, given both.

        Args:
            name: as of `brittle.universal_attacks.objective.away`.
            clip: likewise.
        """
        return away(name, clip)


@dataclass(frozen=True)
class ClassOfImage(Answers):
    """The class with the largest logit, of each image.

    Example:
        >>> ClassOfImage().read(torch.tensor([[0.0, 2.0], [1.0, 0.0]]), 2)
        tensor([1, 0])
    """

    pixels: ClassVar[bool] = False

    def read(self, outputs: Logits, count: int) -> Labels:
        """Return (n,) int64."""
        return outputs.argmax(1).cpu()

    def changed(self, moved: Tensor, clean: Tensor) -> Mask:
        """Compare classes."""
        return moved != clean

    def shares(self, moved: Tensor, clean: Tensor) -> PerImage:
        """Return 1 or 0 of each image."""
        return self.changed(moved, clean).double()


CLASSES = ClassOfImage()
"""What networks say by default."""


@dataclass(frozen=True)
class ClassOfPixels(Answers):
    """The class with the largest logit, of each pixel.

    Example:
        >>> ClassOfPixels().read(torch.tensor([[0.0, 2.0], [1.0, 0.0], [3.0, 0.0], [0.0, 3.0]]), 2)
        tensor([[1, 0],
                [0, 1]], dtype=torch.int16)
    """

    def read(self, outputs: Logits, count: int) -> Labels:
        """Return (n, pixels) int16: of many images they fill the memory."""
        return outputs.argmax(1).cpu().reshape(count, -1).to(torch.int16)

    def changed(self, moved: Tensor, clean: Tensor) -> Mask:
        """Compare classes."""
        return moved != clean


@dataclass(frozen=True)
class DepthOfPixels(Answers):
    """The depth of each pixel, which is another one where max(d / d*, d* / d) reaches a ratio (Eigen et al., 2014).

    A pixel without a depth, 0, in the image as it is does not count.

    Attributes:
        ratio: above 1; 1.25 as in the benchmark's first threshold.

    Example:
        >>> near, far = torch.tensor([[2.0, 2.0]]), torch.tensor([[2.4, 2.6]])
        >>> DepthOfPixels(1.25).changed(far, near)
        tensor([[False,  True]])
    """

    classes: ClassVar[bool] = False
    ratio: float = THRESHOLD

    def __post_init__(self):
        object.__setattr__(self, "ratio", checked_ratio(self.ratio))

    def read(self, outputs: Logits, count: int) -> Tensor:
        """Return (n, pixels) float32."""
        return outputs[:, 0].reshape(count, -1).float().cpu()

    def changed(self, moved: Tensor, clean: Tensor) -> Mask:
        """Compare depths by their ratio, in float64; one that is not above 0 any more is another one."""
        near, far = moved.double(), clean.double()
        return ((near >= self.ratio * far) | (self.ratio * near <= far)) & (far > 0)

    def shares(self, moved: Tensor, clean: Tensor) -> PerImage:
        """Return which part of each image's pixels that have a depth has another one; 0 where none has."""
        counted = (clean > 0).flatten(1).sum(1)
        return self.changed(moved, clean).flatten(1).sum(1) / counted.clamp_min(1).double()

    def leading(self, answers: Tensor) -> float | None:
        """There are no classes."""
        return None

    def away(self, name: Objective, clip: float) -> Aim:
        """Return how far depths are off in units of the ratio, |log d - log d*| / log ratio - 1, up to `clip`.

        A depth is one number, so that there is no cosine, and "margin" and "cosine" are the same; "cross_entropy" is
        the logistic loss of it.
        """

        def margin(moved: Logits, clean: Logits) -> PerImage:
            known = clean[:, 0] > 0
            off = log_ratio(moved[:, 0], clean[:, 0].where(known, 1.0)).abs() / math.log(self.ratio)
            return (off - 1).where(known, 0.0).clamp_max(clip)

        def entropy(moved: Logits, clean: Logits) -> PerImage:
            return functional.softplus(margin(moved, clean)).clamp_max(clip)

        return entropy if name == "cross_entropy" else margin
