"""Corruptions by blur: defocus, glass, motion and zoom."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from brittle.base.seeds import Streams
from brittle.maths.filters import along_both, filtered, gaussian, padded
from brittle.physical.channel import everyone
from brittle.types import Images, PerImage

SMALLEST_DISC = 8
"""Radius that the picture of a kernel has at least."""


def defocus_blur(images: Images, streams: Streams, radius: float, softness: float) -> Images:
    """Blur with a disc of a radius, whose edge is softened by a Gaussian; borders are mirrored."""
    reach, width = (SMALLEST_DISC, 1) if radius <= SMALLEST_DISC else (int(radius), 2)
    steps = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    disc = (steps.square()[:, None] + steps.square() <= radius**2).to(images.dtype)
    soft = gaussian(len(steps), softness, images.dtype, images.device, "mirror", reach=width / softness)
    kernel = along_both(disc[None, None] / disc.sum(), soft, soft)[:, 0]
    return filtered(images, kernel, "mirror")


def glass_blur(images: Images, streams: Streams, sigma: float, distance: int, rounds: int) -> Images:
    """Blur, let pixels wander about as seen through frosted glass, and blur again.

    The published code goes through the pixels from the last one to the first and writes "swap" for each and another
    one at most so far away; in NumPy that copies the other one's value, which an earlier step may have changed
    (as in CIFAR-10-C and ImageNet-C). Here the same comes of following all copies to where they began, at once.
    """
    height, width = images.shape[2:]
    rows, columns = (gaussian(size, sigma, images.dtype, images.device) for size in (height, width))
    found = along_both(images, rows, columns)
    if min(height, width) > 2 * distance and len(images):
        places = torch.arange(height * width, device=images.device).expand(len(images), -1)
        for _ in range(rounds):
            places = places.gather(1, _origins(images, streams, distance))
        flat = places[:, None].expand(-1, images.shape[1], -1)
        found = found.flatten(2).gather(2, flat).reshape(images.shape)
    return along_both(found, rows, columns)


def _origins(images: Images, streams: Streams, distance: int) -> Tensor:
    """Return where the value that each pixel has after a round stood before, (n, h w)."""
    height, width = images.shape[2:]
    drawn = (streams.uniform(everyone(images), (2, height, width)) * (2 * distance)).floor().long() - distance
    rows = torch.arange(height, device=images.device)[:, None]
    columns = torch.arange(width, device=images.device)
    inside = (rows > distance) & (rows <= height - distance) & (columns > distance) & (columns <= width - distance)
    inside, here = inside.flatten(), (rows * width + columns).flatten()
    origin = ((rows + drawn[:, 0]) * width + columns + drawn[:, 1]).flatten(1)
    origin = torch.where(inside, origin, here)
    copied = inside & (origin > here) & inside[origin]  # what it takes was itself copied before
    while bool(copied.any()):
        origin, copied = (
            torch.where(copied, origin.gather(1, origin), origin),
            copied & copied.gather(1, origin),
        )
    return origin


def motion_blur(images: Images, streams: Streams, radius: int, sigma: float) -> Images:
    """Blur along a line, at an angle drawn from -45 to 45 degrees."""
    turn = streams.uniform(everyone(images), ()) * 90 - 45
    return along_a_line(images, turn, radius, sigma)


def along_a_line(images: Images, angles: PerImage, radius: int, sigma: float) -> Images:
    """Blur with half of a Gaussian along a line, as ImageMagick does.

    Args:
        images: (n, c, h, w).
        angles: of each image's line, in degrees, (n,).
        radius: of which 2 radius + 1 steps of a pixel are gone.
        sigma: standard deviation in pixels.
    """
    height, width = images.shape[2:]
    reach = 2 * radius
    steps = torch.arange(reach + 1, dtype=images.dtype, device=images.device)
    weights = torch.exp(-steps.square() / (2 * sigma**2))
    weights = (weights / weights.sum()).tolist()
    turns = torch.deg2rad(angles)[:, None]
    rows, columns = ((steps * part(turns) - 0.5).ceil().long().tolist() for part in (torch.sin, torch.cos))
    found = [images.new_zeros(0, *images.shape[1:])]
    for wide, down, right in zip(padded(images, (reach, reach)), rows, columns, strict=True):
        total = wide.new_zeros(1, *images.shape[1:])
        for step, weight in enumerate(weights):
            top, left = reach + down[step], reach + right[step]
            total.add_(wide[None, :, top : top + height, left : left + width], alpha=weight)
        found.append(total)
    return torch.cat(found)


def zoom_blur(images: Images, streams: Streams, most: float, step: float) -> Images:
    """Take the mean over the image and enlargements of it about its centre, from 1 to `most`."""
    factors = np.arange(1, most, step).tolist()
    total = images.clone()
    for factor in factors:
        total = total + zoomed(images, factor)
    return total / (len(factors) + 1)


def zoomed(images: Images, factor: float) -> Images:
    """Return the centre of images enlarged to their size, linearly from outermost pixel to outermost pixel."""
    sides = images.shape[2:]
    if not images.numel():
        return images
    parts = [math.ceil(side / factor) for side in sides]
    starts = [(side - part) // 2 for side, part in zip(sides, parts, strict=True)]
    middle = images[:, :, starts[0] : starts[0] + parts[0], starts[1] : starts[1] + parts[1]]
    large = functional.interpolate(
        middle, [round(part * factor) for part in parts], mode="bilinear", align_corners=True
    )
    cuts = [(whole - side) // 2 for whole, side in zip(large.shape[2:], sides, strict=True)]
    return large[:, :, cuts[0] : cuts[0] + sides[0], cuts[1] : cuts[1] + sides[1]]
