"""Square, random search by squares, from scores alone."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from brittle.attacks.objective import objective
from brittle.base.rows import column
from brittle.core.attack import Attack, State, Stepwise, at_least, fraction_above_zero
from brittle.core.combinators import Restarts
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.maths import norms
from brittle.types import Images, PerImage

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""After which of SCHEDULE queries the fraction p is halved (the paper's code; AutoAttack's too)."""
SCHEDULE = 10_000
"""Queries that the halvings are given for."""
TILES = 5
"""So many tiles fit along the shorter side of the first point of the l2 attack (algorithm 3's initialisation)."""
SMALLEST = 3
"""The shortest side of a window of the l2 and l1 attacks."""


@dataclass(frozen=True)
class SquareState(State):
    """What is known of each image; `x` is the point proposed next.

    Attributes:
        best: the point with the largest loss so far.
        value: its loss, (n,).
        done: how many points have been judged.
    """

    best: Images
    value: PerImage
    done: int = 0


@dataclass(frozen=True)
class Square(Attack):
    """Random search that changes one square at a time, always at the edge of what is allowed; sees no gradients.

    Andriushchenko, Croce, Flammarion, Hein, ECCV 2020 (arXiv:1912.00049), algorithms 1 to 3, with the settings of
    AutoAttack. A proposal is kept if it has the larger loss: the margin, for targeted goals the cross-entropy. It costs
    one query. linf: starts with vertical stripes of +-eps; every proposal sets a square, in each channel, to the clean
    image + eps or - eps. l2: starts with a grid of pyramids; every proposal moves the mass of a random window, with
    what is left of eps, to another window, where a pyramid is added (equation 2). l1 (Croce & Hein, ICML 2021, by their
    code): the same with a sharper pyramid, and the change brought back to ball and box at once. The square covers the
    fraction p of the image, which is halved after 0.1, 0.5, 2, 5, 10, 20, 40, 60 and 80 percent of the queries.

    Deviations: in linf a draw that would change nothing is replaced by its opposite (the paper's code draws again,
    AutoAttack spends the query); AutoAttack never places a square at the last row and column, the paper and we do; in
    l2 the mass is counted channel by channel, as in the paper (AutoAttack counts that of all channels for each).

    Attributes:
        queries: points looked at in each run, the start included; 5000 in AutoAttack, 10,000 in the paper.
        fraction: the first p; 0.8 in AutoAttack, 0.05 (linf) and 0.1 (l2) in the paper for ImageNet.
        restarts: how many runs.
        rescaled: fit the halvings to the number of queries, as in the paper; otherwise they come as with 10,000 of
            them, as in AutoAttack.

    Example:
        >>> Square(queries=1000).fraction
        0.8
    """

    threats: ClassVar[tuple[str, ...]] = ("l1", "l2", "linf")
    needs_radius: ClassVar[bool] = True
    gradients: ClassVar[bool] = False
    queries: int = 5000
    fraction: float = 0.8
    restarts: int = 1
    rescaled: bool = True

    def __post_init__(self):
        at_least("queries", self.queries, 1)
        at_least("restarts", self.restarts, 1)
        fraction_above_zero("fraction", self.fraction)

    def perturb(self, problem: Problem) -> None:
        """Make the runs, each on the images that the earlier ones left."""
        Restarts(_Run(self), self.restarts).perturb(problem)


@dataclass(frozen=True)
class _Run(Stepwise[SquareState]):
    """One run."""

    gradients: ClassVar[bool] = False
    settings: Square

    def length(self, problem: Problem) -> int:
        """The queries after the first."""
        return self.settings.queries - 1

    def start(self, problem: Problem) -> SquareState:
        """Propose stripes or pyramids."""
        first = _stripes(problem) if _by_entries(problem) else _pyramids(problem)
        return SquareState(first, first, torch.full_like(problem.clean[:, 0], -torch.inf))

    def step(self, problem: Problem, state: SquareState, probe: Probe) -> SquareState:
        """Keep the better point, and change a square of it."""
        loss = objective(problem, "cross_entropy" if problem.goal.targeted else "margin")
        value = loss(probe.logits)
        better = value > state.value
        best = torch.where(column(better, state.best), probe.points, state.best)
        state = replace(state, best=best, value=torch.where(better, value, state.value), done=state.done + 1)
        settings = self.settings
        fraction = shrunk(settings.fraction, state.done - 1, settings.queries if settings.rescaled else SCHEDULE)
        side = math.sqrt(fraction * problem.images[0, 0].numel())
        return replace(
            state, x=_recoloured(problem, best, side) if _by_entries(problem) else _moved(problem, best, side)
        )


