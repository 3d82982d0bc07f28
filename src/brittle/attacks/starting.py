"""Searches that know class numbers alone: some point that meets the goal, and the boundary on the way to it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from brittle.base.rows import Rows, column
from brittle.core.problem import Problem
from brittle.types import Images, PerImage

COARSENESS = (1, 2, 4, 8)
"""Sides of the patches of which the random images consist that are tried in turn; 1 draws every value."""
NEAR = 1e-3
"""How near to the boundary the first point is brought, as a fraction of the way (Chen et al.'s code)."""


@dataclass(frozen=True)
class Reached(Rows):
    """Images for which a point that meets the goal is known.

    Attributes:
        problem: these images.
        points: for each one a point that meets the goal, whatever its size.
    """

    problem: Problem
    points: Images


Path = Callable[[Images, Images, PerImage], Images]
"""A way from clean images (0) to points that meet the goal (1): the points at fractions of it, (n,)."""


def straight(clean: Images, points: Images, fraction: PerImage) -> Images:
    """Go along the line."""
    return clean + column(fraction, points) * (points - clean)


def reached(problem: Problem, draws: int) -> Reached:
    """Draw random images until one meets the goal, and bring it near to the boundary; who finds none is left out.

    Brendel et al. (ICLR 2018) and Chen et al. (S&P 2020) draw every value uniformly from the box. Deviation: as most
    networks hold all such images for the same class, coarser noise is tried in turn.

    Args:
        problem: the images.
        draws: most random images for each of them.
    """
    bounds, points = problem.classifier.bounds, problem.images.clone()
    found = torch.zeros(len(problem), dtype=torch.bool, device=points.device)
    for turn in range(draws):
        keep = (~(found | problem.record.spent(problem.ids))).nonzero()[:, 0]
        if not len(keep):
            break
        some = problem.rows(keep)
        drawn = bounds.lower + bounds.span * _noise(some, COARSENESS[turn % len(COARSENESS)])
        met = some.goal.reached(some.probe(drawn, graph=False).logits)
        points = points.index_copy(0, keep[met], drawn[met])
        found = found.index_fill(0, keep[met], True)
    kept = found.nonzero()[:, 0]
    problem, points = problem.rows(kept), points[kept]
    return Reached(problem, bisected(problem, points, straight, torch.full_like(problem.clean[:, 0], NEAR)))


def _noise(problem: Problem, side: int) -> Tensor:
    channels, height, width = problem.images.shape[1:]
    coarse = problem.streams.uniform(problem.ids, (channels, -(-height // side), -(-width // side)))
    return coarse.repeat_interleave(side, 2).repeat_interleave(side, 3)[:, :, :height, :width]


def bisected(problem: Problem, points: Images, path: Path, tolerance: PerImage) -> Images:
    """Halve the way to points that meet the goal until the boundary is known well enough.

    Args:
        problem: the images.
        points: one for each that meets the goal.
        path: the way from the clean image.
        tolerance: at which fraction of the way to stop, (n,); also where there is no number left between two fractions,
            as it comes to on large images (HopSkipJump's size^-1.5 is finer than float32 from 65,536 values on).

    Returns:
        The nearest points seen that meet the goal.
    """
    low, high = torch.zeros_like(tolerance), torch.ones_like(tolerance)
    while True:
        middle = (low + high) / 2
        wanted = (high - low > tolerance) & (low < middle) & (middle < high)
        keep = (wanted & ~problem.record.spent(problem.ids)).nonzero()[:, 0]
        if not len(keep):
            return path(problem.images, points, high)
        some, middle = problem.rows(keep), middle[keep]
        met = some.goal.reached(some.probe(path(some.images, points[keep], middle), graph=False).logits)
        high = high.index_copy(0, keep, torch.where(met, middle, high[keep]))
        low = low.index_copy(0, keep, torch.where(met, low[keep], middle))
