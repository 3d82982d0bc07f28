"""Images as they come back from a JPEG file."""

import io
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from brittle.arguments import Within, check_fields
from brittle.defences.defence import Masking
from brittle.defences.transformation import InputTransformation
from brittle.maths.quantization import TOP
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
        if not images.numel():
            return images.clone()
        found = torch.empty_like(images, device="cpu")
        levels = found.new_empty(images.shape[1:], dtype=torch.promote_types(images.dtype, torch.float32))
        planes = np.empty(levels.shape, np.uint8)
        for image, place in zip(images.detach().cpu(), found, strict=True):  # one by one: it stays in the cache
            levels.copy_(image).mul_(TOP).round_().clamp_(0, TOP)
            with np.errstate(invalid="ignore"):  # what is no number becomes some level
                np.copyto(planes, levels.numpy(), casting="unsafe")  # takes a fifth of torch's time
            self._code(planes)
            place.copy_(torch.from_numpy(planes)).div_(TOP)
        return found.to(images.device)

    def _code(self, planes: NDArray[np.uint8]) -> None:
        """Send one image (c, h, w) through the codec; Pillow joins and parts planes much faster than NumPy."""
        pictures = [Image.fromarray(plane) for plane in planes]
        if len(planes) == len("RGB"):
            coded = self._decoded(Image.merge("RGB", pictures)).split()
        else:
            coded = [self._decoded(picture) for picture in pictures]
        for plane, picture in zip(planes, coded, strict=True):
            np.copyto(plane, np.asarray(picture))

    def _decoded(self, picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, format="jpeg", quality=self.quality)
        # The decoder itself: its own header need not be taken apart in Python, which takes as long as to decode.
        return Image.frombytes(picture.mode, picture.size, file.getvalue(), "jpeg", picture.mode, "")
