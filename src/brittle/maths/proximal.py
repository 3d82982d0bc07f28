"""Proximal operators of the norms: argmin_z 1/2 ||z - x||_2^2 + weight h(z), for each image.

A change is a tensor whose first axis runs over images; a weight is one number for all or one per image, not negative.
"""

import math

import torch
from torch import Tensor

from brittle.maths import norms
from brittle.maths.elementary import hyperbolic_cosine
from brittle.maths.norms import Radius


def proximal(change: Tensor, p: float, weight: Radius) -> Tensor:
    """Apply the proximal operator of the p-norm, or for p below 1 of the sum of |z_i|^p.

    Args:
        change: x, (n, ...).
        p: 0 (the number of entries that are not 0), 2/3, 1, 2 or inf.
        weight: how much the norm counts, one number or one per image.

    Returns:
        The minimisers, like `change`: for 0 hard thresholding, for 2/3 Cao, Sun & Xu's closed form, for 1 soft
        thresholding, for 2 a shorter change, for inf entries cut off at a common level (by Moreau's decomposition what
        remains of the projection on the l1 ball; Parikh & Boyd, Proximal Algorithms, section 6.5).

    Raises:
        ValueError: another p.

    Example:
        >>> proximal(torch.tensor([[3.0, -1.0, 0.5]]), 1, 1.0)
        tensor([[2., -0., 0.]])
    """
    flat = change.flatten(1)
    level = torch.as_tensor(weight, dtype=flat.dtype, device=flat.device).reshape(-1, 1)
    if p == 0:
        moved = torch.where(flat.square() > 2 * level, flat, 0)
    elif p == 2 / 3:
        moved = _two_thirds(flat, level)
    elif p == 1:
        moved = flat.sign() * (flat.abs() - level).clamp_min(0)
    elif p == 2:
        length = flat.norm(dim=1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
        moved = flat * (1 - level / length).clamp_min(0)
    elif p == math.inf:
        moved = flat - norms.project(flat, 1, weight)
    else:
        raise ValueError(f"the exponent is {p}; expected 0, 2/3, 1, 2 or inf")
    return moved.reshape(change.shape)


def _two_thirds(flat: Tensor, level: Tensor) -> Tensor:
    """Threshold with the exponent 2/3 (Cao, Sun & Xu, J. Vis. Commun. Image R. 24(1), 2013, equations 10-12).

    With lambda = 2 weight, entries up to 2/3 (3 lambda^3)^(1/4) become 0, and the others sign(x) ((a + sqrt(2 |x| / a -
    a^2)) / 2)^3, a = 2 / sqrt(3) lambda^(1/4) sqrt(cosh(phi / 3)), phi = arccosh(27 x^2 / (16 lambda^(3/2))). All is
    computed of x / lambda^(3/4), which knows no scale, and what is too large for float32 is left as it is.
    """
    doubled = (2 * level).clamp_min(torch.finfo(flat.dtype).tiny)
    root = doubled.sqrt()
    unit = root * root.sqrt()
    reduced = flat.abs() / unit
    middle = reduced.clamp(2 / 3 * 3**0.25, 1 / torch.finfo(flat.dtype).eps)
    angle = torch.acosh(27 / 16 * middle.square())
    root = 2 / math.sqrt(3) * hyperbolic_cosine(angle / 3).sqrt()
    solved = ((root + (2 * middle / root - root.square()).clamp_min(0).sqrt()) / 2).pow(3)
    kept = torch.where(reduced > middle, reduced, solved) * unit
    return torch.where(reduced > 2 / 3 * 3**0.25, kept * flat.sign(), 0)