def shrunk(fraction: float, step: int, steps: int) -> float:
    """Return the fraction p of the image that a square covers at a step (section 4.1).

    Example:
        >>> [shrunk(0.8, step, 10_000) for step in (0, 10, 11, 51, 8001)]
        [0.8, 0.8, 0.4, 0.2, 0.0015625]
    """
    done = int(step / steps * SCHEDULE)
    return fraction * 0.5 ** sum(done > mark for mark in HALVINGS)


def _by_entries(problem: Problem) -> bool:
    return problem.lp.p == math.inf


def _stripes(problem: Problem) -> Images:
    """Add or subtract the radius column by column, in each channel."""
    channels, _, width = problem.images.shape[1:]
    signs = problem.streams.signs(problem.ids, (channels, 1, width))
    return problem.images + column(problem.threat.radius, signs) * signs


def _recoloured(problem: Problem, best: Images, side: float) -> Images:
    """Set a square to the clean image plus or minus the radius (algorithm 2)."""
    images = problem.images
    channels, height, width = images.shape[1:]
    side = min(max(round(side), 1), height, width)
    draw = problem.streams.uniform(problem.ids, (2 + channels,))
    cells = _window(draw[:, 0], draw[:, 1], side, (height, width))[:, None].expand(-1, channels, -1)
    clean, now = (tensor.flatten(2).gather(2, cells)[..., None] for tensor in (images, best))
    signs = (draw[:, 2:, None, None] < 0.5).to(images.dtype) * 2 - 1
    change, bounds = column(problem.threat.radius, clean) * signs, problem.classifier.bounds
    proposed = bounds.clamp(clean + change)
    idle = column((proposed == now).flatten(1).all(1), clean)
    proposed = torch.where(idle, bounds.clamp(clean - change), proposed)
    return best.flatten(2).scatter(2, cells, proposed[..., 0]).reshape(images.shape)


def _corner(draw: PerImage, side: int, length: int) -> Tensor:
    """Choose where a window starts, all places equally likely."""
    places = length - side + 1
    return (draw * places).long().clamp_max(places - 1)  # the product may round up to `places`


