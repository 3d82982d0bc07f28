"""HopSkipJump, a walk along the decision boundary, from class numbers alone."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from brittle.attacks.starting import Reached, bisected, reached, straight
from brittle.base.rows import column
from brittle.core.attack import Attack, at_least
from brittle.core.problem import Problem
from brittle.maths import norms
from brittle.types import Images, PerImage

FIRST_PROBE = 0.1
"""Distance of the first draws from the boundary, as a fraction of the bounds' span (the published code)."""
MOST_DRAWS = 10_000
"""Most draws for one direction (the published code)."""
HALVINGS = 30
"""How often a stride is halved at most; a billionth of it leads nowhere."""


@dataclass(frozen=True)
class HopSkipJump(Attack):
    """The smallest change by a walk along the boundary, whose normal is estimated from decisions; needs only the class.

    Chen, Jordan, Wainwright, S&P 2020 (arXiv:1904.02144), algorithms 1 and 2. From a random image of another class
    (targeted: of the target), step t bisects the way to the clean image down to theta, asks about B_t = B_0 sqrt(t)
    points at distance delta_t = ||x_t - x|| / d around the boundary point, takes the mean of the draws weighted by
    their decisions, less the mean decision (equation 12), for the direction, and goes ||x_t - x|| / sqrt(t) along it,
    halved until the goal is met there. theta is d^(-3/2) for l2 and d^(-2) for linf, d being the number of values; the
    draws are uniform on the sphere for l2 and in the cube for linf, where the direction is the sign of the estimate.

    Deviation: the first point is looked for among coarser random images too, as uniform noise often belongs to one
    class. An image for which none is found stays unbroken, which for targeted goals is frequent: the paper starts from
    an image of the target class, and here images know nothing of each other.

    Attributes:
        steps: T; 40 in the published code.
        draws: B_0; 100 in the paper.
        starts: most random images for the first point.

    Example:
        >>> HopSkipJump(steps=10).draws
        100
    """

    threats: ClassVar[tuple[str, ...]] = ("l2", "linf")
    gradients: ClassVar[bool] = False
    goes_by = "decisions"
    steps: int = 40
    draws: int = 100
    starts: int = 100

    def __post_init__(self):
        at_least("steps", self.steps, 0)
        at_least("draws", self.draws, 1)
        at_least("starts", self.starts, 1)

    def perturb(self, problem: Problem) -> None:
        """Walk for each image from its own first point."""
        state = reached(problem, self.starts)
        for step in range(1, self.steps + 1):
            state = state.rows((~state.problem.record.spent(state.problem.ids)).nonzero()[:, 0])
            problem = state.problem
            if not len(problem):
                return
            distance = _distance(problem, state.points)
            points = _boundary(problem, state.points)
            span = problem.classifier.bounds.span
            size = math.prod(problem.images.shape[1:])
            reach = torch.full_like(distance, FIRST_PROBE * span) if step == 1 else distance / size
            count = min(int(self.draws * math.sqrt(step)), MOST_DRAWS)
            way = direction(problem, points, reach, count)
            state = Reached(problem, _strode(problem, points, way, _distance(problem, points) / math.sqrt(step)))
            problem.record.iterations[problem.ids] += 1
        _boundary(state.problem, state.points)


def _distance(problem: Problem, points: Images) -> PerImage:
    return norms.size(points - problem.images, problem.lp.p)


def _boundary(problem: Problem, points: Images) -> Images:
    """Bisect to the boundary: along the line for l2, by shrinking the cube around the clean image for linf."""
    if not len(problem):
        return points
    size = float(math.prod(problem.images.shape[1:]))
    if problem.lp.p == 2:
        return bisected(problem, points, straight, torch.full_like(problem.clean[:, 0], size**-1.5))
    tolerance = torch.full_like(problem.clean[:, 0], max(size**-2, torch.finfo(points.dtype).eps))
    return bisected(problem, points, _shrunk, tolerance)


def _shrunk(clean: Images, points: Images, fraction: PerImage) -> Images:
    """Cut the change off at a fraction of its largest entry."""
    change = points - clean
    most = column(fraction * norms.size(change, torch.inf), change)
    return clean + torch.minimum(torch.maximum(change, -most), most)


def direction(problem: Problem, points: Images, reach: PerImage, count: int) -> Images:
    """Estimate the normal of the boundary at points on it (equations 9 and 12).

    Args:
        problem: the images; the goal says on which side a draw lies.
        points: at the boundary.
        reach: delta, how far away the draws are, (n,).
        count: B, how many draws for each point.

    Returns:
        Directions of norm 1 that lead to where the goal is met, the sign of the estimate for linf.
    """
    together = max(1, problem.max_points // count)
    places = torch.arange(len(problem), device=points.device)
    parts = [_estimated(problem.rows(part), points[part], reach[part], count) for part in places.split(together)]
    return problem.lp.steepest(torch.cat(parts))


def _estimated(problem: Problem, points: Images, reach: PerImage, count: int) -> Images:
    shape, length = (count, *points.shape[1:]), column(reach, points[:, None])
    streams, ids = problem.streams, problem.ids
    drawn = streams.normal(ids, shape) if problem.lp.p == 2 else streams.uniform(ids, shape) * 2 - 1
    drawn = drawn / drawn.flatten(2).norm(dim=2).reshape(*drawn.shape[:2], 1, 1, 1)
    near = problem.classifier.bounds.clamp((points[:, None] + length * drawn).flatten(0, 1))
    of = torch.arange(len(points), device=points.device).repeat_interleave(count)
    met = problem.rows(of).goal.reached(problem.probe(near, of=of, graph=False).logits)
    sides = met.reshape(len(points), count).to(points.dtype) * 2 - 1
    mean = sides.mean(1, keepdim=True)
    weights = torch.where(mean.abs() == 1, sides, sides - mean)
    moved = (near.reshape(drawn.shape) - points[:, None]) / length
    return (weights[:, :, None, None, None] * moved).mean(1)


def _strode(problem: Problem, points: Images, way: Images, stride: PerImage) -> Images:
    """Go along a direction, with strides halved until the goal is met; who gets nowhere stays."""
    left = torch.arange(len(problem), device=points.device)
    for _ in range(HALVINGS):
        left = left[~problem.record.spent(problem.ids[left])]
        if not len(left):
            break
        some = problem.rows(left)
        tried = some.classifier.bounds.clamp(points[left] + column(stride[left], way) * way[left])
        met = some.goal.reached(some.probe(tried, graph=False).logits)
        points = points.index_copy(0, left[met], tried[met])
        left, stride = left[~met], stride / 2
    return points
