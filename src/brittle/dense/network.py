"""The network under attack where it answers for every pixel: a row of its outputs per image, as the core wants them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from brittle.classifiers.chosen_output import refusal
from brittle.classifiers.classifier import Classifier
from brittle.errors import ModelError
from brittle.types import Images, Logits


class DenseNetwork(Classifier, ABC):
    """A network from images to outputs for every pixel, (n, k, h, w), said in one row of k h w an image.

    The core goes by one row per image and asks the goal what it means. So a goal of pixels, which shapes the rows back,
    is all that it takes to judge and to differentiate a dense network in the same loop. Height and width of the output
    need not be the images'.

    Attributes:
        expected: what the module is to return, in words.
        fewest: how many outputs a pixel has at least.
    """

    expected: ClassVar[str]
    fewest: ClassVar[int]

    @classmethod
    def of(cls, classifier: Classifier) -> Self:
        """Read the outputs of a classifier's module pixel by pixel.

        Raises:
            ModelError: switches that mean nothing here.
        """
        said = {name: getattr(classifier, name) for name in cls.switches()}
        if any(said.values()):
            told = ", ".join(f"{name}={value}" for name, value in said.items() if value)
            raise ModelError(
                f"the network was said to be one with {told}; expected {cls.expected}, and none of these switches"
            )
        return cls(classifier.module, classifier.bounds, probabilities=classifier.probabilities)

    @classmethod
    def switches(cls) -> Sequence[str]:
        """Name what a classifier can be said to be that means nothing for pixels."""
        return ("binary", "labels", "rejects")

    def maps(self, images: Images) -> Tensor:
        """Evaluate the network, (n, k, h, w), with its way back.

        Raises:
            ModelError: another shape.
        """
        outputs: Any = super().logits(images)
        if not isinstance(outputs, Tensor):
            raise ModelError(refusal(outputs, self.expected))
        return self.shaped(outputs, len(images))

    def logits(self, images: Images) -> Logits:
        """Evaluate the network, (n, k h w): all pixels of the first output, then of the second, and so on."""
        return self.maps(images).flatten(1)

    def checked(self, images: Images, earlier: Sequence[Tensor] = ()) -> Logits:
        """Evaluate the network as `logits`, and refuse what cannot be meant, as `checked_maps` does."""
        return self.checked_maps(images).flatten(1)

    @torch.no_grad()
    def checked_maps(self, images: Images) -> Tensor:
        """Evaluate the network on clean images, and refuse what cannot be meant.

        Raises:
            ModelError: another shape, no pixel, NaN or infinite values, or what else a kind of network refuses.
        """
        outputs = self.maps(images)
        if 0 in outputs.shape[2:]:
            raise ModelError(f"the network returns shape {tuple(outputs.shape)}; expected at least one pixel")
        bad = int((~torch.isfinite(outputs)).flatten(1).any(1).sum())
        if bad:
            raise ModelError(
                f"the network's output is NaN or infinite for {bad} of {len(images)} images; look at the weights and "
                "at the normalisation inside the network"
            )
        self.check_maps(outputs)
        return outputs

    @abstractmethod
    def shaped(self, outputs: Tensor, count: int) -> Tensor:
        """Return the outputs for `count` images as (n, k, h, w).

        Raises:
            ModelError: another shape.
        """

    @abstractmethod
    def check_maps(self, maps: Tensor) -> None:
        """Refuse outputs (n, k, h, w) for clean images, finite and of at least one pixel, that cannot be meant.

        Raises:
            ModelError: with what was seen, and what to do.
        """

    @abstractmethod
    def answers(self, maps: Tensor) -> Tensor:
        """Return what outputs (n, k, h, w) say of each pixel, (n, h, w)."""
