"""Directions for images that have none."""

from torch import Tensor

from brittle.core.problem import Problem
from brittle.maths import norms


def random_where_zero(problem: Problem, direction: Tensor) -> Tensor:
    """Give images whose direction is 0 everywhere a random one of 2-norm 1."""
    lost = (direction == 0).flatten(1).all(1).nonzero()[:, 0]
    if len(lost):
        noise = problem.streams.normal(problem.ids[lost], tuple(direction.shape[1:])).to(direction.dtype)
        direction = direction.index_copy(0, lost, norms.steepest(noise, 2))
    return direction
