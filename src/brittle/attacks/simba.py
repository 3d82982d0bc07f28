"""SimBA, one direction of a basis after the other, from scores alone."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from brittle.attacks.objective import objective
from brittle.base.rows import Rows
from brittle.core.attack import Attack, at_least
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.types import Images, PerImage


@dataclass(frozen=True)
class SimBAState(Rows):
    """What is known of each image.

    Attributes:
        points: the point with the largest loss so far.
        value: its loss, (n,).
        order: in which order the directions are tried, (n, directions).
    """

    points: Images
    value: PerImage
    order: Tensor


@dataclass(frozen=True)
class SimBA(Attack):
    """Adds or takes away one direction of an orthonormal basis at a time, if that makes the label less likely.

    Guo, Gardner, You, Wilson, Weinberger, ICML 2019 (arXiv:1905.07121), algorithm 1. The directions are drawn without
    replacement: single channel values, or the cosines of low frequency of one channel. Each costs one query, and one
    more where adding it does not help. After T steps the change is at most epsilon sqrt(T) long (section 3.3).

    Deviations: probabilities are compared by their logarithms, the same order without the plateau where they round to
    1; values are clamped to the bounds; within a radius the points are projected on the ball.

    The probability compared is that of a softmax, as published, and depends on the scale of the logits.

    Attributes:
        epsilon: how far to go along a direction, as a fraction of the bounds' span; 0.2 in the paper.
        basis: pixel or cosine, the paper's SimBA and SimBA-DCT.
        frequencies: of the cosines, the lowest fraction of each side's; 1 / 8 in the paper (28 of 224).
        steps: most directions; no more than the basis has. 10,000 in the paper.

    Example:
        >>> SimBA(basis="cosine").frequencies
        0.125
    """

    threats: ClassVar[tuple[str, ...]] = ("l2",)
    fits_radius: ClassVar[bool] = True
    gradients: ClassVar[bool] = False
    epsilon: float = 0.2
    basis: Literal["pixel", "cosine"] = "pixel"
    frequencies: float = 1 / 8
    steps: int = 10_000

    def __post_init__(self):
        at_least("steps", self.steps, 1)
        if not self.epsilon > 0:
            raise InputError(f"epsilon is {self.epsilon}; expected a step above 0, as a fraction of the bounds' span")
        if self.basis not in ("pixel", "cosine"):
            raise InputError(f"basis is {self.basis!r}; expected pixel or cosine")
        if not 0 < self.frequencies <= 1:
            raise InputError(f"frequencies is {self.frequencies}; expected a fraction of each side, above 0, at most 1")

    def perturb(self, problem: Problem) -> None:
        """Try the directions, each image in its own order."""
        shape = self._shape(problem)
        order = problem.streams.uniform(problem.ids, (shape.numel(),)).argsort(1)[:, : self.steps]
        state = SimBAState(problem.images, _loss(problem, problem.clean), order)
        for step in range(order.shape[1]):
            keep = (~(problem.solved | problem.record.spent(problem.ids))).nonzero()[:, 0]
            if not len(keep):
                return
            if len(keep) < len(problem):
                problem, state = problem.rows(keep), state.rows(keep)
            way = directions(problem.images, shape, state.order[:, step], self.basis)
            way = way * (self.epsilon * problem.classifier.bounds.span)
            state, rose = _tried(problem, state, way, torch.ones_like(state.value, dtype=torch.bool))
            state, _ = _tried(problem, state, -way, ~(rose | problem.solved | problem.record.spent(problem.ids)))
            problem.record.iterations[problem.ids] += 1

    def _shape(self, problem: Problem) -> torch.Size:
        """Return how many directions there are: for each channel, along the height, along the width."""
        channels, *sides = problem.images.shape[1:]
        if self.basis == "pixel":
            return torch.Size((channels, *sides))
        return torch.Size((channels, *(max(1, int(side * self.frequencies)) for side in sides)))


def _loss(problem: Problem, logits: Tensor) -> PerImage:
    return objective(problem, "cross_entropy")(logits)


def _tried(problem: Problem, state: SimBAState, way: Images, which: Tensor) -> tuple[SimBAState, Tensor]:
    """Go along a direction from some of the points, and stay where the loss is larger; also say for which it is."""
    rows = which.nonzero()[:, 0]
    rose = torch.zeros_like(which)
    if not len(rows):
        return state, rose
    some = problem.rows(rows)
    probe = some.probe(some.threat.project(some.images, state.points[rows] + way[rows]), graph=False)
    value = _loss(some, probe.logits)
    moved = (probe.points != state.points[rows]).flatten(1).any(1)  # at the edge of the box a step may lead nowhere
    won = moved & (value > state.value[rows])
    better = rows[won]
    points = state.points.index_copy(0, better, probe.points[won])
    values = state.value.index_copy(0, better, value[won])
    return replace(state, points=points, value=values), rose.index_fill(0, better, True)


def directions(images: Images, shape: torch.Size, which: Tensor, basis: str) -> Images:
    """Return one direction of the basis for each image, of 2-norm 1.

    Args:
        images: (n, c, h, w).
        shape: of the basis: channels, and how many along the height and the width.
        which: number of the direction, (n,).
        basis: pixel or cosine.
    """
    channel, down, across = (which // (shape[1] * shape[2]), which // shape[2] % shape[1], which % shape[2])
    channels, height, width = images.shape[1:]
    along = _waves if basis == "cosine" else _units
    plane = along(down, height)[:, None, :, None] * along(across, width)[:, None, None, :]
    return (plane * _units(channel, channels)[:, :, None, None]).to(images.dtype)


def _units(which: Tensor, length: int) -> Tensor:
    return torch.nn.functional.one_hot(which, length)


def _waves(which: Tensor, length: int) -> Tensor:
    """Return the cosines of the orthonormal DCT-II, (n, length): sqrt(2 / L) cos(pi (i + 1/2) k / L)."""
    places = torch.arange(length, dtype=torch.float64, device=which.device) + 0.5
    waves = torch.cos(torch.pi * places * which[:, None] / length) * (2 / length) ** 0.5
    return torch.where(which[:, None] == 0, waves / 2**0.5, waves)
