"""The network where it answers for every pixel, as universal perturbations see it: a row of logits for each pixel."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.door import Ask
from brittle.dense.segmenter import Segmenter
from brittle.types import Images, Logits


@dataclass(frozen=True, init=False)
class PixelRows(Classifier):
    """A network from images to logits of every class at every pixel, said in one row for each pixel, (n h w, k).

    What is true of classes of images is so of classes of pixels: how far they leave what they were, which fraction
    does. All pixels of an image stand together, row by row.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> PixelRows.of(Classifier(nn.Conv2d(3, 5, 1))).logits(torch.rand(2, 3, 4, 6)).shape
        torch.Size([48, 5])
    """

    @classmethod
    def of(cls, classifier: Classifier) -> "PixelRows":
        """Read the outputs of a classifier's module pixel by pixel.

        Raises:
            ModelError: it was said to return a single output, class numbers or refusals.
        """
        network = Segmenter.of(classifier)
        return cls(network.module, network.bounds, probabilities=network.probabilities)

    def logits(self, images: Images) -> Tensor:
        """Evaluate the network, (n h w, k), with its way back.

        Raises:
            ModelError: outputs of another shape than (n, k, h, w).
        """
        return _rows(Segmenter.of(self).maps(images))

    def logits_beside(self, images: Images, asking: Ask) -> tuple[Logits, Tensor]:
        """Evaluate the network likewise, with what else `asking` returns of the same pass."""
        maps, more = super().logits_beside(images, asking)
        return _rows(maps), more

    def checked(self, images: Images, earlier: Any = ()) -> Logits:
        """Evaluate the network, and refuse outputs that are no logits of pixels."""
        return _rows(Segmenter.of(self).checked_maps(images))


def _rows(maps: Tensor) -> Logits:
    return maps.movedim(1, -1).flatten(0, 2)
