"""Minimum-cut seams through the overlap of two patches."""

import torch
from torch import Tensor


def cheapest_seam(costs: Tensor) -> Tensor:
    """Return where the cheapest seam crosses every row, from the first to the last.

    From row to row a seam moves by at most one column; its cost is the sum of those that it crosses (Efros & Freeman,
    SIGGRAPH 2001, section 2.1). By dynamic programming, all overlaps of the batch at once.

    Args:
        costs: (..., rows, columns), of crossing at each place.

    Returns:
        Columns (..., rows); among equally cheap seams the one that ends leftmost.

    Example:
        >>> cheapest_seam(torch.tensor([[3.0, 0.0, 3.0], [3.0, 3.0, 0.0], [3.0, 0.0, 3.0]]))
        tensor([1, 2, 1])
    """
    rows, columns = costs.shape[-2:]
    total, came = [costs[..., 0, :]], list[Tensor]()
    for row in range(1, rows):
        last = torch.nn.functional.pad(total[-1], (1, 1), value=float("inf"))
        least, step = torch.stack([last[..., shift : shift + columns] for shift in range(3)]).min(0)
        total.append(costs[..., row, :] + least)
        came.append(step - 1)
    seam = [total[-1].argmin(-1)]
    for step in reversed(came):
        here = seam[-1]
        seam.append(here + step.gather(-1, here[..., None])[..., 0])
    return torch.stack(seam[::-1], -1)
