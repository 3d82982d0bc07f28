"""Several random crops of an image, each enlarged, and the mean of what the network says of them."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from brittle.arguments import Count, Within, check_fields
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.memory_format import logits_in
from brittle.defences.defence import MARGIN, Adaptive, Defence, Masking
from brittle.errors import InputError
from brittle.types import Images

DRAWS = 5
"""Samples that an adversary averages over; each is the mean over `crops` of them already."""


@dataclass(frozen=True)
class Crops(Defence):
    """The mean prediction over random crops, each enlarged to the size of the image.

    Guo, Rana, Cissé & van der Maaten, ICLR 2018, section 3 (arXiv:1711.00117): 30 crops of 90 x 90 of images of
    224 x 224, whose softmax outputs are averaged; the same fraction of the sides for other sizes. Everything in it can
    be differentiated; an adversary averages too (EOT; Athalye, Carlini & Wagner, ICML 2018, section 5).

    The places are drawn once a pass, for all images alike. Where gradients are asked for, the network goes forward a
    second time for each crop, so that the graph of one crop at a time is held and not that of all. The logits of the
    defended network are the logarithms of the mean probabilities.

    Args:
        crops: for each image and pass.
        side: of a crop, as a fraction of the image's side.

    Raises:
        InputError: no crop or a side outside 0 to 1; and, in `protect`, a network that returns anything but logits.

    Example:
        >>> inner = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)))
        >>> Crops(crops=4).protect(inner).logits(torch.rand(2, 1, 4, 4)).shape
        torch.Size([2, 3])
    """

    title: ClassVar[str] = "Random crops"
    masking: ClassVar[Masking] = Masking.STOCHASTIC

    crops: Count = 30
    side: Annotated[float, Within(0, 1)] = 90 / 224

    def __post_init__(self):
        check_fields(self)

    def protect(self, classifier: Classifier) -> Classifier:
        """Return the mean over the crops."""
        if classifier.binary or classifier.probabilities or classifier.labels is not None:
            raise InputError(
                "the network returns no logits of classes; random crops average the softmax of such logits"
            )
        return classifier.around(_Ensemble(self, classifier.module))

    def adaptive(self, classifier: Classifier) -> Adaptive:
        """Return the same, to be averaged over several draws."""
        note = f"with the mean gradient over {DRAWS} draws of {self.crops} crops (EOT)"
        return Adaptive(self.protect(classifier), DRAWS, MARGIN, note=note)

    def shown(self, classifier: Classifier, images: Images) -> Images:
        """Return the first crop of a pass."""
        return self.cropped(images, *self.places(1, images)[0])

    def cropped(self, images: Images, top: int, left: int) -> Images:
        """Return one crop of every image, enlarged (bilinear) to the size of the image."""
        height, width = images.shape[-2:]
        cut = images[..., top : top + self._length(height), left : left + self._length(width)]
        return nn.functional.interpolate(cut, (height, width), mode="bilinear", align_corners=False)

    def _length(self, side: int) -> int:
        return max(1, round(self.side * side))

    def places(self, count: int, images: Images) -> list[tuple[int, int]]:
        """Draw the upper left corners of so many crops, uniformly."""
        rooms = [side - self._length(side) + 1 for side in images.shape[-2:]]
        drawn = [torch.randint(room, (count,)).tolist() for room in rooms]
        return list(zip(*drawn, strict=True))


class _Ensemble(nn.Module):
    """A network that is asked about crops."""

    def __init__(self, defence: Crops, module: nn.Module):
        super().__init__()
        self.defence, self.module = defence, module

    def forward(self, images: Tensor) -> Tensor:
        places = self.defence.places(self.defence.crops, images)
        said = [self._kept_short(images, *place) for place in places]
        return torch.stack(said).logsumexp(0) - math.log(len(said))

    def _kept_short(self, images: Tensor, top: int, left: int) -> Tensor:
        """Ask about one crop of each image; the way back makes that forward pass again.

        The graphs of all crops at once would take as many times the memory of one: 15 GB for 8 photographs.
        """
        if not torch.is_grad_enabled():
            return self._answer(images, top, left)
        return checkpoint(self._answer, images, top, left, use_reentrant=False)  # pyright: ignore[reportReturnType]

    def _answer(self, images: Tensor, top: int, left: int) -> Tensor:
        return logits_in(self.module(self.defence.cropped(images, top, left))).log_softmax(1)
