"""APGD, projected gradient descent that chooses its own step size."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from brittle.attacks.apgd_l1 import SparseAPGD
from brittle.attacks.objective import (
    AscentState,
    Loss,
    TargetClass,
    drawn_direction,
    fewest_classes,
    near_classes,
    objective,
    targeted_loss,
)
from brittle.base.rows import column
from brittle.core.attack import Attack, Stepwise, at_least, fraction_above_zero
from brittle.core.combinators import Cascade, Restarts
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.types import Images, Mask, PerImage

FIRST, SHORTER, LEAST = 0.22, 0.03, 0.06
"""Of all steps: the first stretch between checkpoints, by how much each is shorter than the last, and the shortest."""


@dataclass(frozen=True)
class APGDState(AscentState):
    """Where each image stands on its way; `x` is the point proposed next.

    Attributes:
        previous: the point before it.
        value: the loss at the point before, (n,).
        stride: eta, (n,).
        rises: steps since the last checkpoint on which the loss rose, (n,).
        halved: whether the stride was halved at the last checkpoint, (n,).
        best_then: the largest loss at the last checkpoint, (n,).
        target: the class that is aimed at, -1 for none, (n,).
        done: how many points have been judged.
    """

    previous: Images
    value: PerImage
    stride: PerImage
    rises: PerImage
    halved: Mask
    best_then: PerImage
    target: Tensor
    done: int = 0


@dataclass(frozen=True)
class APGD(Attack):
    """Gradient ascent with momentum whose stride is halved, and which returns to its best point, when it gets nowhere.

    Croce & Hein, ICML 2020, algorithm 1 (arXiv:2003.01690). z = P(x_k + eta g / ||g||), x_{k+1} = P(x_k + alpha (z -
    x_k) + (1 - alpha) (x_k - x_{k-1})), with the sign of the gradient for linf. At the checkpoints w_j eta is halved,
    and x_{k+1} is the best point so far, if fewer than the fraction rho of the steps since the last one raised the
    loss, or if then eta was not halved and the best loss has not grown since. It starts at a random point of the sphere
    with eta = 2 eps.

    With `targets` it is APGD-T of the same paper: so many runs, each towards one of the most likely other classes of
    the clean image, with the targeted DLR loss; whichever class is reached counts.

    In l1 it is the algorithm of Croce & Hein, ICML 2021 (`SparseAPGD` in apgd_l1.py): sparse steps, the projection on
    ball and box at once, no momentum, and radii of 3, 2 and 1 eps one after the other.

    Deviation: an image leaves as soon as it is broken, and later runs see only those that are not; the result is the
    same.

    Cross-entropy, the default, depends on the scale of the logits; scaled, dlr and margin do not.

    Attributes:
        steps: N; 100 in AutoAttack.
        restarts: how many random starts for each target, or without one; 1 in AutoAttack, 5 in the paper's tables.
        loss: cross_entropy, dlr (AutoAttack's other one) or margin; with targets it is the targeted DLR.
        targets: how many classes are aimed at one after the other; 0 for none, 9 in AutoAttack's APGD-T.
        order: which classes come first: the "likely" ones, as published, or the "near" ones, by the gap of logits over
            its gradient's dual norm (MALT, Melamed et al., NeurIPS 2024, arXiv:2407.02240, section 3), which costs a
            forward pass and one backward for each of the 9 likeliest classes.
        momentum: alpha; 0.75 in the paper; not used in l1.
        rises: rho; 0.75 in the paper; not used in l1.
        widened: in l1, begin with larger radii, as AutoAttack does.

    Example:
        >>> APGD(loss="dlr").steps
        100
    """

    threats: ClassVar[tuple[str, ...]] = ("l1", "l2", "linf")
    needs_radius: ClassVar[bool] = True
    steps: int = 100
    restarts: int = 1
    loss: Loss = "cross_entropy"
    targets: int = 0
    momentum: float = 0.75
    rises: float = 0.75
    widened: bool = True
    order: Literal["likely", "near"] = "likely"

    def __post_init__(self):
        at_least("steps", self.steps, 1)
        at_least("restarts", self.restarts, 1)
        at_least("targets", self.targets, 0)
        fraction_above_zero("momentum", self.momentum)
        fraction_above_zero("rises", self.rises)

    def perturb(self, problem: Problem) -> None:
        """Make the runs, each on the images that the earlier ones left."""
        classes = problem.clean.shape[1]
        if self.targets and (problem.goal.targeted or classes < fewest_classes(targeted=True)):
            seen = "the goal names its own target" if problem.goal.targeted else f"the network has {classes} classes"
            raise InputError(
                f"targets={self.targets} aims at other classes in turn by a loss of four of them, but {seen}; "
                "use targets=0"
            )
        count = min(self.targets, classes - 1)
        order = near_classes(problem) if count and self.order == "near" else None
        aims = [TargetClass(place, self.targets, order) for place in range(count)] or [None]
        runs = [self._run(aim, sparse=problem.threat.name == "l1") for aim in aims]
        Cascade(tuple(Restarts(run, self.restarts) for run in runs)).perturb(problem)

    def _run(self, aim: TargetClass | None, *, sparse: bool) -> Attack:
        """Return one run, towards a class or away from the label."""
        return SparseAPGD(self.steps, self.loss, aim, self.widened) if sparse else _Run(self, aim)


@dataclass(frozen=True)
class _Run(Stepwise[APGDState]):
    """One run in l2 or linf, towards a class or away from the label."""

    settings: APGD
    aim: TargetClass | None

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.settings.steps

    def start(self, problem: Problem) -> APGDState:
        """Draw a point of the sphere."""
        threat, images = problem.threat, problem.images
        ahead = column(threat.radius, images) * drawn_direction(problem)
        none = torch.zeros_like(problem.clean[:, 0])
        low = none - math.inf
        target = torch.full_like(problem.ids, -1) if self.aim is None else self.aim.of(problem)
        stride = none + 2 * torch.as_tensor(threat.radius, dtype=none.dtype, device=none.device)
        x = problem.classifier.bounds.clamp(images + ahead)
        zero = torch.zeros_like(images)
        return APGDState(x, x, zero, low, x, low, stride, none, none.bool(), low, target)

    def step(self, problem: Problem, state: APGDState, probe: Probe) -> APGDState:
        """Take in what the last point brought, and go on from it, or from the best one."""
        loss = objective(problem, self.settings.loss) if self.aim is None else targeted_loss(problem, state.target)
        value, gradient = loss(probe.logits), probe.gradient(loss)
        rises = state.rises + ((value > state.value) & (state.done > 0))
        state = replace(state.noted(probe.points, value, gradient), value=value, rises=rises)
        here, back = probe.points, torch.zeros_like(state.halved)
        if state.done in checkpoints(self.settings.steps):
            state, back = self._checked(state)
            wide = column(back, here)
            here, gradient = torch.where(wide, state.best, here), torch.where(wide, state.best_gradient, gradient)
        x = self._moved(problem, state, here, gradient)
        return replace(state, x=x, previous=probe.points, done=state.done + 1)

    def _checked(self, state: APGDState) -> tuple[APGDState, Mask]:
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

    def _moved(self, problem: Problem, state: APGDState, here: Images, gradient: Images) -> Images:
        threat, bounds, images = problem.lp, problem.classifier.bounds, problem.images

        def allowed(x: Images) -> Images:
            return bounds.clamp(threat.project(images, x))

        ahead = allowed(here + column(state.stride, here) * threat.steepest(gradient))
        if not state.done:
            return ahead
        fraction = self.settings.momentum
        return allowed(here + fraction * (ahead - here) + (1 - fraction) * (here - state.previous))


def checkpoints(steps: int) -> list[int]:
    """Return the steps after which the stride is looked at: w_j = ceil(p_j N).

    p_0 = 0, p_1 = 0.22, p_{j+1} = p_j + max(p_j - p_{j-1} - 0.03, 0.06) (section 3).

    Example:
        >>> checkpoints(100)
        [22, 41, 57, 70, 80, 87, 93, 99]
    """
    found, stretch, fraction = list[int](), FIRST, FIRST
    while fraction <= 1 + 1e-9:
        found.append(math.ceil(round(fraction * steps, 6)))
        stretch = max(stretch - SHORTER, LEAST)
        fraction += stretch
    return sorted(set(found))
