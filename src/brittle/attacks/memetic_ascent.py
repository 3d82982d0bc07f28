"""Memetic ascent: brittle's own search within a radius, for images that every climb from near the image leaves."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from brittle.base.rows import column
from brittle.core.attack import Attack, at_least, fraction_above_zero, fraction_below_one
from brittle.core.combinators import survivors
from brittle.core.polish import may_be_polished, polish_from
from brittle.core.problem import Problem
from brittle.types import Images

FIRST = 5
"""Climbs from random points, in units of the population."""
COARSE = 7
"""Patches along each side of an image that a child takes from one parent or the other."""
WIDEST, FALL, LAST = 1.0, 1.5, 1 / 300
"""Stride of a first climb in units of the radius, the power by which a climb's stride falls, and what is left of it."""
SAME = 0.05
"""Two changes that differ by less, in l1 and in units of one of them, count as one."""
ENTRIES, PROGRAMMES, ROWS = 4096, 30, 16
"""Of `Polish`, with fewer rows, as there are more points."""
MOMENTUM = 0.75
"""Of the step, APGD's (Croce & Hein, ICML 2020)."""


@dataclass(frozen=True)
class MemeticAscent(Attack):
    """A population of climbs within a radius, whose best points are mixed, changed a little and climb again.

    Brittle's own; a memetic algorithm (Moscato, Caltech report 826, 1989), that is an evolution whose individuals
    improve by local search. On robust networks a climb ends on one of many maxima of the margin, and the best of even
    hundreds of them may be a per cent of the radius short of the boundary. So the first climbs begin at random points
    of the ball. Then, generation after generation, a child takes patches from two of the best points, a few of its
    entries are drawn afresh, and it climbs with shorter strides; the best of parents and children remain, as far as
    they differ. A climb is projected ascent on the margin with momentum, and with a stride that falls to nearly
    nothing.

    An image leaves as soon as it is broken. One that is not costs (5 + generations) * population * steps backward
    passes: 7,380 by default. Many generations of few are better than few of many. It is meant for what cheaper attacks
    leave, in a cascade after them.

    On networks of ReLUs the best points that are left at the end may be `polished` one after the other, as `Polish`
    does with the best one alone: climbs end on many maxima of nearly the same height, and programmes lead from some of
    them across the boundary and from others not. Each costs about a thousand passes for an image of 784 values.

    Related: GenAttack (Alzantot et al., GECCO 2019) breeds without gradients and without climbs.

    Attributes:
        population: points that are kept, and children of a generation.
        generations: how often they have children.
        steps: of each climb.
        fresh: fraction of a child's entries that are drawn afresh.
        stride: first stride of a child's climb, in units of the radius.
        polished: most points that are polished at the end; none by default.

    Example:
        >>> MemeticAscent(generations=5).population
        6
    """

    threats: ClassVar[tuple[str, ...]] = ("l1", "l2", "linf")
    needs_radius: ClassVar[bool] = True
    population: int = 6
    generations: int = 36
    steps: int = 30
    fresh: float = 0.08
    stride: float = 0.2
    polished: int = 0

    def __post_init__(self):
        for name, value, least in (
            ("population", self.population, 2),
            ("generations", self.generations, 0),
            ("steps", self.steps, 1),
            ("polished", self.polished, 0),
        ):
            at_least(name, value, least)
        fraction_below_one("fresh", self.fresh)
        fraction_above_zero("stride", self.stride)

    def perturb(self, problem: Problem) -> None:
        """Let as many images evolve at once as fit into a forward pass."""
        together = max(1, problem.max_points // self.population)
        for part in torch.arange(len(problem), device=problem.ids.device).split(together):
            self._evolve(problem.rows(part))

    def _evolve(self, problem: Problem) -> None:
        """Climb from random points, then breed."""
        points = problem.images[:, None][:, :0]
        margin = points.flatten(1)
        for number in range(FIRST + self.generations):
            left = survivors(problem)
            if not len(left):
                return
            if len(left) < len(problem):
                here = torch.isin(problem.ids, left.ids)
                problem, margin, points = left, margin[here], points[here]
            if number < FIRST:
                found = self._climbed(problem, self._drawn(problem), WIDEST)
            else:
                found = self._climbed(problem, self._children(problem, points), self.stride)
            margin, points = torch.cat([margin, found[0]], 1), torch.cat([points, found[1]], 1)
            chosen = self._chosen(problem, margin, points)
            margin, points = margin.gather(1, chosen), _picked(points, chosen)
        if self.polished and may_be_polished(problem, ENTRIES):
            self._polish(problem, points)

    def _polish(self, problem: Problem, points: Tensor) -> None:
        """Polish the best points of each image that is left, until it is broken."""
        for place in range(len(problem)):
            one = problem.rows(torch.tensor([place], device=problem.ids.device))
            for point in points[place, : self.polished]:
                if not bool(one.solved):
                    polish_from(one, point[None], PROGRAMMES, ROWS)

    def _chosen(self, problem: Problem, margin: Tensor, points: Tensor) -> Tensor:
        """Return the best points that differ from every better one, (n, population); then what is left, best first."""
        order = margin.argsort(dim=1, descending=True, stable=True)
        changes = (_picked(points, order) - problem.images[:, None]).flatten(2)
        apart = torch.cdist(changes, changes, p=1)
        near = apart < SAME * changes.abs().sum(2)[:, :, None]
        double = torch.zeros_like(near[:, 0])
        for place in range(1, near.shape[1]):  # only what is kept itself rules out others
            double[:, place] = (near[:, place, :place] & ~double[:, :place]).any(1)
        return order.gather(1, double.to(torch.int64).argsort(dim=1, stable=True))[:, : self.population]

    def _drawn(self, problem: Problem) -> Tensor:
        """Draw points of the ball, (n, population, c, h, w)."""
        bounds = problem.classifier.bounds
        draws = [
            problem.threat.draw(problem.images, problem.streams, problem.ids, bounds) for _ in range(self.population)
        ]
        return bounds.clamp(torch.stack(draws, 1))

    def _children(self, problem: Problem, parents: Tensor) -> Tensor:
        """Mix two parents for each child, patch by patch, and draw a few entries afresh."""
        streams, ids, (channels, height, width) = problem.streams, problem.ids, parents.shape[2:]
        pairs = (streams.uniform(ids, (2, self.population)) * self.population).long()
        one, other = (_picked(parents, pairs[:, which]) for which in range(2))
        patches = functional.interpolate(streams.uniform(ids, (self.population, COARSE, COARSE)), (height, width))
        mixed = torch.where(patches[:, :, None] < 0.5, one, other)
        anew = streams.uniform(ids, (self.population, channels, height, width)) < self.fresh
        return torch.where(anew, self._drawn(problem), mixed)

    def _climbed(self, problem: Problem, begun: Tensor, first: float) -> tuple[Tensor, Tensor]:
        """Climb from every point until its image is broken.

        Returns:
            The largest margins on the ways, (n, population), and where they were.
        """
        n, population = begun.shape[:2]
        best = begun.new_full((n, population), -torch.inf)
        x, where, before = begun, begun.clone(), begun.clone()
        left = torch.arange(n, device=begun.device)
        for step in range(self.steps):
            owners = left.repeat_interleave(population)
            climbers, here = problem.rows(owners), x[left].flatten(0, 1)
            probe = climbers.unrecorded(here)
            margin = climbers.goal.margin(probe.logits).reshape(-1, population)
            higher = margin > best[left]
            best[left] = torch.where(higher, margin, best[left])
            where[left] = torch.where(higher[:, :, None, None, None], x[left], where[left])
            met = climbers.goal.met(probe.logits)
            if bool(met.any()):
                problem.probe(here[met], of=owners[met], graph=False)
                going = ~met.reshape(-1, population).any(1)
                left, rows = left[going], going.repeat_interleave(population).nonzero()[:, 0]
                if not len(left):
                    break
                climbers, here, probe = climbers.rows(rows), here[rows], probe.rows(rows)
            fraction = first * ((1 - step / self.steps) ** FALL + LAST)
            steepest = climbers.threat.steepest(probe.gradient(climbers.goal.margin))
            moved = self._within(climbers, here + self._reach(climbers, here, fraction) * steepest)
            ahead = MOMENTUM * (moved - here) + (1 - MOMENTUM) * (here - before[left].flatten(0, 1))
            before[left] = x[left]
            x[left] = self._within(climbers, here + ahead).unflatten(0, (-1, population))
        if len(left):
            some = problem.rows(left)
            some.probe(_picked(where[left], best[left].argmax(1, keepdim=True))[:, 0], graph=False)
        return best, where

    def _reach(self, problem: Problem, points: Images, fraction: float) -> Tensor:
        """Return how far a step goes, like the points to be multiplied with."""
        radius = torch.as_tensor(problem.threat.radius, dtype=points.dtype, device=points.device)
        return column(fraction * radius, points)

    def _within(self, problem: Problem, points: Images) -> Images:
        """Project on the ball, then on the box."""
        return problem.classifier.bounds.clamp(problem.threat.project(problem.images, points))


def _picked(points: Tensor, which: Tensor) -> Tensor:
    """Return one point for each number, (n, p, c, h, w)."""
    return points.gather(1, which.reshape(*which.shape, 1, 1, 1).expand(-1, -1, *points.shape[2:]))
