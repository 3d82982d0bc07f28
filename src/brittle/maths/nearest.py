"""The nearest of many points."""

import torch
from torch import Tensor

GROUP = 8
"""Points of the bank that are compared by their nearest one first."""
AT_ONCE = 2_000_000
"""Distances that are held at a time, so that they stay in the processor's cache."""


def nearest(points: Tensor, bank: Tensor, count: int) -> Tensor:
    """Return the numbers of the nearest points of a bank, in the L2 norm.

    Squared distances, less what is the same for the whole bank, are a matrix product. Of each group of the bank only
    the nearest point is looked at first: the `count` nearest points lie in the `count` groups with the nearest ones.

    Args:
        points: (n, d), float32 or float64.
        bank: (m, d), of the same type.
        count: how many, at most m.

    Returns:
        (n, count), nearest first; among equally near ones any.

    Example:
        >>> nearest(torch.tensor([[0.9]]), torch.tensor([[0.0], [1.0], [3.0]]), 2)
        tensor([[1, 0]])
    """
    groups = -(-len(bank) // GROUP)
    weights = bank.new_zeros((bank.shape[1] + 1, GROUP * groups))
    weights[:-1, : len(bank)] = -2 * bank.T
    weights[-1], weights[-1, : len(bank)] = torch.inf, bank.square().sum(1)
    step = max(1, AT_ONCE // weights.shape[1])
    room = bank.new_empty((min(step, len(points)), weights.shape[1]))
    found = [points.new_zeros((0, count), dtype=torch.int64)]
    for some in points.split(step):
        ones = some.new_ones((len(some), 1))
        distances = torch.mm(torch.cat([some, ones], 1), weights, out=room[: len(some)])
        found.append(_least(distances, count, groups))
    return torch.cat(found)


def _least(values: Tensor, count: int, groups: int) -> Tensor:
    """Numbers of the least values of each row, the group of a value being its number modulo the number of groups."""
    if count >= groups:
        return values.topk(count, largest=False).indices
    grouped = values.unflatten(1, (-1, groups))
    likely = grouped.amin(1).topk(count, largest=False, sorted=False).indices
    inside = likely[:, None].expand(-1, grouped.shape[1], -1)
    order = grouped.gather(2, inside).flatten(1).topk(count, largest=False).indices
    return order // count * groups + likely.gather(1, order % count)
