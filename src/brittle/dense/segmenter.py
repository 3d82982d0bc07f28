"""The network under attack where it answers for every pixel: a row of logits per image, as the core wants them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.probabilities import refuse_probabilities
from brittle.errors import ModelError
from brittle.types import Images, Logits

SOME = 4096
"""Pixels by which probabilities are told from logits."""


@dataclass(frozen=True, init=False)
class Segmenter(Classifier):
    """A network from images to logits of every class at every pixel, (n, k, h, w), said in one row of k h w an image.

    The core goes by one row of logits per image and asks the goal what they mean. So a goal of pixels, which shapes the
    rows back, is all that it takes to judge and to differentiate a dense network in the same loop. Height and width of
    the output need not be the images'.

    Example:
        >>> from torch import nn
        >>> network = Segmenter(nn.Conv2d(3, 5, 1))
        >>> network.maps(torch.rand(2, 3, 4, 6)).shape, network.logits(torch.rand(2, 3, 4, 6)).shape
        (torch.Size([2, 5, 4, 6]), torch.Size([2, 120]))
    """

    @classmethod
    def of(cls, classifier: Classifier) -> "Segmenter":
        """Read the outputs of a classifier's module pixel by pixel.

        Raises:
            ModelError: it was said to return a single output, class numbers or refusals.
        """
        said = {name: getattr(classifier, name) for name in ("binary", "labels", "rejects")}
        if any(said.values()):
            told = ", ".join(f"{name}={value}" for name, value in said.items() if value)
            raise ModelError(
                f"the network was said to be one with {told}; expected logits of every class at every pixel, "
                "(n, classes, height, width), and none of these switches"
            )
        return cls(classifier.module, classifier.bounds, probabilities=classifier.probabilities)

    def maps(self, images: Images) -> Tensor:
        """Evaluate the network, (n, k, h, w), with its way back.

        Raises:
            ModelError: another shape.
        """
        outputs: Any = super().logits(images)
        if not isinstance(outputs, Tensor):
            raise ModelError(refusal(outputs, "(n, classes, h, w)"))
        if outputs.ndim != 4 or len(outputs) != len(images):
            mend = (
                "; for one class per image there are brittle.run and --task classification" if outputs.ndim == 2 else ""
            )
            raise ModelError(
                f"the network returns shape {tuple(outputs.shape)} for {len(images)} images; expected "
                f"({len(images)}, classes, height, width){mend}"
            )
        return outputs

    def logits(self, images: Images) -> Logits:
        """Evaluate the network, (n, k h w): all pixels of the first class, then of the second, and so on."""
        return self.maps(images).flatten(1)

    def checked(self, images: Images, earlier: Sequence[Tensor] = ()) -> Logits:
        """Evaluate the network as `logits`, and refuse what are no logits, as `checked_maps` does."""
        return self.checked_maps(images).flatten(1)

    @torch.no_grad()
    def checked_maps(self, images: Images) -> Tensor:
        """Evaluate the network on clean images, and refuse what are no logits.

        Raises:
            ModelError: another shape, a single class, NaN or infinite values, or probabilities.
        """
        outputs = self.maps(images)
        if outputs.shape[1] < 2:
            raise ModelError(
                "the network has one output per pixel, so there is no second class to change to; of a binary network "
                "z return torch.cat([torch.zeros_like(z), z], 1)"
            )
        if 0 in outputs.shape[2:]:
            raise ModelError(f"the network returns shape {tuple(outputs.shape)}; expected at least one pixel")
        bad = int((~torch.isfinite(outputs)).flatten(1).any(1).sum())
        if bad:
            raise ModelError(
                f"the network's output is NaN or infinite for {bad} of {len(images)} images; look at the weights and "
                "at the normalisation inside the network"
            )
        if not self.probabilities:
            rows = outputs.movedim(1, -1).flatten(0, 2)
            refuse_probabilities(rows[:: max(len(rows) // SOME, 1)], binary=False)
        return outputs
