"""The views of an image that GD-UAP's range and data prior show to the network."""

import torch
from torch import Tensor
from torch.nn import functional

from brittle.types import Images

CHANCE = 0.5
"""With which each change is made."""
SCALES = (0.75, 1.5)
ANGLES = (3.0, 5.0, 7.0, 10.0)
"""In degrees, to either side."""
KERNELS = (3, 5, 7, 9)
"""Sides of the Gaussian blur in pixels."""


def augmented(images: Images, height: int, width: int, generator: torch.Generator) -> Images:
    """Return a view of each image, flipped, rescaled, rotated, cropped and blurred, each with a chance of one half.

    Mopuri, Ganeshan & Babu, TPAMI 2018, section 3.4, and the authors' code. Deviation: flip, scale, rotation and crop
    are one bilinear warp instead of one after the other, with the border's values beyond the border.

    Args:
        images: (n, c, h, w).
        height: of the views, in pixels. A crop has this size before it is rescaled; without one, all is shrunk to it.
        width: likewise.
        generator: of the draws, on the CPU.

    Example:
        >>> augmented(torch.ones(2, 3, 9, 9), 4, 5, torch.Generator()).shape
        torch.Size([2, 3, 4, 5])
    """
    count = len(images)

    def draw() -> Tensor:
        return torch.rand(count, generator=generator)

    def happens() -> Tensor:
        return draw() < CHANCE

    flip = torch.where(happens(), -1.0, 1.0)
    scale = torch.where(happens(), SCALES[0] + (SCALES[1] - SCALES[0]) * draw(), 1.0)
    turned = torch.tensor(ANGLES)[torch.randint(len(ANGLES), (count,), generator=generator)].deg2rad()
    angle = turned * torch.where(happens(), 1.0, 0.0) * torch.where(happens(), -1.0, 1.0)
    cut, places = happens(), torch.stack([draw(), draw()], 1) * 2 - 1
    window = torch.tensor([width / images.shape[3], height / images.shape[2]]).clamp_max(1)
    fraction = (torch.where(cut[:, None], window, 1.0) / scale[:, None]).clamp_max(1)
    rows = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).reshape(count, 2, 2)
    linear = rows * torch.stack([flip * fraction[:, 0], fraction[:, 1]], 1)[:, None, :]
    affine = torch.cat([linear, (places * (1 - fraction))[:, :, None]], 2).to(images.device, images.dtype)
    grid = functional.affine_grid(affine, [count, images.shape[1], height, width], align_corners=False)
    views = functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    sides = torch.tensor(KERNELS)[torch.randint(len(KERNELS), (count,), generator=generator)]
    return blurred(views, torch.where(happens(), sides, 1))


def blurred(images: Images, sides: Tensor) -> Images:
    """Blur each image by a Gaussian of its own.

    Args:
        images: (n, c, h, w).
        sides: (n,), odd sides of the kernels in pixels; 1 leaves an image as it is. The standard deviation is
            0.3 (side/2 - 1.5) + 0.8, as OpenCV derives it.
    """
    count, channels, height, width = images.shape
    reach = min(max(KERNELS) // 2, height - 1, width - 1)
    offsets = torch.arange(-reach, reach + 1)
    deviation = 0.3 * ((sides - 1) * 0.5 - 1) + 0.8
    inside = offsets.abs()[None] <= (sides // 2)[:, None]
    kernels = torch.exp(-(offsets[None] ** 2) / (2 * deviation[:, None] ** 2)) * inside
    kernels = (kernels / kernels.sum(1, keepdim=True)).to(images.device, images.dtype)
    weights = kernels.repeat_interleave(channels, 0)[:, None]
    flat = functional.pad(images.reshape(1, count * channels, height, width), (reach,) * 4, mode="reflect")
    flat = functional.conv2d(flat, weights[:, :, :, None], groups=count * channels)
    flat = functional.conv2d(flat, weights[:, :, None, :], groups=count * channels)
    return flat.reshape(images.shape)
