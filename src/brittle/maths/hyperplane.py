"""The smallest step, in a p-norm and within a box, that raises a linear function by a wanted amount."""

import torch
from torch import Tensor

from brittle.maths.norms import dual

NEWTON_STEPS = 20
"""Most refinements of the stride; the function is concave and piecewise linear, so a handful reaches it exactly."""
HALVINGS = 12
"""How often the fraction of a step that is needed is bisected."""


def smallest_step(normal: Tensor, rise: Tensor, p: float, lower: Tensor, upper: Tensor) -> Tensor:
    """Solve min ||s||_p subject to <normal, s> >= rise and lower <= s <= upper, image by image.

    Without the box this is DeepFool's closed form, |rise| |w|^(q-1) sign(w) / ||w||_q^q (Moosavi-Dezfooli et al. 2016,
    section 4). With it, every entry moves by min(t |w_i|^(q-1), room_i), and the stride t is raised until the entries
    that still have room make up for those that have none; for p = 1 the entries are filled in the order of |w_i|.

    Args:
        normal: gradients w, (n, ...).
        rise: how much is wanted, (n,), not negative.
        p: 1, 2 or inf.
        lower: smallest step allowed for each entry, like `normal`, at most 0.
        upper: largest, at least 0; both may be infinite.

    Returns:
        The steps, like `normal`; where the box does not let the function rise so far, the step to its most favourable
        corner.

    Example:
        >>> normal, room = torch.tensor([[3.0, 4.0]]), torch.full((1, 2), 9.0)
        >>> smallest_step(normal, torch.tensor([5.0]), 2, -room, room)
        tensor([[0.6000, 0.8000]])
    """
    slope = normal.flatten(1).abs()
    room = torch.where(normal > 0, upper, -lower).flatten(1).clamp_min(0).where(slope > 0, 0)
    distance = _filled_in_order(slope, rise, room) if p == 1 else _raised_together(slope, rise, room, dual(p))
    return (distance * normal.flatten(1).sign()).reshape(normal.shape)


def _filled_in_order(slope: Tensor, rise: Tensor, room: Tensor) -> Tensor:
    """Use up the room of the steepest entries first (p = 1)."""
    falling, order = slope.sort(dim=1, descending=True, stable=True)
    gain = falling * room.gather(1, order)
    before = torch.cat([torch.zeros_like(gain[:, :1]), gain[:, :-1].cumsum(1)], 1)
    missing = (rise[:, None] - before).clamp_min(0)
    used = torch.minimum(missing / falling.clamp_min(torch.finfo(slope.dtype).tiny), room.gather(1, order))
    return torch.zeros_like(slope).scatter(1, order, used)


def _raised_together(slope: Tensor, rise: Tensor, room: Tensor, q: float) -> Tensor:
    """Find the stride t by Newton's method from below, where every entry moves by min(t slope^(q-1), room)."""
    pace = torch.ones_like(slope) if q == 1 else slope
    gain = slope * pace
    stride = rise / gain.sum(1).clamp_min(torch.finfo(slope.dtype).tiny)
    distance = torch.minimum(stride[:, None] * pace, room)
    for _ in range(NEWTON_STEPS):
        missing = rise - (slope * distance).sum(1)
        free = (gain * (stride[:, None] * pace < room)).sum(1)
        short = (missing > 1e-6 * rise) & (free > 0)
        if not bool(short.any()):
            break
        stride = torch.where(short, stride + missing / free.clamp_min(torch.finfo(slope.dtype).tiny), stride)
        distance = torch.minimum(stride[:, None] * pace, room)
    return distance


def shrink_to_boundary(step: Tensor, normal: Tensor, rise: Tensor, p: float, lower: Tensor, upper: Tensor) -> Tensor:
    """Shorten steps in their p-norm as far as a linear function still rises by a wanted amount, image by image.

    In l2 the step is scaled, in the maximum norm its entries are clipped at a common size, in l1 they are shrunk by a
    common amount; then they are clipped to the box. The level is found by bisection, to 1 in 4,096 of the whole step.

    Args:
        step: (n, ...); those that do not raise the function enough are returned as they are, within the box.
        normal: gradients, like `step`.
        rise: how much is wanted, (n,).
        p: 1, 2 or inf.
        lower: smallest step allowed for each entry, like `step`, at most 0.
        upper: largest, at least 0.

    Example:
        >>> room = torch.full((1, 2), 9.0)
        >>> shrink_to_boundary(torch.tensor([[2.0, 4.0]]), torch.ones(1, 2), torch.tensor([3.0]), 2, -room, room)
        tensor([[1., 2.]])
    """
    flat, slope = step.flatten(1), normal.flatten(1)
    low, high = lower.flatten(1), upper.flatten(1)
    longest = flat.abs().amax(1, keepdim=True)

    def at(fraction: Tensor) -> Tensor:
        if p == 1:
            cut = flat.sign() * (flat.abs() - (1 - fraction) * longest).clamp_min(0)
        elif p == 2:
            cut = flat * fraction
        else:
            cut = torch.maximum(torch.minimum(flat, fraction * longest), -fraction * longest)
        return torch.minimum(torch.maximum(cut, low), high)

    enough, short = torch.ones_like(longest), torch.zeros_like(longest)
    for _ in range(HALVINGS):
        middle = (enough + short) / 2
        reached = (slope * at(middle)).sum(1, keepdim=True) >= rise[:, None]
        enough, short = torch.where(reached, middle, enough), torch.where(reached, short, middle)
    return at(enough).reshape(step.shape)
