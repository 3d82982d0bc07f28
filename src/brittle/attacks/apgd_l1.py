"""The l1 version of APGD: sparse steps whose number of entries follows that of the best change."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from brittle.attacks.objective import AscentState, Loss, TargetClass, objective, targeted_loss
from brittle.base.rows import column
from brittle.core.attack import Stepwise
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.maths import norms
from brittle.types import Images, PerImage

EVERY = 0.04
"""Of all steps: how often stride and sparsity are looked at."""
FRACTION = 0.2
"""Of all entries: how many the first steps move."""
THINNER = 1.5
"""How many times fewer entries a step moves than the best change has; also by how much a stride is shortened."""
SHORTEST = 10.0
"""How many times a stride may become shorter than the radius."""
SETTLED = 0.95
"""The best change has become sparser where it kept less than this fraction of its entries."""
WIDER = ((3.0, 0.3), (2.0, 0.3), (1.0, 0.4))
"""The radii of the three stages, as multiples of the one asked for, and their fractions of the steps."""


@dataclass(frozen=True)
class SparseAPGDState(AscentState):
    """Where each image stands on its way; `x` is the point proposed next.

    Attributes:
        stride: the l1 length of the next step, (n,).
        fraction: of all entries, how many it moves, (n,).
        support: entries that the best change had at the last checkpoint, (n,).
        target: the class that is aimed at, -1 for none, (n,).
        stage, done: the stage, and how many points of it have been judged.
    """

    stride: PerImage
    fraction: PerImage
    support: PerImage
    target: Tensor
    stage: int = 0
    done: int = 0


@dataclass(frozen=True)
class SparseAPGD(Stepwise[SparseAPGDState]):
    """One run of APGD in l1 (Croce & Hein, ICML 2021, algorithm 1, arXiv:2103.01208).

    A step moves the entries with the largest gradients by the same amount each; the sum is projected on the
    intersection of ball and box. At every checkpoint the number of entries becomes 2/3 of those that the best change
    has; where that change has become sparser the stride grows back to the radius and the climb goes on from the best
    point, elsewhere the stride is shortened. With `widened` the climb begins in balls of three and two times the radius
    (section 3.3), whose points do not count.

    Attributes:
        steps: in all.
        loss: without a class to aim at.
        aim: the class aimed at, or None.
        widened: begin with larger radii.
    """

    steps: int
    loss: Loss
    aim: TargetClass | None
    widened: bool

    def stages(self) -> list[tuple[float, int]]:
        """Return the multiples of the radius with the number of steps at each."""
        if not self.widened or self.steps < len(WIDER):
            return [(1.0, self.steps)]
        first = [(factor, round(fraction * self.steps)) for factor, fraction in WIDER[:-1]]
        return [*first, (WIDER[-1][0], self.steps - sum(steps for _, steps in first))]

    def length(self, problem: Problem) -> int:
        """The steps of all stages, and one look at where each later one begins."""
        stages = self.stages()
        return sum(steps for _, steps in stages) + len(stages) - 1

    def start(self, problem: Problem) -> SparseAPGDState:
        """Draw a Gaussian change and bring it within ball and box."""
        images = problem.images
        noise = problem.streams.normal(problem.ids, tuple(images.shape[1:]))
        factor = self.stages()[0][0]
        x = _within(problem, images + noise * problem.classifier.bounds.span, factor)
        none = torch.zeros_like(problem.clean[:, 0])
        target = torch.full_like(problem.ids, -1) if self.aim is None else self.aim.of(problem)
        count = float(images[:1].numel())
        state = SparseAPGDState(x, x, torch.zeros_like(x), none - math.inf, none, none + FRACTION, none + count, target)
        return self._begun(problem, state, x) if self.widened else replace(state, stride=none + _radius(problem, none))

    def step(self, problem: Problem, state: SparseAPGDState, probe: Probe) -> SparseAPGDState:
        """Take in what the last point brought, and go on from it, from the best one, or in a smaller ball."""
        loss = objective(problem, self.loss) if self.aim is None else targeted_loss(problem, state.target)
        value, gradient = loss(probe.logits), probe.gradient(loss)
        state = state.noted(probe.points, value, gradient)
        factor, steps = self.stages()[state.stage]
        if state.done == steps:
            return self._begun(problem, replace(state, stage=state.stage + 1), state.best)
        here = probe.points
        if state.done and state.done % max(int(EVERY * steps), 1) == 0:
            state, back = self._checked(problem, state, factor)
            here, gradient = torch.where(back, state.best, here), torch.where(back, state.best_gradient, gradient)
        ahead = here + column(state.stride, here) * _sparse(gradient, state.fraction)
        return replace(state, x=_within(problem, ahead, factor), done=state.done + 1)

    def _begun(self, problem: Problem, state: SparseAPGDState, x: Images) -> SparseAPGDState:
        """Enter a stage at the point nearest to `x`, with as many entries as its change asks for."""
        factor = self.stages()[state.stage][0]
        x = _within(problem, x, factor)
        support = norms.size(x - problem.images, 0)
        return replace(
            state,
            x=x,
            best_value=torch.full_like(state.best_value, -math.inf),
            stride=factor * _radius(problem, support).expand_as(support),
            fraction=support / x[:1].numel() / THINNER,
            support=support,
            done=0,
        )

    def _checked(self, problem: Problem, state: SparseAPGDState, factor: float) -> tuple[SparseAPGDState, Tensor]:
        """Set stride and sparsity by the best change so far; also return who goes back to it, shaped like images."""
        support = norms.size(state.best - problem.images, 0)
        sparser = support < SETTLED * state.support
        longest = factor * _radius(problem, support)
        stride = torch.where(sparser, longest, torch.maximum(state.stride / THINNER, longest / SHORTEST))
        fraction = support / state.best[:1].numel() / THINNER
        state = replace(state, stride=stride, fraction=fraction, support=support)
        return state, column(sparser, state.best)


def _radius(problem: Problem, like: Tensor) -> Tensor:
    return torch.as_tensor(problem.threat.radius, dtype=like.dtype, device=like.device)


def _within(problem: Problem, x: Images, factor: float) -> Images:
    images, bounds = problem.images, problem.classifier.bounds
    radius = factor * _radius(problem, images)
    return images + norms.project_l1_in_box(x - images, radius, bounds.lower - images, bounds.upper - images)


def _sparse(gradient: Images, fraction: PerImage) -> Images:
    """Return the change of l1 norm 1 that moves the fraction of entries with the largest gradients, all alike."""
    flat = gradient.flatten(1)
    count = flat.shape[1]
    rank = ((1 - fraction) * count).long().clamp(0, count - 1)
    least = flat.abs().sort(dim=1).values.gather(1, rank[:, None])
    signs = flat.sign() * (flat.abs() >= least)
    return (signs / signs.abs().sum(1, keepdim=True).clamp_min(1)).reshape(gradient.shape)
