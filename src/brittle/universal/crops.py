"""Random crops, scales and mirrors of images, so that a perturbation is made for more than the images given."""

import torch
from torch.nn import functional

from brittle.errors import InputError
from brittle.types import Images

PHOTOGRAPH = 64
"""Images with a shorter side than this are no photographs that may be cropped and mirrored."""


def photographs_cropped(images: Images, crops: bool | None, scale: float, generator: torch.Generator) -> Images:
    """Return images through random crops where that is asked; None asks for it where both sides have 64 pixels."""
    asked = crops if crops is not None else min(images.shape[2:]) >= PHOTOGRAPH
    return cropped(images, scale, generator) if asked else images


def check_scale(scale: float) -> None:
    """Refuse a fraction of the sides that no crop can keep.

    Raises:
        InputError: with the value.
    """
    if not 0 < scale <= 1:
        raise InputError(f"scale is {scale}; expected a fraction of the sides above 0, at most 1")


def cropped(images: Images, scale: float, generator: torch.Generator) -> Images:
    """Return each image through a random crop, scaled back to its size, mirrored every second time.

    Args:
        images: (n, c, h, w).
        scale: the least fraction of the sides that a crop keeps; the fraction is uniform in [scale, 1], the same for
            both sides, and the crop lies anywhere within the image.
        generator: of the draws, on the CPU.

    Example:
        >>> cropped(torch.ones(2, 3, 8, 8), 0.5, torch.Generator()).shape
        torch.Size([2, 3, 8, 8])
    """
    kept = scale + (1 - scale) * torch.rand(len(images), generator=generator)
    centre = (torch.rand(len(images), 2, generator=generator) * 2 - 1) * (1 - kept)[:, None]
    mirror = torch.where(torch.rand(len(images), generator=generator) < 0.5, -1.0, 1.0)
    zero = torch.zeros_like(kept)
    first = torch.stack([kept * mirror, zero, centre[:, 0]], 1)
    second = torch.stack([zero, kept, centre[:, 1]], 1)
    affine = torch.stack([first, second], 1).to(images.device, images.dtype)
    grid = functional.affine_grid(affine, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
