"""Networks with a class for every pixel."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from brittle.classifiers.probabilities import refuse_probabilities
from brittle.dense.network import DenseNetwork
from brittle.errors import ModelError

SOME = 4096
"""Pixels by which probabilities are told from logits."""


@dataclass(frozen=True, init=False)
class Segmenter(DenseNetwork):
    """A network from images to logits of every class at every pixel, (n, k, h, w), said in one row of k h w an image.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> network = Segmenter(nn.Conv2d(3, 5, 1))
        >>> network.maps(torch.rand(2, 3, 4, 6)).shape, network.logits(torch.rand(2, 3, 4, 6)).shape
        (torch.Size([2, 5, 4, 6]), torch.Size([2, 120]))
    """

    expected: ClassVar[str] = "logits of every class at every pixel, (n, classes, height, width)"
    fewest: ClassVar[int] = 2

    def shaped(self, outputs: Tensor, count: int) -> Tensor:
        """Return the outputs as they are, where they are (n, k, h, w)."""
        if outputs.ndim != 4 or len(outputs) != count:
            mends = {
                2: "; for one class per image there are brittle.run and --task classification",
                3: "; for one depth per pixel there are run_dense(..., task='depth') and --task depth",
            }
            raise ModelError(
                f"the network returns shape {tuple(outputs.shape)} for {count} images; expected "
                f"({count}, classes, height, width){mends.get(outputs.ndim, '')}"
            )
        return outputs

    def check_maps(self, maps: Tensor) -> None:
        """Refuse a single class, and probabilities."""
        if maps.shape[1] < self.fewest:
            raise ModelError(
                "the network has one output per pixel, so there is no second class to change to; of a binary network "
                "z return torch.cat([torch.zeros_like(z), z], 1); if it is a depth, say task='depth' or --task depth"
            )
        if not self.probabilities:
            rows = maps.movedim(1, -1).flatten(0, 2)
            refuse_probabilities(rows[:: max(len(rows) // SOME, 1)], binary=False)

    def answers(self, maps: Tensor) -> Tensor:
        """Return each pixel's class, int64."""
        return maps.argmax(1)
