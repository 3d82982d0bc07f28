"""Filters of images: along their axes by matrices, and by any kernel; what lies beyond the border is said each time.

A filter along an axis is a matrix, which holds the border as well. Filters are applied to one image at a time: the
last bit of torch's products of matrices, and of complex numbers, depends on how many there are.
"""

from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from brittle.types import Images, PerImage

Border = Literal["nearest", "mirror", "reflect"]
"""What comes after a border ...abc: the outermost pixel (ccc), all but it backwards (ba...), or with it (cba...)."""


def beyond(size: int, before: int, after: int, border: Border = "nearest") -> Tensor:
    """Return which pixel stands at each place from `before` ahead of an axis to `after` behind it, int64.

    Example:
        >>> beyond(3, 2, 2).tolist(), beyond(3, 2, 2, "mirror").tolist(), beyond(3, 2, 2, "reflect").tolist()
        ([0, 0, 0, 1, 2, 2, 2], [2, 1, 0, 1, 2, 1, 0], [1, 0, 0, 1, 2, 2, 1])
    """
    places = torch.arange(-before, size + after)
    if border == "nearest" or size == 1:
        return places.clamp(0, size - 1)
    if border == "mirror":
        around = places % (2 * size - 2)
        return torch.minimum(around, 2 * size - 2 - around)
    around = places % (2 * size)
    return torch.minimum(around, 2 * size - 1 - around)


def padded(images: Images, margin: tuple[int, int], border: Border = "nearest") -> Tensor:
    """Return images with so many rows more at the top and the bottom, and columns more at the left and the right."""
    rows, columns = (
        beyond(size, more, more, border).to(images.device) for size, more in zip(images.shape[2:], margin, strict=True)
    )
    return images.index_select(2, rows).index_select(3, columns)


def gaussians(size: int, sigmas: PerImage, border: Border = "nearest", reach: float = 4.0) -> Tensor:
    """Return the matrices that blur an axis with Gaussians.

    Args:
        size: of the axis, in pixels.
        sigmas: standard deviations in pixels, (n,); 0 for the identity.
        border: what lies beyond.
        reach: how many deviations count; 4 by default, as in SciPy.

    Returns:
        (n, size, size), whose rows sum to 1.

    Example:
        >>> gaussians(2, torch.tensor([0.0, 1.0]))
        tensor([[[1.0000, 0.0000],
                 [0.0000, 1.0000]],
        <BLANKLINE>
                [[0.6995, 0.3005],
                 [0.3005, 0.6995]]])
    """
    widths = (reach * sigmas + 0.5).floor()
    width = int(widths.max()) if len(sigmas) else 0
    steps = torch.arange(-width, width + 1, dtype=sigmas.dtype, device=sigmas.device)
    exponents = -steps.square() / (2 * sigmas.square()).clamp_min(torch.finfo(sigmas.dtype).tiny)[:, None]
    weights = torch.exp(exponents) * (steps.abs() <= widths[:, None])
    weights = weights / weights.sum(1, keepdim=True)
    around = functional.pad(weights, (size - 1, size - 1)).unfold(1, size, 1).flip(2)  # by place and pixel
    sources = beyond(size, width, width, border).to(sigmas.device)
    return sigmas.new_zeros(len(sigmas), size, size).index_add(1, sources, around).transpose(1, 2).contiguous()


@lru_cache(maxsize=64)
def gaussian(
    size: int, sigma: float, dtype: torch.dtype, device: torch.device, border: Border = "nearest", reach: float = 4.0
) -> Tensor:
    """Return the matrix of `gaussians` for one deviation, (1, size, size); kept, and not to be written into."""
    return gaussians(size, torch.tensor([sigma], dtype=dtype, device=device), border, reach)


def along_both(images: Images, rows: Tensor, columns: Tensor) -> Tensor:
    """Return images of which each axis went through a matrix.

    Args:
        images: (n, c, h, w).
        rows: (n, H, h), or (1, H, h) for all alike.
        columns: (n, W, w), or (1, W, w).

    Returns:
        (n, c, H, W).
    """
    count = len(images)
    if not images.numel():
        return images.new_zeros(count, images.shape[1], rows.shape[1], columns.shape[1])
    rows, columns = (matrix.expand(count, *matrix.shape[1:]) for matrix in (rows, columns))
    return torch.stack([row @ image @ column.T for image, row, column in zip(images, rows, columns, strict=True)])


def filtered(images: Images, kernels: Tensor, border: Border = "nearest") -> Tensor:
    """Correlate images with kernels, by Fourier transforms.

    Args:
        images: (n, c, h, w).
        kernels: (n, a, b) of odd sides, or (1, a, b) for all alike; their middle lies on the pixel.
        border: what lies beyond.

    Returns:
        (n, c, h, w).

    Example:
        >>> left = torch.tensor([[[1.0, 0.0, 0.0]]])
        >>> filtered(torch.tensor([[[[0.0, 1.0, 0.0]]]]), left).round().abs()
        tensor([[[[0., 0., 1.]]]])
    """
    if not images.numel():
        return images.clone()
    height, width = images.shape[2:]
    reach = kernels.shape[1] // 2, kernels.shape[2] // 2
    sides = [_quick(side + 2 * more) for side, more in zip((height, width), reach, strict=True)]
    waves = [torch.fft.rfft2(kernel, s=sides).conj() for kernel in kernels]
    found: list[Tensor] = []
    for number, image in enumerate(padded(images, reach, border)):
        product = torch.fft.rfft2(image, s=sides) * waves[number % len(waves)]
        found.append(torch.fft.irfft2(product, s=sides)[:, :height, :width])
    return torch.stack(found)


def _quick(least: int) -> int:
    """Return the next length that has a fast transform: a product of 2, 3 and 5."""
    while True:
        rest = least
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return least
        least += 1
