"""SuperDeepFool."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from brittle.attacks.deepfool import DeepFool, DeepFoolState
from brittle.base.rows import Rows, column
from brittle.core.attack import Attack, at_least, fraction_below_one
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.maths import norms
from brittle.types import Images, Mask, PerImage


@dataclass(frozen=True)
class SuperDeepFoolState(Rows):
    """Where each image stands: with DeepFool on its way to the boundary, or just projected.

    Attributes:
        walk: DeepFool's state; its `x` are the points proposed next.
        landed: whether that point is a projection, (n,).
        rounds: projections made, (n,).
        walked: DeepFool's steps since the last of them, (n,).
        shortest: the smallest change with which DeepFool crossed the boundary; infinite before the first time, (n,).
        summed: the change of the last projection, 0 before the first, (n, c, h, w).
    """

    walk: DeepFoolState
    landed: Mask
    rounds: PerImage
    walked: PerImage
    shortest: PerImage
    summed: Images


@dataclass(frozen=True)
class SuperDeepFool(Attack):
    """DeepFool made to end at right angles to the boundary, and then brought back to it.

    Abdolahpourrostam, Abroshan, Moosavi-Dezfooli, NeurIPS 2024, algorithm 2 with m = inf and n = 1 (arXiv:2303.12481):
    DeepFool from x_i gives x~; with the normal w = grad Z_k(x~) - grad Z_l(x~) of the class k reached, x_{i+1} = x_0 +
    <x~ - x_0, w> / ||w||_2^2 w; until the projected point is itself adversarial. Then the best point is bisected on its
    line to the clean image.

    Deviations: on curved boundaries and in the box a projection may fall short for ever; so an image leaves as well
    once one has shortened the way to the boundary by next to nothing (`gain`). DeepFool's step within the box
    serves here too. The authors' code adds the projections up, which soon leads past the boundary; this follows the
    paper unless `add_up` says otherwise.

    Attributes:
        steps: most projections; 100 in the authors' code.
        walk: most steps of DeepFool before each of them; 100 in the authors' code.
        overshoot: DeepFool's; 0.02.
        candidates: DeepFool's: classes considered, the predicted one included; 10.
        search: halvings of the line, a forward pass each; 10 in the authors' code.
        gain: an image leaves where DeepFool's last crossing was not shorter by this fraction than the best one before;
            0 asks for any gain at all.
        add_up: add every projection to the one before, as the authors' code does, and have no image leave but by an
            adversarial projection.

    Example:
        >>> SuperDeepFool().search
        10
    """

    threats: ClassVar[tuple[str, ...]] = ("l2",)
    steps: int = 100
    walk: int = 100
    overshoot: float = 0.02
    candidates: int = 10
    search: int = 10
    gain: float = 0.01
    add_up: bool = False

    def __post_init__(self):
        at_least("steps", self.steps, 1)
        at_least("walk", self.walk, 1)
        at_least("search", self.search, 0)
        fraction_below_one("gain", self.gain)
        self._inner()

    def _inner(self) -> DeepFool:
        return DeepFool(steps=self.walk, overshoot=self.overshoot, candidates=self.candidates)

    def perturb(self, problem: Problem) -> None:
        """Walk and project until every image's projection is adversarial, then bisect."""
        self._walk(problem)
        found = torch.isfinite(problem.record.size[problem.ids]) & ~problem.record.spent(problem.ids)
        self._bisect(problem.rows(found.nonzero()[:, 0]))

    def _walk(self, problem: Problem) -> None:
        inner = self._inner()
        none = torch.zeros_like(problem.images[:, 0, 0, 0])
        walk, shortest = inner.start(problem), torch.full_like(none, torch.inf)
        trail = SuperDeepFoolState(walk, none.bool(), none, none, shortest, torch.zeros_like(problem.images))
        while len(problem):
            probe = problem.probe(trail.walk.x)
            keep = (~self._finished(problem, trail, probe)).nonzero()[:, 0]
            if len(keep) < len(problem):
                problem, trail, probe = problem.rows(keep), trail.rows(keep), probe.rows(keep)
            if len(problem):
                trail = self._step(inner, problem, trail, probe)
                problem.record.iterations[problem.ids] += 1

    def _finished(self, problem: Problem, trail: SuperDeepFoolState, probe: Probe) -> Mask:
        met = problem.goal.met(probe.logits)
        idle = problem.threat.size(problem.images, probe.points) > (1 - self.gain) * trail.shortest
        idle &= not self.add_up
        tired = torch.where(met, trail.landed | idle | (trail.rounds >= self.steps), trail.walked >= self.walk)
        return tired | problem.record.spent(problem.ids)

    def _step(self, inner: DeepFool, problem: Problem, trail: SuperDeepFoolState, probe: Probe) -> SuperDeepFoolState:
        """Project what has crossed the boundary, let the rest go on with DeepFool; one backward pass serves both."""
        crossed = problem.goal.met(probe.logits)
        normal, rise, walk = inner.nearest(problem, trail.walk, probe, crossed)
        onward, back, summed = (~crossed).nonzero()[:, 0], crossed.nonzero()[:, 0], trail.summed
        parts: list[tuple[Tensor, DeepFoolState]] = []
        if len(onward):
            part = inner.advanced(problem.rows(onward), walk.rows(onward), normal[onward], rise[onward])
            parts.append((onward, part))
        if len(back):
            before = summed[back] if self.add_up else torch.zeros_like(summed[back])
            x = _projected(problem.rows(back), probe.points[back], normal[back], before)
            summed = summed.index_copy(0, back, x - problem.images[back])
            total = (x - problem.images[back]) / (1 + self.overshoot)
            parts.append((back, replace(walk.rows(back), x=x, total=total)))
        walked = (trail.walked + 1).masked_fill(crossed, 0)
        size = problem.threat.size(problem.images, probe.points)
        shortest = torch.where(crossed, torch.minimum(trail.shortest, size), trail.shortest)
        return SuperDeepFoolState(_joined(parts), crossed, trail.rounds + crossed, walked, shortest, summed)

    def _bisect(self, problem: Problem) -> None:
        """Go to the boundary on the line from the clean image to the best point."""
        far = problem.record.best[problem.ids] - problem.images
        low = torch.zeros_like(problem.images[:, 0, 0, 0])
        high = torch.ones_like(low)
        for _ in range(self.search if len(problem) else 0):
            middle = (low + high) / 2
            met = problem.probe(problem.images + column(middle, far) * far, graph=False).met
            low, high = torch.where(met, low, middle), torch.where(met, middle, high)


def _projected(problem: Problem, points: Images, normal: Images, before: Images) -> Images:
    """Return the point nearest to the clean image on the boundary linearised where DeepFool crossed it, in the box.

    What was projected before is added to it.
    """
    normal = norms.steepest(normal, 2)
    along = ((points - problem.images) * normal).flatten(1).sum(1)
    return problem.classifier.bounds.clamp(problem.images + before + column(along, normal) * normal)


def _joined(parts: list[tuple[Tensor, DeepFoolState]]) -> DeepFoolState:
    """Put the parts of a walk back in the order of the images."""
    order = torch.cat([rows for rows, _ in parts]).argsort()
    pieces = [walk for _, walk in parts]
    return DeepFoolState(
        torch.cat([walk.x for walk in pieces])[order],
        torch.cat([walk.total for walk in pieces])[order],
        torch.cat([walk.candidates for walk in pieces])[order],
        torch.cat([walk.steepness for walk in pieces])[order],
    )
