"""The corruption by frost, with a texture that is drawn and not photographed."""

import torch

from brittle.base.seeds import Streams
from brittle.maths.filters import along_both, gaussian
from brittle.physical.channel import everyone
from brittle.types import Images

TINT = (-0.071, 0.013, 0.059)
"""By how much frost is less red, and more green and blue, than grey."""
LEVEL, LEVELS = 0.643, 0.22
"""Mean grey of frost, and how far an image's own may lie from it."""
DEVIATION = 0.11
"""Standard deviation of the texture; within an image of 224 x 224 it is 0.10, as in the photographs."""
SCALES = ((0.38, 0.65, False), (0.20, 8.0, True), (0.14, 20.0, False), (0.28, 64.0, False))
"""Parts of the texture's variance, standard deviations of their blur in pixels, and whether they are ridges."""
RIDGE_MEAN, RIDGE_DEVIATION = (2 / torch.pi) ** 0.5, (1 - 2 / torch.pi) ** 0.5
"""Of the absolute value of a normal number."""


def frost(images: Images, streams: Streams, kept: float, amount: float, reduction: float) -> Images:
    """Lay frost over an image.

    Deviation: the published code lays crops of five photographs over images. What is drawn here has their mean colour,
    spread of grey from image to image, deviation within a crop, and correlation between pixels 1, 4, 16 and 64 apart,
    as measured on them; it is new for each image, where the photographs come again.

    Args:
        images: (n, c, h, w).
        streams: of each image.
        kept: what the image is multiplied by.
        amount: what the frost is multiplied by.
        reduction: by how much the texture is smaller than in a photograph, as that of CIFAR-10-C is.
    """
    return kept * images + amount * textures(images, streams, reduction)


def textures(images: Images, streams: Streams, reduction: float) -> Images:
    """Draw frost for images, (n, c, h, w) from 0 to 1: fine grain, ridges as of crystals, and broad patches."""
    height, width = images.shape[2:]
    total = images.new_zeros(len(images), 1, height, width)
    for part, sigma, ridges in SCALES:
        blur = (sigma / reduction, images.dtype, images.device, "reflect")
        rows, columns = (gaussian(size, *blur) for size in (height, width))
        rows, columns = (matrix / matrix.norm(dim=2, keepdim=True) for matrix in (rows, columns))  # variance stays 1
        field = along_both(streams.normal(everyone(images), (1, height, width)), rows, columns)
        if ridges:
            field = (RIDGE_MEAN - field.abs()) / RIDGE_DEVIATION
        total = total + part**0.5 * field
    level = LEVEL + LEVELS * (2 * streams.uniform(everyone(images), (1, 1, 1)) - 1)
    tint = images.new_tensor(TINT if images.shape[1] == len(TINT) else [0.0] * images.shape[1])
    return (level + tint[:, None, None] + DEVIATION * total).clamp(0, 1)
