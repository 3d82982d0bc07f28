"""Sizes of changes in the p-norms, p in {0, 1, 2, inf}: measuring, projecting, steepest directions.

A change is a tensor whose first axis runs over images; a radius is one number for all or one per image.
`l0` counts entries (channel values), not pixels.
"""

import math

import torch
from torch import Tensor

Radius = Tensor | float
PIECE = 4096
"""Entries whose squares are added up one after the other. torch's norms add all entries of a row so (its sums do not):
in float32 the 2-norms of photographs come out wrong by 1e-6 (224 x 224 pixels) to 1e-5 (512 x 512), 1-norms by 1e-6
from CIFAR-10's size on, which is more than a change may exceed its radius by."""


def _by_row(values: Radius, like: Tensor) -> Tensor:
    """Bring one number or one per image to shape (n or 1, 1), beside changes flattened to (n, d)."""
    return torch.as_tensor(values, dtype=like.dtype, device=like.device).reshape(-1, 1)


def dual(p: float) -> float:
    """Return q with 1/p + 1/q = 1.

    Example:
        >>> dual(1.0), dual(2.0), dual(math.inf)
        (inf, 2.0, 1.0)
    """
    if p == math.inf:
        return 1.0
    return math.inf if p == 1 else p / (p - 1)


def size(change: Tensor, p: float, *, ours: bool = False) -> Tensor:
    """Measure each image's change.

    Args:
        change: (n, ...).
        p: 0, 1, 2 or inf.
        ours: nobody else needs the change, so that it may be written to.

    Returns:
        The norms, (n,).

    Example:
        >>> size(torch.tensor([[3.0, -4.0]]), 2), size(torch.tensor([[3.0, -4.0]]), 0)
        (tensor([5.]), tensor([2.]))
    """
    flat = change.reshape(len(change), math.prod(change.shape[1:]))
    if p == 0:
        return (flat != 0).sum(1).to(change.dtype)
    if p == math.inf:
        return (flat.abs_() if ours else flat.abs()).amax(1) if flat.shape[1] else flat.new_zeros(len(flat))
    return (flat.abs_() if ours else flat.abs()).sum(1) if p == 1 else _length(flat)


def _length(flat: Tensor) -> Tensor:
    """Return the 2-norms (n,) of rows (n, d), of long ones as the norm of their pieces' norms."""
    whole = flat.shape[1] // PIECE * PIECE
    if whole <= PIECE:
        return torch.linalg.vector_norm(flat, dim=1)
    parts = torch.linalg.vector_norm(flat[:, :whole].unflatten(1, (-1, PIECE)), dim=2)
    rest = torch.linalg.vector_norm(flat[:, whole:], dim=1, keepdim=True)
    return torch.linalg.vector_norm(torch.cat([parts, rest], 1), dim=1)


def project(change: Tensor, p: float, radius: Radius, *, ours: bool = False) -> Tensor:
    """Move each change to the nearest one (in the Euclidean sense) of at most `radius` in the p-norm.

    Args:
        change: (n, ...).
        p: 0, 1, 2 or inf.
        radius: one number or one per image.
        ours: nobody else needs the change, so that it may be written to.
    """
    if p == math.inf and isinstance(radius, (int, float)):  # one pass over memory instead of two
        dense = change.contiguous()
        return dense.clamp_(-radius, radius) if ours else dense.clamp(-radius, radius)
    flat = change.flatten(1)
    bound = _by_row(radius, flat)
    if p == math.inf:
        flat = torch.minimum(torch.maximum(flat, -bound), bound)
    elif p == 2:
        flat = flat * (bound / _length(flat)[:, None].clamp_min(torch.finfo(flat.dtype).tiny)).clamp_max(1)
    elif p == 1:
        flat = _onto_l1_ball(flat, bound)
    else:
        ranks = flat.abs().argsort(dim=1, descending=True, stable=True).argsort(1)
        flat = flat * (ranks < bound)
    return flat.reshape(change.shape)


def _onto_l1_ball(flat: Tensor, bound: Tensor) -> Tensor:
    """Soft-threshold at the level that leaves an l1 norm of `bound` (Duchi et al., ICML 2008, figure 1)."""
    magnitude = flat.abs()
    falling = magnitude.sort(dim=1, descending=True).values
    excess = falling.cumsum(1) - bound
    count = torch.arange(1, flat.shape[1] + 1, device=flat.device, dtype=flat.dtype)
    active = (falling * count > excess).sum(1, keepdim=True).clamp_min(1)
    level = (excess.gather(1, active - 1) / active).clamp_min(0)
    inside = magnitude.sum(1, keepdim=True) <= bound
    return torch.where(inside, flat, flat.sign() * (magnitude - level).clamp_min(0))


def project_l1_in_box(change: Tensor, radius: Radius, lower: Tensor, upper: Tensor) -> Tensor:
    """Move each change to the nearest one that has an l1 norm of at most `radius` and lies within a box, both at once.

    Every entry is shrunk by a common level and clipped to its room (Croce & Hein, ICML 2021, proposition 2.1); the norm
    is piecewise linear in the level, so sorting its 2d corners gives it exactly. Projecting on one set after the other
    gives changes that are smaller than need be.

    Args:
        change: (n, ...).
        radius: one number or one per image.
        lower: smallest value of each entry, like `change`, at most 0.
        upper: largest, at least 0.

    Example:
        >>> room = torch.tensor([[0.5, 9.0]])
        >>> project_l1_in_box(torch.tensor([[2.0, 2.0]]), 2.0, -room, room)
        tensor([[0.5000, 1.5000]])
    """
    flat = change.flatten(1)
    length = flat.abs()
    room = torch.where(flat > 0, upper.flatten(1), -lower.flatten(1)).clamp_min(0)
    corners, order = torch.cat([length, (length - room).clamp_min(0)], 1).sort(dim=1, descending=True)
    slope = torch.where(order < flat.shape[1], 1.0, -1.0).to(flat.dtype).cumsum(1)
    grown = torch.zeros_like(corners)
    grown[:, 1:] = (slope[:, :-1] * (corners[:, :-1] - corners[:, 1:])).cumsum(1)
    bound = _by_row(radius, flat).expand(len(flat), 1).contiguous()
    last = (torch.searchsorted(grown, bound, right=True) - 1).clamp_min(0)
    missing = bound - grown.gather(1, last)
    level = (corners.gather(1, last) - missing / slope.gather(1, last).clamp_min(1)).clamp_min(0)
    return (flat.sign() * torch.minimum((length - level).clamp_min(0), room)).reshape(change.shape)


def steepest(gradient: Tensor, p: float) -> Tensor:
    """Return the change of p-norm 1 along which a function with this gradient grows fastest; zero where it is zero.

    The sign for inf, the normalised gradient for 2, and for 1 (and 0) the sign at the single largest entry.
    """
    if p == math.inf:
        return gradient.sign()
    flat = gradient.flatten(1)
    if p == 2:
        tiny = torch.finfo(flat.dtype).tiny
        flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(tiny)  # squares of saturated gradients would underflow
        return (flat / _length(flat)[:, None].clamp_min(tiny)).reshape(gradient.shape)
    largest = flat.abs().argmax(1, keepdim=True)
    return torch.zeros_like(flat).scatter(1, largest, flat.gather(1, largest).sign()).reshape(gradient.shape)
