"""How many dimensions the points around a point seem to fill."""

import torch
from torch import Tensor

SMALLEST = 1e-12
"""Fraction of the farthest distance below which a neighbour counts as being no nearer."""
LARGEST = 1e6
"""Dimensions beyond which neighbours count as equally far."""


def local_intrinsic_dimensionality(distances: Tensor, k: int) -> Tensor:
    """Estimate the local intrinsic dimensionality of points by the distances of their nearest neighbours.

    The maximum-likelihood estimate of Amsaleg et al. (KDD 2015), as Ma et al. (ICLR 2018, arXiv:1801.02613, equation 4)
    have it: -(1/k sum_i log(r_i / r_k))^-1. Of points that fill d dimensions evenly its mean is d k / (k - 2).

    Args:
        distances: of each point to the others, (n, m), in any order, without those of a point to itself.
        k: how many of them, the smallest, are looked at; at most as many as are finite.

    Returns:
        One number a point, (n,), differentiable; 1e6 where all k are equally far.

    Example:
        >>> local_intrinsic_dimensionality(torch.tensor([[1.0, 4.0, 2.0, 9.0]]), k=3)  # 3 / log(4 / 1 * 4 / 2)
        tensor([1.4427])
    """
    near = distances.topk(k, dim=1, largest=False).values
    farthest = near[:, -1:].clamp_min(torch.finfo(near.dtype).tiny)
    shortfall = -(near / farthest).clamp_min(SMALLEST).log().mean(1)
    return 1 / shortfall.clamp_min(1 / LARGEST)
