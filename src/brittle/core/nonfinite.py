"""Outputs and gradients that are not finite or zero, and what attacks are given in place of the former."""

import math

import torch
from torch import Tensor

from brittle.core.record import Record
from brittle.types import Images, Logits, Mask, PerImage

_PIXEL, _TURN = 0.7548776662466927, 0.6180339887498949
"""Irrational steps; their multiples, less the whole part, fill 0..1 evenly (Weyl 1916)."""


def usable(outputs: Tensor, clean: Logits) -> tuple[Tensor, Mask | None]:
    """Put the logits of the clean images where a network said NaN or infinity: such a point is no example of anything.

    Args:
        outputs: (m, k) or (eot_samples, m, k).
        clean: (m, k), finite.

    Returns:
        Outputs that are finite, and for which points they were replaced: where one draw or one class is not finite. On
        the CPU None for no point; on a GPU always a mask, for to look at it would wait for the device.

    Example:
        >>> usable(torch.tensor([[[1.0, torch.nan], [3.0, 4.0]]]), torch.zeros(2, 2))
        (tensor([[[0., 0.],
                 [3., 4.]]]), tensor([ True, False]))
    """
    if _surely_finite(outputs):
        return outputs, None
    finite = torch.isfinite(outputs.detach()).all(-1)
    finite = finite.all(0) if finite.ndim == 2 else finite
    if finite.is_cpu and bool(finite.all()):
        return outputs, None
    return torch.where(finite[:, None], outputs, clean), ~finite


def sanitised(gradients: Images) -> tuple[Images, Mask | None]:
    """Put 0 where a gradient is NaN or infinite, so that its finite entries carry the search.

    Returns:
        The gradients, and which of them were not finite, (m,). On the CPU None for none, on a GPU always a mask.

    Example:
        >>> sanitised(torch.tensor([[1.0, torch.nan], [3.0, 4.0]]))
        (tensor([[1., 0.],
                [3., 4.]]), tensor([ True, False]))
    """
    if _surely_finite(gradients):
        return gradients, None
    return gradients.nan_to_num(0.0, 0.0, 0.0), ~torch.isfinite(gradients.flatten(1)).all(1)


def _surely_finite(values: Tensor) -> bool:
    """Whether a look at one number shows that all are finite: a sum is so only where its terms are, if not always then.

    False on a GPU, where to look would wait for it.
    """
    return values.is_cpu and math.isfinite(values.detach().sum().item())


def blank(gradients: Images) -> Mask | None:
    """Say which gradients are finite and zero in every value, (m,); on the CPU None for none.

    On the CPU a sum is looked at first, which of such a gradient is 0.

    Example:
        >>> blank(torch.tensor([[1.0, -1.0], [0.0, 0.0]])), blank(torch.ones(2, 2))
        (tensor([False,  True]), None)
    """
    rows = gradients.detach().flatten(1)
    if not rows.is_cpu:
        return ~rows.any(1)
    suspects = (rows.sum(1) == 0).nonzero()[:, 0]
    if not len(suspects) or not bool((flat := ~rows[suspects].any(1)).any()):
        return None
    return torch.zeros(len(rows), dtype=torch.bool).index_fill_(0, suspects[flat], True)


def filled(record: Record, ids: Tensor, gradients: Images, unusable: Mask | None, shown: Mask | None = None) -> Images:
    """Put 0 where gradients are not finite, and count the images with such, and those whose gradients are zero.

    Points without an output count elsewhere.

    Args:
        record: that counts.
        ids: (m,) whose gradients these are.
        gradients: (m, c, h, w).
        unusable: points without a finite output, (m,); None for none.
        shown: points that the network has seen, (m,); None for all.
    """
    finite, flawed = sanitised(gradients)
    if (zero := blank(gradients)) is not None:
        for without in (None if unusable is None else ~unusable, shown):
            zero = zero if without is None else zero & without
        record.note_zero(ids, zero)
    if flawed is not None:
        record.note_nonfinite(ids, gradients=flawed if unusable is None else flawed & ~unusable)
    return finite


def retreat(gradients: Images, unusable: Mask, images: Images, points: Images, turn: Tensor, value: PerImage) -> Images:
    """Let the gradient of points that the network has no finite output for lead back to the clean image.

    A step there would otherwise be made of zeros, and the search would end where it left the network's domain. The way
    back is taken in half of the pixels, others at each turn, so that no search steps to and fro between two points; and
    it is as steep as if the value grew by its own size over half of the way.

    Args:
        gradients: (m, c, h, w); returned as they are but for these points.
        unusable: which points, (m,).
        images: the clean images of the points.
        points: (m, c, h, w).
        turn: how often each image has been looked at, (m,).
        value: what is differentiated, at the clean image, (m,).
    """
    rows = unusable.nonzero()[:, 0] if unusable.is_cpu else torch.arange(len(points), device=points.device)
    back, height = images[rows] - points[rows], value[rows].abs()
    place = torch.arange(back[0, 0].numel() if len(rows) else 0, device=points.device, dtype=torch.float64)
    chosen = (place * _PIXEL + turn[rows, None] * _TURN).remainder(1) < 0.5
    back = back * chosen.reshape(len(rows), 1, *back.shape[2:])
    squared = back.flatten(1).square().sum(1).clamp_min(torch.finfo(back.dtype).tiny)
    steep = 2 * torch.where(height > 0, height, 1.0) / squared
    way = back * steep.to(back.dtype)[:, None, None, None]
    kept = torch.where(unusable[rows, None, None, None], way, gradients[rows])
    return gradients.index_copy(0, rows, kept)
