"""Which rows of a table are equal."""

import torch
from torch import Tensor


def first_equal(tables: Tensor) -> Tensor:
    """Find, for each row of each table, the first row of that table that equals it: the row itself if none does before.

    Sorts by one column after the other, which is an order of magnitude faster than `Tensor.unique` along a dimension.

    Args:
        tables: (n, rows, columns), without NaN.

    Returns:
        (n, rows) int64, positions in the table.
    """
    places = torch.arange(tables.shape[1], device=tables.device).expand(tables.shape[:2])
    order = places
    for column in reversed(tables.unbind(2)):
        order = order.gather(1, column.gather(1, order).argsort(dim=1, stable=True))
    ordered = tables.gather(1, order[..., None].expand_as(tables))
    differs = (ordered[:, 1:] != ordered[:, :-1]).any(2)
    start = torch.cat([places[:, :1], places[:, 1:] * differs], 1).cummax(1).values
    return torch.empty_like(order).scatter_(1, order, order.gather(1, start))
