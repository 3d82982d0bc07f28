"""The boundary attack, a random walk along the decision boundary, from class numbers alone."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from brittle.attacks.starting import reached
from brittle.base.rows import Rows, column
from brittle.core.attack import Attack, at_least
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.maths import norms
from brittle.types import Images, PerImage

EVERY = 10
"""At every so many steps the point on the sphere is asked about as well, so that both fractions are known."""
SPHERE, SOURCE = 100, 30
"""After so many answers about the sphere, and about the point nearer to the source, a step size is adapted."""
CONVERGED = 1e-7
"""The step towards the source below which an image is done."""


@dataclass(frozen=True)
class BoundaryState(Rows):
    """Where each image stands.

    Attributes:
        points: a point that meets the goal.
        sphere, source: the two step sizes, (n,).
        asked, met: how often the sphere was asked about since it was adapted, and met the goal, (n,).
        tried, took: the same for the step towards the source, (n,).
    """

    points: Images
    sphere: PerImage
    source: PerImage
    asked: PerImage
    met: PerImage
    tried: PerImage
    took: PerImage


@dataclass(frozen=True)
class Boundary(Attack):
    """The smallest change by a random walk along the boundary, each step a little nearer; needs only the class.

    Brendel, Rauber, Bethge, ICLR 2018 (arXiv:1712.04248), section 2. From a random image of another class, a step goes
    in a random direction, on the sphere around the clean image through the point, delta times the distance far, then
    towards the clean image by epsilon times the distance; it is taken if the goal is met there. Where more than half of
    the points on the sphere meet it, delta grows by the factor `adaptation`, where less than a fifth it shrinks; where
    more than a quarter of the steps are taken epsilon grows, where less than a tenth it shrinks (Foolbox's constants).

    Deviation: the first point as in `HopSkipJump`.

    Attributes:
        steps: most steps; 25,000 in Foolbox. Each costs a query, every tenth two.
        delta: the first step on the sphere, as a fraction of the distance; 0.01 in Foolbox.
        epsilon: the first step towards the clean image, as a fraction of the distance; 0.01 in Foolbox.
        adaptation: 1.5 in Foolbox.
        starts: most random images for the first point.

    Example:
        >>> Boundary(steps=1000).delta
        0.01
    """

    threats: ClassVar[tuple[str, ...]] = ("l2",)
    gradients: ClassVar[bool] = False
    goes_by = "decisions"
    steps: int = 25_000
    delta: float = 0.01
    epsilon: float = 0.01
    adaptation: float = 1.5
    starts: int = 100

    def __post_init__(self):
        at_least("steps", self.steps, 0)
        at_least("starts", self.starts, 1)
        for name, value in (("delta", self.delta), ("epsilon", self.epsilon)):
            if not 0 < value < 1:
                raise InputError(f"{name} is {value}; expected a fraction of the distance, above 0 and below 1")
        if not self.adaptation > 1:
            raise InputError(f"adaptation is {self.adaptation}; expected a factor above 1")

    def perturb(self, problem: Problem) -> None:
        """Walk for each image from its own first point."""
        first = reached(problem, self.starts)
        problem, none = first.problem, torch.zeros_like(first.problem.clean[:, 0])
        walk = BoundaryState(first.points, none + self.delta, none + self.epsilon, none, none, none, none)
        for step in range(self.steps):
            keep = ((walk.source > CONVERGED) & ~problem.record.spent(problem.ids)).nonzero()[:, 0]
            if not len(keep):
                return
            if len(keep) < len(problem):
                problem, walk = problem.rows(keep), walk.rows(keep)
            walk = self._stepped(problem, walk, look=step % EVERY == 0)
            problem.record.iterations[problem.ids] += 1

    def _stepped(self, problem: Problem, walk: BoundaryState, *, look: bool) -> BoundaryState:
        aside, nearer = candidates(problem, walk)
        if look:
            met = problem.goal.reached(problem.judge(aside))  # no nearer than what is known: not for the record
            walk = replace(walk, asked=walk.asked + 1, met=walk.met + met)
        taken = problem.goal.reached(problem.probe(nearer, graph=False).logits)
        points = torch.where(column(taken, nearer), nearer, walk.points)
        if look:
            walk = replace(walk, tried=walk.tried + 1, took=walk.took + taken)
        return self._adapted(replace(walk, points=points))

    def _adapted(self, walk: BoundaryState) -> BoundaryState:
        """Change the step sizes of which enough is known."""
        sphere, asked, met = self._changed(walk.sphere, walk.asked, walk.met, SPHERE, (0.2, 0.5))
        source, tried, took = self._changed(walk.source, walk.tried, walk.took, SOURCE, (0.1, 0.25))
        return replace(walk, sphere=sphere, asked=asked, met=met, source=source, tried=tried, took=took)

    def _changed(
        self, size: PerImage, asked: PerImage, met: PerImage, enough: int, fractions: tuple[float, float]
    ) -> tuple[PerImage, PerImage, PerImage]:
        known = asked >= enough
        larger, smaller = known & (met > fractions[1] * asked), known & (met < fractions[0] * asked)
        size = torch.where(larger, size * self.adaptation, torch.where(smaller, size / self.adaptation, size))
        return size, asked.where(~known, 0), met.where(~known, 0)


def candidates(problem: Problem, walk: BoundaryState) -> tuple[Images, Images]:
    """Propose a point on the sphere around the clean image, and one nearer to it.

    Returns:
        Both points, within the bounds.
    """
    images, bounds = problem.images, problem.classifier.bounds
    back = images - walk.points
    distance = norms.size(back, 2)
    unit = back / column(distance.clamp_min(torch.finfo(distance.dtype).tiny), back)
    drawn = problem.streams.normal(problem.ids, tuple(images.shape[1:]))
    drawn = drawn - column((drawn * unit).flatten(1).sum(1), drawn) * unit
    drawn = drawn * column(walk.sphere * distance / norms.size(drawn, 2), drawn)
    around = images - (back - drawn) * column((1 + walk.sphere**2).rsqrt(), back)
    aside = bounds.clamp(around)
    away = aside - images
    length = norms.size(away, 2)
    wanted = (1 - walk.source) * distance
    nearer = bounds.clamp(images + away * column(wanted / length.clamp_min(torch.finfo(length.dtype).tiny), away))
    return aside, nearer
