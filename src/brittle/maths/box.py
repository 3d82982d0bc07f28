"""Directions within a box: what pushes against its walls leads nowhere."""

import torch
from torch import Tensor


def can_follow(points: Tensor, direction: Tensor, lower: float, upper: float) -> Tensor:
    """Say which entries can follow a direction: those at a bound that it would lead out of the box cannot.

    Args:
        points: within the box.
        direction: like `points`; an entry of 0 counts as one upwards.
        lower: of the box.
        upper: likewise.

    Example:
        >>> can_follow(torch.tensor([0.0, 0.0, 0.5]), torch.tensor([-1.0, 1.0, -1.0]), 0.0, 1.0)
        tensor([False,  True,  True])
    """
    return torch.where(direction < 0, points > lower, points < upper)


def feasible(direction: Tensor, points: Tensor, lower: float, upper: float) -> Tensor:
    """Return a direction without the entries that push against the box, which are 0.

    Example:
        >>> feasible(torch.tensor([-1.0, 1.0, -1.0]), torch.tensor([0.0, 0.0, 0.5]), 0.0, 1.0)
        tensor([ 0.,  1., -1.])
    """
    return direction.masked_fill(~can_follow(points, direction, lower, upper), 0)
