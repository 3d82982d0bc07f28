"""Images as they come back from a JPEG file."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from brittle.arguments import Within, check_fields
from brittle.defences.defence import Masking
from brittle.defences.transformation import InputTransformation
from brittle.physical.jpeg import coded
from brittle.types import Images


@dataclass(frozen=True)
class JPEG(InputTransformation):
    """JPEG compression: every image is rounded to 8 bits, compressed, and read again.

    Dziugaite, Ghahramani & Roy 2016 (arXiv:1608.00853); Guo, Rana, Cissé & van der Maaten, ICLR 2018, section 3
    (arXiv:1711.00117). It is the codec itself (Pillow's, with its usual 4:2:0 chroma), not an imitation: images of 3
    channels are compressed in colour, of any other number each channel in grey, of any size.

    Broken by going back through the identity (Athalye, Carlini & Wagner, ICML 2018, section 5): compression gives
    back nearly the image that it was given, so near an image its derivative, smoothed over the size of a quantization
    step, is nearly the identity, while the derivative itself is 0 almost everywhere.

    Deviation: values are rounded to 8 bits, where the published code cuts them off; images from files have 8 bits
    already, and are what they are both ways.

    Args:
        quality: of the file, 1 to 100; 75 by default, as published. 100 still loses a little.

    Raises:
        InputError: another quality.

    Example:
        >>> import torch
        >>> JPEG(quality=10).transform(torch.full((1, 3, 20, 30), 0.5)).unique()
        tensor([0.5020])
    """

    title: ClassVar[str] = "JPEG compression"
    masking: ClassVar[Masking] = Masking.SHATTERED

    quality: Annotated[int, Within(1, 100)] = 75

    def __post_init__(self):
        check_fields(self)

    def transform(self, images: Images) -> Images:
        """Return the images as they are read from the files."""
        return coded(images, [self.quality] * len(images))
