"""The network where it answers for every pixel, as universal perturbations see it: a row of outputs for each pixel."""

from abc import ABC
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.door import Ask
from brittle.dense.depth_estimator import DepthEstimator
from brittle.dense.network import DenseNetwork
from brittle.dense.segmenter import Segmenter
from brittle.types import Images, Logits


@dataclass(frozen=True, init=False)
class DenseRows(Classifier, ABC):
    """A network from images to outputs for every pixel, said in one row for each pixel, (n h w, k).

    What is true of answers to images is so of those of pixels: how far they leave what they were, which fraction does.
    All pixels of an image stand together, row by row.

    Attributes:
        network: how the module's outputs are read.
    """

    network: ClassVar[type[DenseNetwork]]

    @classmethod
    def of(cls, classifier: Classifier) -> Self:
        """Read the outputs of a classifier's module pixel by pixel.

        Raises:
            ModelError: it was said to be what means nothing here, such as one with a single output.
        """
        read = cls.network.of(classifier)
        return cls(read.module, read.bounds, probabilities=read.probabilities)

    def logits(self, images: Images) -> Tensor:
        """Evaluate the network, (n h w, k), with its way back.

        Raises:
            ModelError: outputs of another shape.
        """
        return _rows(self.network.of(self).maps(images))

    def logits_beside(self, images: Images, asking: Ask) -> tuple[Logits, Tensor]:
        """Evaluate the network likewise, with what else `asking` returns of the same pass."""
        maps, more = super().logits_beside(images, asking)
        return _rows(self.network.of(self).shaped(maps, len(images))), more

    def checked(self, images: Images, earlier: Any = ()) -> Logits:
        """Evaluate the network, and refuse outputs that cannot be meant."""
        return _rows(self.network.of(self).checked_maps(images))

    def answers(self, images: Images, *, checked: bool) -> Tensor:
        """Return what the network says of each pixel, (n, h, w): its class, or its depth.

        Args:
            images: (n, c, h, w).
            checked: whether outputs that cannot be meant of clean images are refused, see `checked`.
        """
        network = self.network.of(self)
        return network.answers(network.checked_maps(images) if checked else network.maps(images))


@dataclass(frozen=True, init=False)
class PixelRows(DenseRows):
    """A network from images to logits of every class at every pixel, (n, k, h, w), in rows of k.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> PixelRows.of(Classifier(nn.Conv2d(3, 5, 1))).logits(torch.rand(2, 3, 4, 6)).shape
        torch.Size([48, 5])
    """

    network: ClassVar[type[DenseNetwork]] = Segmenter


@dataclass(frozen=True, init=False)
class DepthRows(DenseRows):
    """A network from images to a depth for every pixel, (n, h, w) or (n, 1, h, w), in rows of one number.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Conv2d(3, 1, 1), nn.Softplus())
        >>> DepthRows.of(Classifier(network)).logits(torch.rand(2, 3, 4, 6)).shape
        torch.Size([48, 1])
    """

    network: ClassVar[type[DenseNetwork]] = DepthEstimator


def _rows(maps: Tensor) -> Logits:
    return maps.movedim(1, -1).flatten(0, 2)
