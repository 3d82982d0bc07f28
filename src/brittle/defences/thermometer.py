"""Every value of an image as a column of zeros and ones, as high as the value."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from brittle.arguments import Within, check_fields
from brittle.classifiers.classifier import Classifier
from brittle.defences.defence import Masking
from brittle.defences.transformation import InputTransformation
from brittle.errors import InputError
from brittle.types import Images


@dataclass(frozen=True)
class Thermometer(InputTransformation):
    """Thermometer encoding: a value x becomes `levels` channels, of which the k-th, k = 1 ... l, is 1 where x > k/l.

    Buckman, Roy, Raffel & Goodfellow, ICLR 2018, section 3 (OpenReview S18Su--CW), written as by Athalye, Carlini &
    Wagner, ICML 2018, section 5 (arXiv:1802.00420): the former's channels are the others' complement. Broken by
    going back through ramps in place of the steps (BPDA). The network behind it takes `channels(count)` channels and
    must have been trained on them: `brittle train ARCHITECTURE --defence thermometer`.

    Deviations: the encoding's channels are those of the first colour, then those of the second, and so on. Athalye et
    al. go back through clamp(x - k/l, 0, 1), which gives no gradient below the first level and counts every level below
    a value, however far; here a ramp reaches from the level below to the level above (see `surrogate`), which breaks
    more: PGD-40 within 0.031 left 5 % with theirs and 2 % with this one (100 images of CIFAR-10, 57 % clean).

    Args:
        levels: of each value, 2 to 256; 16 by default.

    Raises:
        InputError: another number of levels; a network whose channels are no multiple of it.

    Example:
        >>> Thermometer(levels=10).transform(torch.tensor([[[[0.66]]]])).flatten()
        tensor([1., 1., 1., 1., 1., 1., 0., 0., 0., 0.])
    """

    title: ClassVar[str] = "Thermometer encoding"
    masking: ClassVar[Masking] = Masking.SHATTERED

    levels: Annotated[int, Within(2, 256)] = 16

    def __post_init__(self):
        check_fields(self)

    def channels(self, count: int) -> int:
        """Return how many channels the network takes for images of `count` channels.

        Example:
            >>> Thermometer().channels(3)
            48
        """
        return count * self.levels

    def transform(self, images: Images) -> Images:
        """Return the encoding, (n, c * levels, h, w), of zeros and ones."""
        return self._above(images).gt(0).to(images.dtype).flatten(1, 2)

    def surrogate(self, images: Images) -> Images:
        """Return clamp((l (x - k/l) + 1) / 2, 0, 1), of the encoding's shape: every value has a gradient.

        Example:
            >>> Thermometer(levels=2).surrogate(torch.tensor([[[[0.5]]]])).flatten()
            tensor([0.5000, 0.0000])
        """
        return ((self.levels * self._above(images) + 1) / 2).clamp(0, 1).flatten(1, 2)

    def image_shape(self, shape: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
        """Return which images a network takes behind it, by the number of its channels."""
        if shape is None:
            return None
        if shape[0] % self.levels:
            raise InputError(
                f"the network takes {shape[0]} channels; expected a multiple of {self.levels}, for {self.title} shows "
                f"it {self.levels} of each of the image's; train one with `brittle train ARCHITECTURE --defence "
                "thermometer`, and name its folder with --weights"
            )
        return shape[0] // self.levels, *shape[1:]

    def shown(self, classifier: Classifier, images: Images) -> Images:
        """Return the images as far as the encoding tells: each value is the fraction of its channels that are 1."""
        lower, span = classifier.bounds.lower, classifier.bounds.span
        with torch.no_grad():
            return (self._above((images - lower) / span) > 0).to(images.dtype).mean(2) * span + lower

    def _above(self, images: Images) -> Tensor:
        """Return by how much each value lies above each level, (n, c, levels, h, w)."""
        levels = torch.arange(1, self.levels + 1, dtype=images.dtype, device=images.device) / self.levels
        return images[:, :, None] - levels[:, None, None]
