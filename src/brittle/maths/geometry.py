"""Bending images: warps by vector fields, smoothing, derivatives in space.

A field (n, 2, h, w) says for each pixel how far away, in pixels, the value that it will show lies: channel 0 down the
rows, channel 1 to the right along the columns.
"""

import torch
from torch import Tensor
from torch.nn import functional

from brittle.types import Fields, Images, PerImage


def warp(images: Images, field: Fields) -> Images:
    """Deform images: the new value at u is the old one at u + field(u), interpolated bilinearly.

    Alaifari, Alberti, Gauksson, ICLR 2019, section 2 (arXiv:1804.07729). Places beyond the border count as the border.
    Where the field is 0 the image comes back bit for bit, which `grid_sample` does not promise. A vector that is NaN
    shows NaN.

    Args:
        images: (n, c, h, w).
        field: (n, 2, h, w), in pixels.

    Returns:
        (n, c, h, w); differentiable by the field.

    Example:
        >>> right = torch.stack([torch.zeros(1, 1, 3), torch.ones(1, 1, 3)], 1)
        >>> warp(torch.tensor([[[[1.0, 2.0, 4.0]]]]), right)
        tensor([[[[2., 4., 4.]]]])
    """
    height, width = images.shape[2:]
    rows = torch.arange(height, dtype=field.dtype, device=field.device)[:, None]
    columns = torch.arange(width, dtype=field.dtype, device=field.device)
    top, bottom, down = _neighbours(rows + field[:, 0], height)
    left, right, along = _neighbours(columns + field[:, 1], width)
    flat = images.flatten(2)

    def at(row: Tensor, column: Tensor) -> Images:
        index = (row * width + column).flatten(1)[:, None].expand(-1, images.shape[1], -1)
        return flat.gather(2, index).reshape(images.shape)

    above = torch.lerp(at(top, left), at(top, right), along)  # exact at both ends, unlike left + along (right - left)
    below = torch.lerp(at(bottom, left), at(bottom, right), along)
    return torch.lerp(above, below, down)


