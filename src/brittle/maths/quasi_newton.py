"""Limited-memory quasi-Newton steps within a box, for many functions at once: one row is one function.

Nocedal, Updating quasi-Newton matrices with limited storage, Mathematics of Computation 35, 1980 (the two-loop
recursion). In the box, the recursion runs on the entries that are free to move, and the point that it leads to is
projected, as in Morales and Nocedal's remark on L-BFGS-B (ACM Transactions on Mathematical Software 38, 2011).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from brittle.maths.box import can_follow

CURVED = 1e-10
"""A pair whose curvature is below this fraction of what its lengths allow says nothing and is left out."""
ENOUGH = 1e-4
"""The fraction of the linearised decrease that a step must bring (Armijo; Nocedal and Wright 2006, section 3.1)."""


@dataclass(frozen=True)
class Pairs:
    """What was learnt of each function: how its gradient changed along its last moves.

    Attributes:
        moves: s, (n, m, d).
        changes: y, the change of the gradient along each move, (n, m, d).
        order: (n, m) int64, positions of the pairs among the m, the newest first.
        count: (n,) int64, how many of them there are.
        curvature: (n,), of a term of the function, curvature / 2 ||x - x_0||^2, that `changes` leave out.
    """

    moves: Tensor
    changes: Tensor
    order: Tensor
    count: Tensor
    curvature: Tensor


def two_loop(gradient: Tensor, free: Tensor, pairs: Pairs) -> Tensor:
    """Apply the inverse Hessian that the pairs tell of, on the free entries, to the gradient.

    Pairs without positive curvature on the free entries are left out. Where none remains, the inverse of the known
    curvature is applied, and where that is 0 too the gradient itself is returned.

    Args:
        gradient: (n, d).
        free: (n, d) bool; other entries of the result are 0.
        pairs: of each function.

    Returns:
        H g, (n, d); minus this is the quasi-Newton direction, always one of descent.

    Example:
        >>> one = torch.ones(1, dtype=torch.int64)
        >>> pairs = Pairs(torch.ones(1, 1, 1), torch.full((1, 1, 1), 4.0), one[None] - 1, one, torch.zeros(1))
        >>> two_loop(torch.tensor([[8.0]]), torch.tensor([[True]]), pairs)
        tensor([[2.]])
    """
    vector, known = gradient * free, pairs.curvature
    scale = torch.where(known > 0, 1 / known, torch.ones_like(known))
    unscaled = torch.ones_like(scale, dtype=torch.bool)
    rows = torch.arange(len(gradient), device=gradient.device)
    seen: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for age in range(int(pairs.count.amax()) if len(rows) else 0):
        place = pairs.order[:, age]
        move = pairs.moves[rows, place] * free
        change = torch.addcmul(pairs.changes[rows, place], move, known[:, None]).mul_(free)
        bend, length = _dot(move, change), _dot(change, change)
        usable = (pairs.count > age) & (bend > CURVED * (length * _dot(move, move)).sqrt())
        weight = torch.where(usable, 1 / bend, torch.zeros_like(bend))
        part = weight * _dot(move, vector)
        vector = torch.addcmul(vector, change, part[:, None], value=-1)
        scale = torch.where(usable & unscaled, bend / length, scale)
        unscaled &= ~usable
        seen.append((move, change, weight, part))
    vector = vector * scale[:, None]
    for move, change, weight, part in reversed(seen):
        vector = torch.addcmul(vector, move, (part - weight * _dot(change, vector))[:, None])
    return vector


def boxed_step(x: Tensor, gradient: Tensor, pairs: Pairs, lower: float = 0.0, upper: float = 1.0) -> Tensor:
    """Return the step to the projection of the quasi-Newton point; x + t step lies in the box for every t in [0, 1].

    Where projecting turns the direction so that the function no longer falls along it, the projected gradient takes its
    place. Where there are no pairs yet, the step is no longer than the box is wide.

    Args:
        x: points within the box, (n, d).
        gradient: of each function there, (n, d).
        pairs: of each function.
        lower: of the box.
        upper: likewise.

    Returns:
        The steps, (n, d); 0 where no entry can follow the negative gradient.

    Example:
        >>> none = torch.zeros(1, dtype=torch.int64)
        >>> pairs = Pairs(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), none[None], none, torch.full((1,), 4.0))
        >>> boxed_step(torch.tensor([[0.5, 0.0]]), torch.tensor([[0.4, 1.0]]), pairs)
        tensor([[-0.1000,  0.0000]])
    """
    free = can_follow(x, -gradient, lower, upper)
    newton = two_loop(gradient, free, pairs)
    longest = (upper - lower) / newton.norm(dim=1).clamp_min(torch.finfo(x.dtype).tiny)
    stride = torch.where(pairs.count > 0, torch.ones_like(longest), longest.clamp_max(1))
    step = (x - stride[:, None] * newton).clamp_(lower, upper) - x
    slope, steep = _dot(gradient, step), (gradient * free).norm(dim=1)
    wrong = torch.logical_not(slope < -CURVED * step.norm(dim=1) * steep).nonzero()[:, 0]
    if len(wrong):
        along = (gradient * free)[wrong] * (newton[wrong].norm(dim=1) / steep[wrong].clamp_min(1e-30))[:, None]
        step[wrong] = (x[wrong] - along).clamp_(lower, upper) - x[wrong]
    return step


def shorter(stride: Tensor, slope: Tensor, rise: Tensor) -> Tensor:
    """Shorten a step that did not bring enough, to where a parabola has its minimum.

    Args:
        stride: t, (n,).
        slope: of the function along the step at t = 0, negative, (n,).
        rise: value at t minus value at 0, (n,).

    Returns:
        Between a tenth and a half of t (Nocedal and Wright 2006, section 3.5).

    Example:
        >>> shorter(torch.tensor([1.0]), torch.tensor([-1.0]), torch.tensor([0.5]))
        tensor([0.3333])
    """
    least = -slope * stride**2 / (2 * (rise - slope * stride))
    return torch.where(torch.isfinite(least), least, stride / 10).clamp(stride / 10, stride / 2)


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return torch.linalg.vecdot(one, other)