def _pyramids(problem: Problem) -> Images:
    """Fill the image with a grid of pyramids, of random signs and turned at random, and bring it to the radius."""
    images = problem.images
    count, channels, height, width = images.shape
    side = max(min(height, width) // TILES, 1)
    rows, columns = height // side, width // side
    upright = problem.streams.uniform(problem.ids, (1, rows, columns)) < 0.5
    signs = problem.streams.signs(problem.ids, (channels, rows, columns))
    shape = bump(side, problem.lp.p).to(images)
    tiles = signs[..., None, None] * torch.where(upright[..., None, None], shape, shape.T)
    grid = tiles.transpose(3, 4).reshape(count, channels, rows * side, columns * side)
    change = torch.zeros_like(images)
    top, left = (height - rows * side) // 2, (width - columns * side) // 2
    change[:, :, top : top + rows * side, left : left + columns * side] = grid
    return _allowed(problem, change * problem.classifier.bounds.span)


def _allowed(problem: Problem, change: Images) -> Images:
    """Scale a change to the radius; in l1 take the nearest one within ball and box."""
    images, bounds = problem.images, problem.classifier.bounds
    if problem.lp.p == 1:
        radius = torch.as_tensor(problem.threat.radius, dtype=images.dtype, device=images.device)
        return images + norms.project_l1_in_box(change, radius, bounds.lower - images, bounds.upper - images)
    length = norms.size(change, 2).clamp_min(torch.finfo(change.dtype).tiny)
    return images + change * column(problem.threat.radius / length, change)


def _moved(problem: Problem, best: Images, side: float) -> Images:
    """Move the mass of one window to another, with a pyramid on top (algorithm 3)."""
    images, p = problem.images, problem.lp.p
    channels, height, width = images.shape[1:]
    side = max(round(side), SMALLEST)
    side = min(side + (side % 2 == 0), height, width)
    draw = problem.streams.uniform(problem.ids, (5 + channels,))
    change = (best - images).flatten(2)
    to, source = (_window(draw[:, i], draw[:, i + 1], side, (height, width)) for i in (0, 2))
    to, source = (cells[:, None].expand(-1, channels, -1) for cells in (to, source))
    emptied = change.scatter(2, source, 0.0).scatter(2, to, 0.0)
    unused = (column(problem.threat.radius, change) ** p - _mass(change, p).sum(1, keepdim=True)).clamp_min(0)
    available = (_mass(change, p) - _mass(emptied, p)).clamp_min(0) + unused / channels
    available = available * channels if p == 1 else available  # the projection takes away what is too much
    shape = bump(side, p, images.dtype, images.device)
    pyramid = torch.where(column(draw[:, 4] < 0.5, images)[:, 0], shape, shape.T).flatten(1)[:, None]
    signs = (draw[:, 5:, None] < 0.5).to(images.dtype) * 2 - 1
    mixed = signs * pyramid + _unit(change.gather(2, to), p)
    moved = emptied.scatter(2, to, _unit(mixed, p) * available ** (1 / p))
    return _allowed(problem, moved.reshape(images.shape))


def _window(down: PerImage, across: PerImage, side: int, shape: tuple[int, int]) -> Tensor:
    """Return the cells of a window in the flattened image, (n, side * side)."""
    ahead = torch.arange(side, device=down.device)
    rows, columns = (
        _corner(draw, side, length)[:, None] + ahead for draw, length in zip((down, across), shape, strict=True)
    )
    return (rows[:, :, None] * shape[1] + columns[:, None, :]).flatten(1)


def _mass(change: Tensor, p: float) -> Tensor:
    """Sum |.|^p over the pixels of each channel, (n, channels, 1)."""
    return (change.abs() ** p).sum(2, keepdim=True)


def _unit(change: Tensor, p: float) -> Tensor:
    return change / (_mass(change, p) ** (1 / p)).clamp_min(torch.finfo(change.dtype).tiny)


@lru_cache(maxsize=256)
def bump(side: int, p: float = 2.0, dtype: torch.dtype = torch.float64, device: torch.device | None = None) -> Tensor:
    """Return the two pyramids of opposite signs that make up a window, of length 1 in the p-norm (equation 2).

    The upper half is positive, the lower one negative; each falls from its middle as the sum of 1 / k^2 (in l1 1 / k^4)
    over the nested rectangles that a pixel lies in.

    Example:
        >>> bump(5).shape, round(float(bump(5).norm()), 6)
        (torch.Size([5, 5]), 1.0)
    """
    upper = side // 2
    both = torch.cat([_pyramid(upper, side, p), -_pyramid(side - upper, side, p)])
    return (both / both.norm(p)).to(device, dtype)


def _pyramid(height: int, width: int, p: float) -> Tensor:
    """Sum 1 / (M + 1 - k)^2 over the rectangles k = 1..M around the middle; the fourth power in l1.

    M = floor(height or width / 2) + 1.
    """
    levels = max(height, width) // 2 + 1
    rows, columns = (torch.arange(length, dtype=torch.float64) for length in (height, width))
    away = torch.maximum((rows - height // 2).abs()[:, None], (columns - width // 2).abs())
    total = torch.stack([(away <= k) / (k + 1.0) ** (4 if p == 1 else 2) for k in range(levels)]).sum(0)
    return total / total.norm(p).clamp_min(torch.finfo(torch.float64).tiny)
