"""A network around one point: a linear function, and the units that bend it on the way to other points."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from brittle.classifiers.bends import Bends
from brittle.classifiers.slopes import slope_of
from brittle.core.graph import Graph
from brittle.core.nonfinite import filled
from brittle.core.problem import Problem
from brittle.maths.concave_programme import Concave, Vector
from brittle.maths.losses import others
from brittle.types import Images

CLOSE = 1e-5
"""How near to its bend a unit counts as there, in units of the bounds' span and of its gradient in l1."""


@dataclass(frozen=True)
class Sight:
    """What a network says of one point of one image, with the units that bend it.

    Attributes:
        problem: of the image alone.
        point: (1, c, h, w).
        graph: the forward pass.
        bends: the units, as they are at the point.
    """

    problem: Problem
    point: Images
    graph: Graph
    bends: Bends

    @property
    def margin(self) -> float:
        """By how much the goal is met."""
        return float(self.problem.goal.margin(self.graph.logits)) - self.problem.goal.confidence

    @property
    def size(self) -> float:
        """Of the change that leads to the point."""
        return float(self.problem.threat.size(self.problem.images, self.point))

    def region(self) -> "Region":
        """Differentiate; one backward pass, which the graph serves once."""
        goal, logits = self.problem.goal, self.problem.goal.distinct(self.graph.logits)
        label, other = int(goal.labels), int(others(logits, goal.labels).argmax())
        onto, off = (label, other) if goal.targeted else (other, label)
        with torch.enable_grad():
            height = self.graph.summed(lambda said: said[:, onto] - said[:, off], None).sum()
        gradient, worth = self.bends.slopes(height, self.graph.leaf)
        self.problem.record.count(self.problem.ids, backward=1)
        gradient = filled(self.problem.record, self.problem.ids, gradient, self.graph.unusable)
        patterns = [one.detach() for one in self.bends.patterns()]
        slack = _vector(self.bends.slack(patterns))
        lead = float(height.detach()) - self.problem.goal.confidence
        return Region(self, lead, _vector(gradient), patterns, slack, (-_vector(worth)).clip(min=0))


def sight_of(problem: Problem, points: Images) -> Sight | None:
    """Ask the network about points of one image; None where nothing is seen to bend, or the budget is spent."""
    with Bends() as bends:
        graph = problem.look(points)
    fits = bends.fits(len(points)) and graph.outputs.ndim == 2 and graph.outputs.requires_grad
    return Sight(problem, points, graph, bends) if fits else None


@dataclass(frozen=True)
class Region:
    """The linear function that a network is around a point, and what its bends take away from it farther off.

    Attributes:
        sight: of the point.
        height: how far the class that is aimed at lies above the one to leave, at the point, in logits.
        gradient: of the height, (v,).
        patterns: which side of its bend each unit is on.
        slack: how far each is from its bend, (all,).
        costs: what the height loses for each unit beyond a bend, (all,); 0 where it wins.
        rows: gradients of the slack of some units, by the number of the unit; learnt when they are needed.
    """

    sight: Sight
    height: float
    gradient: Vector
    patterns: list[Tensor]
    slack: Vector
    costs: Vector
    rows: dict[int, Vector] = field(default_factory=dict)

    @property
    def change(self) -> Vector:
        """What leads from the clean image to the point, (v,)."""
        return _vector(self.sight.point - self.sight.problem.images)

    def concave(self) -> Concave:
        """Return the height as a function of the change, as far as the gradients of its bends are known."""
        units = list(self.rows)
        rows = np.stack(list(self.rows.values())) if units else np.zeros((0, len(self.gradient)))
        slack = self.slack[units].clip(min=0)
        return Concave(self.change, self.height, self.gradient, rows, slack, self.costs[units])

    def crossed(self, other: Sight) -> list[int]:
        """Return the units without known gradients whose bends another point is beyond, the costliest first."""
        loss = (-_vector(other.bends.slack(self.patterns))).clip(min=0) * self.costs
        loss[list(self.rows)] = 0
        units = loss.nonzero()[0]
        return units[np.argsort(-loss[units], kind="stable")].tolist()

    def tight(self, change: Vector) -> list[int]:
        """Return the units of known gradients whose bends a change leads to or beyond."""
        moved = change - self.change
        close = CLOSE * self.sight.problem.classifier.bounds.span
        return [unit for unit, row in self.rows.items() if self.slack[unit] + row @ moved <= close * np.abs(row).sum()]

    def learn(self, units: list[int]) -> bool:
        """Differentiate the slack of units, a forward and a backward pass for each; say whether that could be done."""
        problem, point = self.sight.problem, self.sight.point
        for first in range(0, len(units), problem.max_points):
            some = torch.tensor(units[first : first + problem.max_points], device=point.device)
            seen = sight_of(problem.rows(torch.zeros_like(some)), point.repeat(len(some), 1, 1, 1))
            if seen is None:
                return False
            with torch.enable_grad():
                total = seen.bends.slack(self.patterns).gather(1, some[:, None]).sum()
            gradients, _ = slope_of(total, seen.graph.leaf, problem.classifier.module, keep=False)
            if gradients is None:
                return False
            problem.record.count(seen.problem.ids, backward=1)
            gradients = filled(problem.record, seen.problem.ids, gradients, seen.graph.unusable)
            self.rows.update(zip(some.tolist(), map(_vector, gradients), strict=True))
        return True


def _vector(values: Tensor) -> Vector:
    """Return values as a programme takes them; 0 for what is not finite."""
    return values.detach().flatten().double().nan_to_num(0.0, 0.0, 0.0).cpu().numpy()  # numpy has no bfloat16
