"""Corruptions of digital origin: contrast, elastic deformation, pixelation and JPEG."""

import torch
from torch import Tensor

from brittle.base.seeds import Streams
from brittle.maths.filters import along_both, gaussian
from brittle.maths.geometry import warp
from brittle.physical.channel import everyone
from brittle.physical.jpeg import coded
from brittle.types import Fields, Images


def contrast(images: Images, streams: Streams, factor: float) -> Images:
    """Move every value towards the mean of its channel."""
    means = images.mean((2, 3), keepdim=True) if images.numel() else images
    return (images - means) * factor + means


def elastic(images: Images, streams: Streams, strength: float, sigma: float, corners: float) -> Images:
    """Deform images: a random affine map, then a smoothed random field.

    Simard, Steinkraus & Platt, ICDAR 2003. Beyond the border the image is mirrored.

    Args:
        images: (n, c, h, w).
        streams: of each image.
        strength: what the smoothed field, of numbers from -1 to 1, is multiplied by; in pixels.
        sigma: of the smoothing, in pixels.
        corners: how far the three points move that say the affine map; in pixels.
    """
    moved = warp(images, _folded(_affine(images, streams, corners), edge=False))
    if not strength:
        return moved
    height, width = images.shape[2:]
    noise = streams.uniform(everyone(images), (2, height, width)) * 2 - 1
    rows, columns = (gaussian(size, sigma, images.dtype, images.device, "reflect", reach=3) for size in (height, width))
    return warp(moved, _folded(strength * along_both(noise, rows, columns), edge=True))


def _affine(images: Images, streams: Streams, corners: float) -> Fields:
    """Draw affine maps: three points about the centre move by up to so much, and everything with them."""
    height, width = images.shape[2:]
    if not len(images):
        return images.new_zeros(0, 2, height, width)
    half, centre = min(height, width) // 3, images.new_tensor([height // 2, width // 2])
    points = centre + max(half, 1) * images.new_tensor([[1, 1], [-1, 1], [-1, -1]])
    shown = points + corners * (2 * streams.uniform(everyone(images), (3, 2)) - 1)
    along, origin = (shown[:, 0] - shown[:, 1]), shown[:, 2]  # images of the way down, and of the way to the right
    across = shown[:, 1] - shown[:, 2]
    area = along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0]
    area = torch.where(area.abs() < 1e-3, 1e-3, area)  # three points in a line show a line
    rows = torch.arange(height, dtype=images.dtype, device=images.device)[:, None] - origin[:, 0, None, None]
    columns = torch.arange(width, dtype=images.dtype, device=images.device) - origin[:, 1, None, None]

    def wide(part: Tensor) -> Tensor:
        return part[:, None, None]

    side = 2 * max(half, 1)
    down = (rows * wide(across[:, 1] / area) - columns * wide(across[:, 0] / area)) * side + points[2, 0]
    right = (columns * wide(along[:, 0] / area) - rows * wide(along[:, 1] / area)) * side + points[2, 1]
    return torch.stack([down, right], 1) - _grid(images)


def _folded(field: Fields, edge: bool) -> Fields:
    """Let a field point within the image: what lies beyond is mirrored about the outermost pixel, or about its edge."""
    places, sizes = field + _grid(field), field.new_tensor(field.shape[2:])[:, None, None]
    turns = 2 * sizes if edge else (2 * sizes - 2).clamp_min(1)
    shift = 0.5 if edge else 0.0
    around = torch.remainder(places + shift, turns)
    folded = torch.minimum(around, turns - around) - shift
    inside = (places >= 0) & (places <= sizes - 1)
    return torch.where(inside, field, folded.clamp_min(0) - _grid(field))


def _grid(like: Tensor) -> Tensor:
    """Return the place of each pixel, (2, h, w)."""
    axes = [torch.arange(size, dtype=like.dtype, device=like.device) for size in like.shape[2:]]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


def pixelate(images: Images, streams: Streams, factor: float) -> Images:
    """Show images with fewer, larger pixels: means of boxes, enlarged to what they cover."""
    few = [max(int(side * factor), 1) for side in images.shape[2:]]
    pairs = [*zip(images.shape[2:], few, strict=True)]
    small = along_both(images, *(_box(side, count, images) for side, count in pairs))
    rows, columns = (_box(count, side, images)[0].argmax(1) for side, count in pairs)
    return small.index_select(2, rows).index_select(3, columns)


def _box(before: int, after: int, like: Images) -> Tensor:
    """Return the matrix (1, after, before) of means of the pixels whose middle a new pixel covers, as Pillow's box.

    A new pixel that is smaller than an old one lies on one alone.
    """
    scale = before / after
    middles = (torch.arange(after, dtype=torch.float64) + 0.5)[:, None] * scale
    reach = max(scale, 1.0) / 2
    pixels = torch.arange(before) + 0.5
    within = (pixels > middles - reach) & (pixels <= middles + reach)
    return (within / within.sum(1, keepdim=True))[None].to(like)


def jpeg(images: Images, streams: Streams, quality: int) -> Images:
    """Send images through a JPEG file of a quality from 1 to 100."""
    return coded(images, [quality] * len(images))
