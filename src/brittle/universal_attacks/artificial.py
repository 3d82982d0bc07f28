"""Artificial images that take the place of photographs, from simple to busy ones: noise and mosaics."""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from brittle.types import Images
from brittle.universal_attacks.augment import augmented

COLOURS = (0.0, 10.0, 20.0)
"""What the deviation of each channel is larger by, in grey levels; of images with other than three channels the middle
one."""
LARGEST = 127.0
"""Deviation of the noise that a schedule never goes beyond, in grey levels."""
DISK = np.hypot(*np.ogrid[-5:6, -5:6]) <= 5
"""Surroundings of the median filter that rounds the corners of a mosaic: of a radius of 5 pixels."""


def grey_noise_views(shape: tuple[int, int, int], deviation: float, count: int, generator: torch.Generator) -> Images:
    """Return views of images of Gaussian noise around mid grey, within [0, 1].

    Args:
        shape: channels, height, width.
        deviation: of the first channel, in grey levels of 255.
        count: how many images, each of noise of its own.
        generator: of the draws, on the CPU.

    Example:
        >>> grey_noise_views((3, 8, 8), 20.0, 2, torch.Generator()).shape
        torch.Size([2, 3, 8, 8])
    """
    more = torch.tensor(COLOURS if shape[0] == 3 else (COLOURS[1],))
    scale = (min(deviation, LARGEST) + more).reshape(-1, 1, 1) / 255
    images = (0.5 + scale * torch.randn(count, *shape, generator=generator)).clamp(0, 1)
    return augmented(images, *shape[1:], generator)


def mosaics(shape: tuple[int, int, int], cuts: int, count: int, generator: torch.Generator) -> Images:
    """Return mosaics of rectangles of random colours, their corners rounded by a median filter, within [0, 1].

    Args:
        shape: channels, height, width.
        cuts: how often each side is cut, at random places.
        count: how many images.
        generator: of the draws, on the CPU.

    Example:
        >>> mosaics((3, 12, 12), 0, 1, torch.Generator()).flatten(2).unique(dim=2).shape
        torch.Size([1, 3, 1])
    """
    channels, height, width = shape

    def strips(length: int) -> Tensor:
        """Return which strip each row or column of each image lies in (count, length)."""
        places = torch.randint(length + 1, (count, cuts), generator=generator)
        return (torch.arange(length)[None, None] >= places[:, :, None]).sum(1)

    rows, columns = strips(height), strips(width)
    colours = torch.randint(256, (count, channels, (cuts + 1) ** 2), generator=generator, dtype=torch.uint8)
    cells = rows[:, :, None] * (cuts + 1) + columns[:, None, :]
    picked = colours.gather(2, cells.reshape(count, 1, -1).expand(-1, channels, -1))
    planes = picked.reshape(-1, height, width).numpy()
    smooth = np.stack([ndimage.median_filter(plane, footprint=DISK, mode="nearest") for plane in planes])
    return torch.from_numpy(smooth).reshape(count, channels, height, width) / 255
