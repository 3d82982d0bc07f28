"""APGD, projected gradient descent that chooses its own step size."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from brittle.attacks.objective import Loss, objective
from brittle.core.attack import Attack, State, Stepwise, at_least
from brittle.core.combinators import survivors
from brittle.core.problem import Probe, Problem
from brittle.core.rows import column
from brittle.core.threat import Lp
from brittle.errors import InputError
from brittle.maths import norms
from brittle.maths.losses import targeted_difference_of_logits_ratio
from brittle.types import Images, Logits, Mask, PerImage

FIRST, SHORTER, LEAST = 0.22, 0.03, 0.06
"""Of all steps: the first stretch between checkpoints, by how much each is shorter than the last, and the shortest."""


@dataclass(frozen=True)
class Climb(State):
    """Where each image stands on its way; `x` is the point proposed next.

    Attributes:
        previous: the point before it.
        best, best_gradient, best_value: the point with the largest loss so far, its gradient and its loss.
        value: the loss at the point before, (n,).
        stride: eta, (n,).
        rises: steps since the last checkpoint on which the loss rose, (n,).
        halved: whether the stride was halved at the last checkpoint, (n,).
        best_then: the largest loss at the last checkpoint, (n,).
        rival: the class that is aimed at, -1 for none, (n,).
        done: how many points have been judged.
    """

    previous: Images
    best: Images
    best_gradient: Images
    best_value: PerImage
    value: PerImage
    stride: PerImage
    rises: PerImage
    halved: Mask
    best_then: PerImage
    rival: Tensor
    done: int = 0


@dataclass(frozen=True)
class APGD(Attack):
    """Gradient ascent with momentum whose stride is halved, and which returns to its best point, when it gets nowhere.

    Croce & Hein, ICML 2020, algorithm 1 (arXiv:2003.01690). z = P(x_k + eta g / ||g||), x_{k+1} = P(x_k + alpha (z -
    x_k) + (1 - alpha) (x_k - x_{k-1})), with the sign of the gradient for linf. At the checkpoints w_j eta is halved,
    and x_{k+1} is the best point so far, if fewer than the share rho of the steps since the last one raised the loss,
    or if then eta was not halved and the best loss has not grown since. It starts at a random point of the sphere with
    eta = 2 eps.

    With `targets` it is APGD-T of the same paper: so many runs, each towards one of the most likely other classes of
    the clean image, with the targeted DLR loss; whichever class is reached counts.

    Deviation: an image leaves as soon as it is broken, and later runs see only those that are not; the result is the
    same. The l1 version (Croce & Hein, ICML 2021) is another algorithm and not offered here.

    Attributes:
        steps: N; 100 in AutoAttack.
        restarts: how many random starts for each target, or without one; 1 in AutoAttack, 5 in the paper's tables.
        loss: cross_entropy, dlr (AutoAttack's other one) or margin; with targets it is the targeted DLR.
        targets: how many classes are aimed at one after the other; 0 for none, 9 in AutoAttack's APGD-T.
        momentum: alpha; 0.75 in the paper.
        rises: rho; 0.75 in the paper.

    Example:
        >>> APGD(loss="dlr").steps
        100
    """

    threats: ClassVar[tuple[str, ...]] = ("l2", "linf")
    needs_radius: ClassVar[bool] = True
    steps: int = 100
    restarts: int = 1
    loss: Loss = "cross_entropy"
    targets: int = 0
    momentum: float = 0.75
    rises: float = 0.75

    def __post_init__(self):
        at_least("steps", self.steps, 1)
        at_least("restarts", self.restarts, 1)
        at_least("targets", self.targets, 0)
        for name, value in (("momentum", self.momentum), ("rises", self.rises)):
            if not 0 < value <= 1:
                raise InputError(f"{name} is {value}; expected a share above 0, at most 1")

    def perturb(self, problem: Problem) -> None:
        """Make the runs, each on the images that the earlier ones left."""
        classes = problem.clean.shape[1]
        if self.targets and (problem.goal.targeted or classes < 4):
            seen = "the goal names its own target" if problem.goal.targeted else f"the network has {classes} classes"
            raise InputError(
                f"targets={self.targets} aims at other classes in turn by a loss of four of them, but {seen}; "
                "use targets=0"
            )
        for place in range(min(self.targets, classes - 1)) if self.targets else (-1,):
            for _ in range(self.restarts):
                problem = survivors(problem)
                if not len(problem):
                    return
                _Run(self, place).perturb(problem)


@dataclass(frozen=True)
class _Run(Stepwise[Climb]):
    """One run; `place` says which of the other classes is aimed at, by their clean logits, -1 for none."""

    settings: APGD
    place: int

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.settings.steps

    def start(self, problem: Problem) -> Climb:
        """Draw a point of the sphere."""
        threat, images = problem.threat, problem.images
        assert isinstance(threat, Lp)
        shape = tuple(images.shape[1:])
        if threat.p == math.inf:
            drawn = 2 * problem.streams.uniform(problem.ids, shape) - 1
        else:
            drawn = problem.streams.normal(problem.ids, shape)
        length = column(threat.radius, drawn) / column(norms.size(drawn, threat.p), drawn)
        none = torch.zeros_like(problem.clean[:, 0])
        low = none - math.inf
        rival = torch.full_like(problem.ids, -1)
        if self.place >= 0:
            others = problem.clean.scatter(1, problem.goal.labels[:, None], -math.inf)
            rival = others.argsort(dim=1, descending=True, stable=True)[:, self.place]
        stride = none + 2 * torch.as_tensor(threat.radius, dtype=none.dtype, device=none.device)
        x = problem.classifier.bounds.clamp(images + length * drawn)
        zero = torch.zeros_like(images)
        return Climb(x, x, x, zero, low, low, stride, none, none.bool(), low, rival)

    def step(self, problem: Problem, state: Climb, probe: Probe) -> Climb:
        """Take in what the last point brought, and go on from it, or from the best one."""
        loss = self._loss(problem, state)
        value, gradient = loss(probe.logits), probe.gradient(loss)
        state = _noted(state, probe.points, value, gradient)
        here, back = probe.points, torch.zeros_like(state.halved)
        if state.done in checkpoints(self.settings.steps):
            state, back = self._checked(state)
            wide = column(back, here).bool()
            here, gradient = torch.where(wide, state.best, here), torch.where(wide, state.best_gradient, gradient)
        x = self._moved(problem, state, here, gradient)
        return replace(state, x=x, previous=probe.points, done=state.done + 1)

    def _loss(self, problem: Problem, state: Climb) -> Callable[[Logits], PerImage]:
        if self.place < 0:
            return objective(problem, self.settings.loss)
        labels = problem.goal.labels
        return lambda logits: targeted_difference_of_logits_ratio(logits, labels, state.rival)

    def _checked(self, state: Climb) -> tuple[Climb, Mask]:
        """Halve the strides that lead nowhere; also return whose."""
        points = checkpoints(self.settings.steps)
        place = points.index(state.done)
        stretch = state.done - (points[place - 1] if place else 0)
        still = ~state.halved & (state.best_value <= state.best_then)
        halving = (state.rises < self.settings.rises * stretch) | still
        stride = torch.where(halving, state.stride / 2, state.stride)
        rises = torch.zeros_like(state.rises)
        state = replace(state, stride=stride, halved=halving, best_then=state.best_value, rises=rises)
        return state, halving

    def _moved(self, problem: Problem, state: Climb, here: Images, gradient: Images) -> Images:
        threat, bounds, images = problem.threat, problem.classifier.bounds, problem.images
        assert isinstance(threat, Lp)

        def allowed(x: Images) -> Images:
            return bounds.clamp(threat.project(images, x))

        ahead = allowed(here + column(state.stride, here) * threat.steepest(gradient))
        if not state.done:
            return ahead
        share = self.settings.momentum
        return allowed(here + share * (ahead - here) + (1 - share) * (here - state.previous))


def _noted(state: Climb, points: Images, value: PerImage, gradient: Images) -> Climb:
    """Count a rise, and keep the best point."""
    better = value > state.best_value
    wide = column(better, points).bool()
    return replace(
        state,
        rises=state.rises + ((value > state.value) & (state.done > 0)),
        value=value,
        best=torch.where(wide, points, state.best),
        best_gradient=torch.where(wide, gradient, state.best_gradient),
        best_value=torch.where(better, value, state.best_value),
    )


def checkpoints(steps: int) -> list[int]:
    """Return the steps after which the stride is looked at: w_j = ceil(p_j N).

    p_0 = 0, p_1 = 0.22, p_{j+1} = p_j + max(p_j - p_{j-1} - 0.03, 0.06) (section 3).

    Example:
        >>> checkpoints(100)
        [22, 41, 57, 70, 80, 87, 93, 99]
    """
    found, stretch, share = list[int](), FIRST, FIRST
    while share <= 1 + 1e-9:
        found.append(math.ceil(round(share * steps, 6)))
        stretch = max(stretch - SHORTER, LEAST)
        share += stretch
    return sorted(set(found))
