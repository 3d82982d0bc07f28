"""Images as they come back from a JPEG file."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from brittle.arguments import Within
from brittle.base.seeds import Streams
from brittle.maths.quantization import TOP
from brittle.physical.channel import FEW, Channel, drawn
from brittle.types import Images


@dataclass(frozen=True)
class JPEGFile(Channel):
    """JPEG compression: every image is rounded to 8 bits, compressed, and read again.

    Kurakin, Goodfellow & Bengio 2016, section 3.3 (arXiv:1607.02533). It is the codec itself, as in `coded`; 100 still
    loses a little.

    Args:
        quality: of the file, 1 to 100; 75 by default, as Pillow's.
        spread: each image's quality is drawn from quality - spread to quality + spread, within 1 to 100.

    Raises:
        InputError: another quality, or a spread below 0.

    Example:
        >>> JPEGFile(quality=10)(torch.full((1, 3, 20, 30), 0.5)).unique()
        tensor([0.5020])
    """

    title: ClassVar[str] = "JPEG"
    differentiable: ClassVar[bool] = False

    quality: Annotated[int, Within(1, 100)] = 75
    spread: Annotated[int, Within(0, 99)] = 0

    def transform(self, images: Images, streams: Streams) -> Images:
        """Return the images as they are read from the files."""
        qualities = drawn(images, streams, self.quality, self.spread).round().clamp(1, 100)
        return coded(images, [int(quality) for quality in qualities.flatten().tolist()])


def coded(images: Images, qualities: Sequence[int]) -> Images:
    """Return images as they come back from JPEG files.

    It is the codec itself (Pillow's, with its usual 4:2:0 chroma), not an imitation: images of 3 channels are
    compressed in colour, of any other number each channel in grey, of any size.

    Args:
        images: (n, c, h, w) from 0 to 1; rounded to 8 bits first.
        qualities: of each file, 1 to 100.

    Returns:
        (n, c, h, w) with 8 bits, with no way back for gradients.
    """
    if not images.numel():
        return images.clone()
    found = torch.empty_like(images, device="cpu")
    working, together = torch.promote_types(images.dtype, torch.float32), max(FEW // images[0].numel(), 1)
    for first in range(0, len(images), together):  # a few at a time: they stay in the cache
        some = slice(first, first + together)
        levels = images[some].detach().cpu().to(working).mul(TOP).round_().clamp_(0, TOP)
        planes = np.empty(levels.shape, np.uint8)
        with np.errstate(invalid="ignore"):  # what is no number becomes some level
            np.copyto(planes, levels.numpy(), casting="unsafe")  # takes a fifth of torch's time
        for image, quality in zip(planes, qualities[some], strict=True):
            _code(image, quality)
        found[some].copy_(torch.from_numpy(planes)).div_(TOP)
    return found.to(images.device)


def _code(planes: NDArray[np.uint8], quality: int) -> None:
    """Send one image (c, h, w) through the codec; Pillow joins and parts planes much faster than NumPy."""
    pictures = [Image.fromarray(plane) for plane in planes]
    if len(planes) == len("RGB"):
        read = _decoded(Image.merge("RGB", pictures), quality).split()
    else:
        read = [_decoded(picture, quality) for picture in pictures]
    for plane, picture in zip(planes, read, strict=True):
        np.copyto(plane, np.asarray(picture))


def _decoded(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, format="jpeg", quality=quality)
    # The decoder itself: its own header need not be taken apart in Python, which takes as long as to decode.
    return Image.frombytes(picture.mode, picture.size, file.getvalue(), "jpeg", picture.mode, "")
