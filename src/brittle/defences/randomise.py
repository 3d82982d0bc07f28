"""Another size and another place in a larger frame, drawn anew for every pass."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from brittle.arguments import Within, check_fields
from brittle.classifiers.classifier import Classifier
from brittle.defences.defence import Adaptive, Masking
from brittle.defences.transformation import InputTransformation
from brittle.errors import InputError
from brittle.types import Images

PUBLISHED = 331 / 299
"""By how much Inception's images of 299 x 299 grow at most."""


@dataclass(frozen=True)
class Randomise(InputTransformation):
    """Random resizing and padding: images are enlarged by a random factor and put at a random place between zeros.

    Xie, Wang, Zhang, Ren & Yuille, ICLR 2018, section 3.2 (arXiv:1711.01991): 299 x 299 becomes r x r with r drawn from
    [299, 331), and that is padded with zeros to 331 x 331, each of the (331 - r + 1)^2 places being as likely; the
    nearest pixel is taken. Broken by the mean gradient over 30 draws (Athalye, Carlini &
    Wagner, ICML 2018, section 5, arXiv:1802.00420).

    Other sizes grow in proportion: 32 to 35, with r from 32 to 34. The network gets images of the larger size, as in
    the paper, and must take them; an exported program made of convolutions and pooling is asked without its own look
    at the size of its images. For a network that takes one size alone `keep_size` brings the frame back to it.

    Deviations: one pattern is drawn a pass, for all images alike; of unequal sides each grows by the same part of its
    own range; `keep_size` is ours.

    Args:
        growth: side of the frame as a multiple of the image's, above 1 and at most 2; 331/299 by default.
        keep_size: bring the frame back to the size of the image, bilinearly.

    Raises:
        InputError: settings out of range; images too small to grow by a pixel; a network that refuses larger images.

    Example:
        >>> Randomise().transform(torch.ones(2, 3, 32, 32)).shape
        torch.Size([2, 3, 35, 35])
    """

    title: ClassVar[str] = "Random resizing and padding"
    masking: ClassVar[Masking] = Masking.STOCHASTIC
    differentiable: ClassVar[bool] = True
    draws: ClassVar[int] = 30

    growth: Annotated[float, Within(1, 2)] = PUBLISHED
    keep_size: bool = False

    def __post_init__(self):
        check_fields(self)

    def frame(self, height: int, width: int) -> tuple[int, int]:
        """Return the sides of the frame.

        Raises:
            InputError: one of them does not grow.

        Example:
            >>> Randomise().frame(299, 224)
            (331, 248)
        """
        frame = round(height * self.growth), round(width * self.growth)
        if frame[0] == height or frame[1] == width:
            raise InputError(
                f"{self.title} enlarges sides by a factor of up to {self.growth:.4g}, and images of {height} x {width} "
                "are too small to grow by one pixel; give a larger growth, such as randomise:growth=1.5"
            )
        return frame

    def transform(self, images: Images) -> Images:
        """Return the images in their frame, (n, c, H, W); with `keep_size` of the size that they had."""
        sides = images.shape[2], images.shape[3]
        frame = self.frame(*sides)
        share, *places = torch.rand(3, dtype=torch.float64).tolist()
        inner = [side + int(share * (whole - side)) for side, whole in zip(sides, frame, strict=True)]
        before = [int(place * (whole - part + 1)) for place, whole, part in zip(places, frame, inner, strict=True)]
        after = [whole - part - start for whole, part, start in zip(frame, inner, before, strict=True)]
        resized = functional.interpolate(images, inner, mode="nearest")
        framed = functional.pad(resized, (before[1], after[1], before[0], after[0]))
        if not self.keep_size:
            return framed
        return functional.interpolate(framed, sides, mode="bilinear", antialias=True)

    def protect(self, classifier: Classifier) -> Classifier:
        """Return the classifier behind the transformation."""
        return super().protect(self._fitting(classifier))

    def adaptive(self, classifier: Classifier) -> Adaptive:
        """Return the same, to be attacked by the mean gradient over 30 draws."""
        return super().adaptive(self._fitting(classifier))

    def _fitting(self, classifier: Classifier) -> Classifier:
        return classifier if self.keep_size else classifier.around(_Enlarged(classifier.module))


class _Enlarged(nn.Module):
    """A network that is shown images larger than those it was made for."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> object:
        # An exported program compares the size of its images with the one that it was traced with in a hook, which a
        # call of `forward` passes by; what its operators cannot do with another size they refuse themselves.
        ask = self.module.forward if isinstance(self.module, fx.GraphModule) else self.module
        try:
            return ask(images)
        except (RuntimeError, AssertionError) as error:
            if not _speaks_of_sizes(error):
                raise
            height, width = images.shape[2:]
            raise InputError(
                f"the network takes no images of {height} x {width}, to which {Randomise.title} enlarges them "
                f"({str(error).partition(chr(10))[0]:.120}); bring them back to the network's own size with "
                "randomise:keep_size=true"
            ) from error


def _speaks_of_sizes(error: Exception) -> bool:
    """Say whether a network refused the size of its images, and not their type or the memory they take."""
    return any(word in str(error) for word in ("shape", "size", "multiplied", "dimension"))