def _neighbours(places: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the pixels before and after each place, and how far it is on the way between them, (n, 1, h, w)."""
    inside = places.clamp(0, size - 1)
    before = inside.detach().floor().clamp_max(max(size - 2, 0)).nan_to_num(0)  # of NaN the weight alone stays NaN
    after = (before + 1).clamp_max(size - 1)
    return before.long(), after.long(), (inside - before)[:, None]


def pulled_back(images: Images, field: Fields, gradient: Images) -> Fields:
    """Carry a gradient by the deformed image back to the field.

    Args:
        images: the images before they are deformed, (n, c, h, w).
        field: (n, 2, h, w).
        gradient: of some value by `warp(images, field)`, (n, c, h, w).

    Returns:
        The value's gradient by the field, (n, 2, h, w).
    """
    leaf = field.detach().requires_grad_()
    with torch.enable_grad():
        total = (warp(images, leaf) * gradient).sum()  # see `brittle.classifiers.slopes`
    return torch.autograd.grad(total, leaf)[0]


def longest(field: Fields) -> PerImage:
    """Measure the T-norm: the length of the longest vector of each field, in pixels (n,).

    Example:
        >>> longest(torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1))
        tensor([5.])
    """
    return torch.hypot(field[:, 0], field[:, 1]).flatten(1).amax(1)


def variation(field: Fields, softness: float = 0.0) -> PerImage:
    """Measure how much the vectors of neighbouring pixels differ: 0 for a field that moves everything alike.

    L_flow of Xiao et al., ICLR 2018, equation 4 (arXiv:1801.02612): the sum over all pixels and their four neighbours
    of the length of the difference of their vectors, so that every pair of neighbours counts twice.

    Args:
        field: (n, 2, h, w), in pixels.
        softness: epsilon, in pixels. Each length d counts as sqrt(d^2 + epsilon^2) - epsilon, which has a derivative
            at 0 as well; with 0, the subgradient there is 0.

    Returns:
        (n,), in pixels; differentiable by the field.

    Example:
        >>> variation(torch.tensor([3.0, 0.0, 4.0, 0.0]).reshape(1, 2, 1, 2))
        tensor([10.])
    """

    def along(axis: int) -> PerImage:
        squares = field.diff(dim=axis).square()
        lengths = (squares[:, 0] + squares[:, 1]).clamp_min(least).add(softness**2).sqrt()
        return (lengths - rest).flatten(1).sum(1)

    least = torch.finfo(field.dtype).tiny  # below it there is no derivative
    rest = field.new_tensor(least + softness**2).sqrt()
    return 2 * (along(2) + along(3))


def shortened_to(field: Fields, radius: Tensor) -> Fields:
    """Return the nearest field whose vectors are no longer than the radius, (n, 1, 1, 1) or (1, 1, 1, 1)."""
    lengths = torch.hypot(field[:, :1], field[:, 1:])
    return field * (radius / lengths.clamp_min(torch.finfo(field.dtype).tiny)).clamp_max(1)


def slopes(images: Images) -> tuple[Images, Images]:
    """Differentiate images along the rows and the columns: central differences, one-sided at the borders.

    Returns:
        Both (n, c, h, w): by the place down the rows, and by that along the columns; 0 along an axis of one pixel.
    """

    def along(axis: int) -> Images:
        return torch.gradient(images, dim=axis)[0] if images.shape[axis] > 1 else torch.zeros_like(images)

    return along(2), along(3)


def smoothed(field: Fields, deviation: float) -> Fields:
    """Convolve each component with a Gaussian, of which four deviations count; nothing lies beyond the border.

    Args:
        field: (n, d, h, w).
        deviation: of the Gaussian, in pixels; 0 leaves the field as it is.

    Returns:
        Shaped like `field`. The convolution equals its own transpose.
    """
    reach = int(4 * deviation + 0.5)
    if not reach:
        return field
    places = torch.arange(-reach, reach + 1, dtype=field.dtype, device=field.device)
    weights = torch.exp(-places.square() / (2 * deviation**2))
    weights = weights / weights.sum()
    planes = field.flatten(0, 1)[:, None]
    planes = functional.conv2d(planes, weights.reshape(1, 1, -1, 1), padding=(reach, 0))
    return functional.conv2d(planes, weights.reshape(1, 1, 1, -1), padding=(0, reach)).reshape(field.shape)


def rigid(angles: PerImage, shifts: Tensor, height: int, width: int) -> Fields:
    """Return the fields that turn images about their centre and then move them.

    Args:
        angles: in degrees, (n,); positive turns what is seen against the clock.
        shifts: by how many pixels what is seen moves, down and to the right, (n, 2).
        height: of the images, in pixels.
        width: likewise.

    Returns:
        (n, 2, height, width).

    Example:
        >>> rigid(torch.zeros(1), torch.tensor([[0.0, 1.0]]), 1, 2)[0, :, 0]
        tensor([[ 0.,  0.],
                [-1., -1.]])
    """
    down = torch.arange(height, dtype=angles.dtype, device=angles.device) - (height - 1) / 2
    right = torch.arange(width, dtype=angles.dtype, device=angles.device) - (width - 1) / 2
    return _rigid_at(angles, shifts, down, right)


def rigid_length(angles: PerImage, shifts: Tensor, height: int, width: int) -> PerImage:
    """Measure the T-norms of `rigid` fields without making them: the longest vector lies in a corner.

    Args:
        angles: in degrees, (n,).
        shifts: in pixels, (n, 2).
        height: of the images, in pixels.
        width: likewise.

    Returns:
        (n,), in pixels.

    Example:
        >>> rigid_length(torch.zeros(1), torch.tensor([[3.0, 4.0]]), 28, 28)
        tensor([5.])
    """
    ends = torch.tensor([-0.5, 0.5], dtype=angles.dtype, device=angles.device)
    return longest(_rigid_at(angles, shifts, (height - 1) * ends, (width - 1) * ends))


def _rigid_at(angles: PerImage, shifts: Tensor, down: Tensor, right: Tensor) -> Fields:
    """Return the vectors of rigid fields at the places given by how far they lie from the centre."""
    rows, columns = down[:, None] - shifts[:, 0, None, None], right - shifts[:, 1, None, None]
    cosine, sine = (part(torch.deg2rad(angles))[:, None, None] for part in (torch.cos, torch.sin))
    origin = torch.stack([cosine * rows + sine * columns, cosine * columns - sine * rows], 1)
    return origin - torch.stack(torch.broadcast_tensors(down[:, None], right))
