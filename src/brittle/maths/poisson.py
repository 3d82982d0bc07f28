"""Poisson's distribution without a loop over draws: how many events a uniform number stands for."""

import torch
from torch import Tensor

FEW = 10.0
"""Mean from which on the expansion is used."""
LAST = 64
"""Events beyond which none of a mean below `FEW` is looked for; the chance of more is below 1e-30."""
LEAST = 1e-30
"""What chances are kept above: processors take a hundred times longer over numbers too small for their exponent."""


def poisson_quantiles(uniforms: Tensor, means: Tensor) -> Tensor:
    """Return the smallest numbers of events whose distribution function reaches numbers from [0, 1).

    Means below 10 are summed term by term. Larger ones go through an expansion about the normal distribution (Giles,
    "Algorithm 955: approximation of the inverse Poisson cumulative distribution function", ACM TOMS 2016, section
    2.1), which gives another number of events for about one draw in a thousand, and then the next one.

    Args:
        uniforms: in [0, 1).
        means: of the same shape, at least 0.

    Returns:
        Whole numbers of the same shape and type, without a way back for gradients.

    Example:
        >>> poisson_quantiles(torch.tensor([0.3, 0.5, 0.5]), torch.tensor([1.0, 1.0, 100.0]))
        tensor([  0.,   1., 100.])
    """
    uniforms, means = uniforms.detach(), means.detach()
    few = means < FEW
    if few.all():
        return _summed(uniforms, means)
    found = _expanded(uniforms, means.clamp_min(FEW))
    if few.any():
        found[few] = _summed(uniforms[few], means[few])
    return found


def _summed(uniforms: Tensor, means: Tensor) -> Tensor:
    count = torch.zeros_like(means, dtype=torch.uint8)
    chance = torch.exp(-means)
    reached = chance.clone()
    for number in range(1, LAST):
        below = reached < uniforms
        if not below.any():
            break
        count += below.view(torch.uint8)  # bytes are added many times faster than floats
        chance.mul_(means).mul_(1 / number).clamp_min_(LEAST)
        reached += chance
    return count.to(means.dtype)


def _expanded(uniforms: Tensor, means: Tensor) -> Tensor:
    least = torch.finfo(uniforms.dtype).tiny
    normal = torch.special.ndtri(uniforms.clamp_min(least))
    root, square = means.sqrt(), normal.square()
    places = means + root * normal + (2 + square) / 6 - normal * (2 + square) / (72 * root)
    return places.floor().clamp_min(0)
