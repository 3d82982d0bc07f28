"""What a contender has achieved, judged by the benchmark and not by the contender."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

TOLERANCE = 1e-6
"""How far a value may leave the box, or a change the radius: the tolerance that every contender is given."""


@dataclass(frozen=True)
class Verdict:
    """One row per image.

    Attributes:
        right: whether the clean image was right, (n,) bool.
        success: right before, wrong after, inside the box and the radius.
        size: of the change where it succeeded, infinite elsewhere.
    """

    right: np.ndarray
    success: np.ndarray
    size: np.ndarray

    def median(self, count: int | None = None) -> float:
        """Return the median size over the images that were right, a failure counting as infinitely large.

        Args:
            count: of the first images only.
        """
        sizes = self.size[:count][self.right[:count]]
        return float(np.median(sizes)) if len(sizes) else float("nan")


@torch.no_grad()
def judge(module: nn.Module, images: Tensor, labels: Tensor, moved: Tensor, p: float, radius: float) -> Verdict:
    """Look at what a contender returned in fresh forward passes.

    Args:
        module: the network, as loaded.
        images: (n, c, h, w) in [0, 1].
        labels: (n,).
        moved: what the contender returned, like `images`.
        p: the norm's exponent.
        radius: largest size allowed.
    """
    if moved.shape != images.shape:
        raise ValueError(f"the contender returned shape {tuple(moved.shape)} for images {tuple(images.shape)}")
    right = predicted(module, images) == labels
    wrong = predicted(module, moved) != labels
    size = torch.linalg.vector_norm((moved.double() - images.double()).flatten(1), p, dim=1)
    inside = ((moved >= -TOLERANCE) & (moved <= 1 + TOLERANCE)).flatten(1).all(1)
    success = right & wrong & inside & (size <= radius + TOLERANCE)
    return Verdict(right.numpy(), success.numpy(), size.where(success, torch.inf).numpy())


@torch.no_grad()
def classes_of(module: nn.Module, images: Tensor) -> int:
    """Return how many classes the network tells apart; asks it about the first image."""
    return module(images[:1]).shape[1]


@torch.no_grad()
def predicted(module: nn.Module, images: Tensor) -> Tensor:
    """Return the predicted classes, 256 images at a time."""
    return torch.cat([module(part).argmax(1) for part in images.split(256)])
