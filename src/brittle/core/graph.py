"""A forward pass whose backward pass is still to come."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from brittle.core.nonfinite import usable
from brittle.types import Images, Logits, Mask, PerImage

Reading = Callable[[Tensor, Tensor | None], Logits]
"""Turns outputs of points at some positions, None for all, into the logits that are judged."""


def as_they_are(outputs: Tensor, places: Tensor | None) -> Logits:
    """Read outputs that are the logits of classes."""
    return outputs


@dataclass
class Graph:
    """A forward pass with its graph.

    Attributes:
        leaf: the images seen.
        outputs: what it said, (m, k), or (eot_samples, m, k) of a randomised network that is asked more than once.
        shown: which of the images the budget let the network see, (m,); None for all.
        unusable: which points have no finite output, and the clean image's in its place, (m,); None for none.
        spent: whether the backward pass was used up.
        reading: how the outputs of a network that may refuse images are read.
    """

    leaf: Images
    outputs: Tensor
    shown: Mask | None = None
    unusable: Mask | None = None
    spent: bool = False
    reading: Reading = as_they_are

    @property
    def logits(self) -> Logits:
        """The mean over the samples, (m, k), detached, in memory of its own."""
        outputs = self.outputs.detach()
        return self.reading(outputs.clone() if outputs.ndim == 2 else outputs.mean(0), None)

    @property
    def mean(self) -> Tensor:
        """The outputs, the mean over the samples, detached."""
        return _mean(self.outputs.detach())

    @property
    def eot_samples(self) -> int:
        """How often the network was asked."""
        return 1 if self.outputs.ndim == 2 else len(self.outputs)

    def correct(self, rows: Tensor, outputs: Tensor) -> None:
        """Let points have other outputs, (r, k) or (eot_samples, r, k), with the way back of those that they had."""
        own = self.mean
        shift = torch.zeros_like(own).index_copy_(0, rows, _mean(outputs.detach()) - own[rows])
        with torch.enable_grad():
            self.outputs = self.outputs + shift

    def summed(self, value: Callable[[Logits], PerImage], places: Tensor | None) -> Tensor:
        """Return what to differentiate for the gradients of values, the mean over the samples.

        Args:
            value: from logits (r, k) to (r,).
            places: of which points, (r,); None for all.

        Returns:
            One number, or (r,) numbers whose sum is meant.
        """
        outputs = self.outputs if places is None else self.outputs[..., places, :]
        if outputs.ndim == 2:
            return value(self.reading(outputs, places))
        return torch.stack([value(self.reading(one, places)).sum() for one in outputs]).sum() / len(outputs)


def _mean(outputs: Tensor) -> Tensor:
    return outputs if outputs.ndim == 2 else outputs.mean(0)


def completed(points: Images, outputs: Tensor, clean: Logits, rows: Tensor | None) -> Graph:
    """Return a forward pass of all points, of which the budget let the network see some.

    Args:
        points: (m, c, h, w).
        outputs: of those that it has seen, (r, k) or (eot_samples, r, k).
        clean: logits that stand in for the others, and where outputs are not finite, (m, k).
        rows: which points it has seen, (r,); None for all.
    """
    outputs, unusable = usable(outputs, clean if rows is None else clean[rows])
    if rows is None:
        return Graph(points, outputs, None, unusable)
    nobody = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    if unusable is not None:
        unusable = nobody.index_copy(0, rows, unusable)
    constant = clean + 0 * points.flatten(1)[:, :1]  # with a way back, along which nothing comes
    whole = constant.expand(*outputs.shape[:-2], -1, -1).index_copy(-2, rows, outputs)
    return Graph(points, whole, nobody.index_fill(0, rows, value=True), unusable)
