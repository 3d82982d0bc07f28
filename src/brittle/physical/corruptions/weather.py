"""Corruptions by weather: snow, fog, and more light; frost has a file of its own."""

import torch
from torch import Tensor

from brittle.base.seeds import Streams
from brittle.physical.channel import everyone
from brittle.physical.corruptions.blurs import along_a_line, zoomed
from brittle.types import Images

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


def snow(  # noqa: PLR0913  # the seven figures of a published severity
    images: Images,
    streams: Streams,
    amount: float,
    variety: float,
    size: float,
    least: float,
    radius: int,
    sigma: float,
    kept: float,
) -> Images:
    """Let flakes fall before a whitened image.

    Args:
        images: (n, c, h, w).
        streams: of each image.
        amount: mean of the normal numbers that flakes are made of.
        variety: their standard deviation.
        size: by how much they are enlarged.
        least: below which there is no flake.
        radius: of the motion.
        sigma: of the motion, which falls at an angle drawn from -135 to -45 degrees.
        kept: part of the image that is not whitened.
    """
    layer = amount + variety * streams.normal(everyone(images), (1, *images.shape[2:]))
    layer = zoomed(layer, size)
    flakes = torch.where(layer < least, 0.0, layer).clamp(0, 1)
    falling = along_a_line(flakes, streams.uniform(everyone(images), ()) * 90 - 135, radius, sigma)
    white = torch.maximum(images, _grey(images) * 1.5 + 0.5)
    return kept * images + (1 - kept) * white + falling + falling.flip(2, 3)


def _grey(images: Images) -> Images:
    if images.shape[1] == len(LUMA):
        return (images * images.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    return images.mean(1, keepdim=True)


def fog(images: Images, streams: Streams, density: float, decay: float) -> Images:
    """Lay a cloud over an image, and bring the brightest value back to where it was."""
    if not images.numel():
        return images
    height, width = images.shape[2:]
    brightest = images.amax((1, 2, 3), keepdim=True)
    cloud = clouds(images, streams, decay)[:, None, :height, :width]
    return (images + density * cloud) * brightest / (brightest + density)


def clouds(images: Images, streams: Streams, decay: float) -> Tensor:
    """Draw clouds by the diamond-square algorithm, on a square of the next power of two that joins at its borders.

    Fournier, Fussell & Carpenter, "Computer rendering of stochastic models", CACM 1982. From each scale to the next the
    range of what is added falls by decay^2.

    Returns:
        (n, s, s), from 0 to 1.
    """
    side = 1 << (max(images.shape[2:]) - 1).bit_length()
    heights, reach = images.new_zeros(len(images), 1, 1), 1.0
    while heights.shape[1] < side:
        count = heights.shape[1]
        added = (streams.uniform(everyone(images), (3, count, count)) * 2 - 1) * reach
        beside, below = heights.roll(-1, 2), heights.roll(-1, 1)
        middle = (heights + beside + below + beside.roll(-1, 1)) / 4 + added[:, 0]
        above = (heights + beside + middle + middle.roll(1, 1)) / 4 + added[:, 1]
        left = (heights + below + middle + middle.roll(1, 2)) / 4 + added[:, 2]
        upper, lower = torch.stack([heights, above], 3).flatten(2), torch.stack([left, middle], 3).flatten(2)
        heights = torch.stack([upper, lower], 2).flatten(1, 2)
        reach /= decay**2
    lowest, highest = heights.amin((1, 2), keepdim=True), heights.amax((1, 2), keepdim=True)
    return (heights - lowest) / (highest - lowest).clamp_min(torch.finfo(heights.dtype).tiny)


def brightness(images: Images, streams: Streams, amount: float) -> Images:
    """Raise the value of each pixel in hue, saturation and value; hue and saturation stay.

    The value is a pixel's largest channel: the others grow in proportion, and black becomes grey. In grey images it is
    added.
    """
    value = images.amax(1, keepdim=True)
    raised = (value + amount).clamp_max(1)
    least = torch.finfo(images.dtype).tiny
    return torch.where(value > 0, images * (raised / value.clamp_min(least)), raised)
