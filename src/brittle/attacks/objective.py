"""What gradient attacks climb: a loss of the logits that grows towards the goal."""

import math
from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import torch
from torch import Tensor

from brittle.base.rows import column
from brittle.core.attack import State
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.maths import losses, norms
from brittle.types import Images, Labels, Logits, PerImage

Loss = Literal["cross_entropy", "scaled", "margin", "dlr", "divergence"]
"""Cross-entropy; the same of logits brought to one scale; the margin of Carlini & Wagner clipped at kappa; the
difference of logits ratio (Croce & Hein); the divergence from what is said of the clean image (Zhang et al.)."""
SPREAD = 5.0
"""Standard deviation over the classes to which `scaled` brings the clean image's logits; fixed on
digits-lenet, where it breaks what plain cross-entropy does."""
NEAREST = 9
"""The likeliest classes among which the nearest are looked for; AutoAttack aims at as many."""

A = TypeVar("A", bound="AscentState")


@dataclass(frozen=True)
class AscentState(State, ABC):
    """Where a climb stands that may go back to its best point.

    Attributes:
        best, best_gradient, best_value: the point with the largest loss so far, its gradient and its loss.
    """

    best: Images
    best_gradient: Images
    best_value: PerImage

    def noted(self: A, points: Images, value: PerImage, gradient: Images) -> A:
        """Keep the points that are better than the best so far."""
        better = value > self.best_value
        wide = column(better, points)
        return replace(
            self,
            best=torch.where(wide, points, self.best),
            best_gradient=torch.where(wide, gradient, self.best_gradient),
            best_value=torch.where(better, value, self.best_value),
        )


def objective(problem: Problem, loss: Loss, kappa: float = 0.0) -> Callable[[Logits], PerImage]:
    """Return the function of the logits that an attack is to increase.

    Cross-entropy has a scale of its own: where the logits are large it rounds to 0 and has no gradient, where they are
    small all classes count alike. `scaled` divides the logits of an image by the standard deviation of
    its clean ones and multiplies by `SPREAD`, so that k times the same network is attacked in the same way. (Yu & Xu,
    AAAI 2023, divide by the lead at each step for the same reason.)

    Args:
        problem: whose goal says which labels to leave or to reach.
        loss: which one.
        kappa: for `margin`: how far beyond the boundary it still counts, in logits; at least the goal's confidence.

    Raises:
        InputError: another loss, or one that needs more classes than the network has.
    """
    classes, goal = problem.clean.shape[1], problem.goal
    if loss == "cross_entropy":
        if not goal.targeted:
            return lambda logits: losses.cross_entropy(logits, goal.labels)
        return lambda logits: -losses.cross_entropy(logits, goal.labels)
    if loss == "scaled":
        sign, scale = -1 if goal.targeted else 1, logit_scale(problem)[:, None]
        return lambda logits: sign * losses.cross_entropy(logits * scale, goal.labels)
    if loss == "margin":
        return lambda logits: goal.margin(logits).clamp_max(max(kappa, goal.confidence))
    if loss == "dlr":
        least = fewest_classes(targeted=goal.targeted)
        if classes < least:
            aim = "a targeted" if goal.targeted else "an untargeted"
            raise InputError(
                f"the DLR loss of {aim} attack needs {least} classes, the network has {classes}; use loss=margin"
            )
        if goal.targeted:
            return lambda logits: losses.targeted_difference_of_logits_ratio(logits, problem.labels, goal.labels)
        return lambda logits: losses.difference_of_logits_ratio(goal.distinct(logits), goal.labels)
    if loss == "divergence":
        if goal.targeted:
            raise InputError("the divergence from the clean image leads to no target; use loss=cross_entropy")
        return lambda logits: losses.divergence(problem.clean, logits)
    raise InputError(f"the loss is {loss!r}; expected cross_entropy, scaled, margin, dlr or divergence")


def fewest_classes(*, targeted: bool) -> int:
    """Return how many classes the DLR loss needs.

    Args:
        targeted: a class is aimed at.
    """
    return 4 if targeted else 3


def dlr_or_margin(classes: int, *, targeted: bool = False) -> Loss:
    """Return the DLR loss, or the margin where the network has too few classes for it.

    Example:
        >>> dlr_or_margin(10), dlr_or_margin(3, targeted=True)
        ('dlr', 'margin')
    """
    return "dlr" if classes >= fewest_classes(targeted=targeted) else "margin"


def logit_scale(problem: Problem) -> PerImage:
    """Return the factors that bring the clean images' logits to a standard deviation of `SPREAD`, (n,)."""
    spread = problem.clean.std(1)
    return SPREAD / spread.clamp_min(torch.finfo(spread.dtype).tiny ** 0.5)


def targeted_loss(problem: Problem, candidates: Tensor) -> Callable[[Logits], PerImage]:
    """Return the targeted DLR loss with another class to aim at for each image, `candidates` (n,); needs 4 classes."""
    labels = problem.goal.labels
    return lambda logits: losses.targeted_difference_of_logits_ratio(logits, labels, candidates)


def top_other_classes(problem: Problem, most: int) -> Tensor:
    """Return the likeliest classes of the clean images but the label, (n, at most `most`), likeliest first.

    Copies of the label come last.
    """
    others = losses.others(problem.goal.distinct(problem.clean), problem.goal.labels)
    return others.topk(min(most, others.shape[1] - 1)).indices


def near_classes(problem: Problem) -> Tensor:
    """Return the classes whose boundaries are nearest by the linear model, nearest first.

    The distance of a class is the gap of its logit over the dual norm of the gap's gradient. Of classes whose
    gradients vanish the likelier comes first.

    Returns:
        (images of the record, k): a row for each image by its number; zeros for images that are not the problem's.
    """
    candidates, labels = top_other_classes(problem, NEAREST), problem.goal.labels
    probe = problem.probe(problem.images)

    def gaps(logits: Logits, rows: Tensor) -> Tensor:
        distinct = problem.goal.rows(rows).distinct(logits)
        return distinct.gather(1, labels[rows, None]) - distinct.gather(1, candidates[rows])

    height = gaps(probe.logits, torch.arange(len(probe), device=candidates.device))
    distance = torch.full_like(height, torch.inf)
    for j, rows, gradients in probe.sweep(gaps):
        norm = norms.size(gradients, problem.lp.dual)
        distance[rows, j] = torch.where(norm > 0, height[rows, j] / norm, torch.inf)
    near = candidates.gather(1, distance.argsort(dim=1, stable=True))
    everyone = near.new_zeros(len(problem.record.size), near.shape[1])
    return everyone.index_copy_(0, problem.ids, near)


@dataclass(frozen=True)
class TargetClass:
    """One class that is aimed at: that at a place among so many of the likeliest others, or in an order given.

    Attributes:
        place: in the order.
        among: how many of the likeliest classes there are.
        order: of `near_classes`; None for the likeliest first.
    """

    place: int
    among: int
    order: Tensor | None = None

    def of(self, problem: Problem) -> Labels:
        """Return the class for each image, (n,)."""
        if self.order is not None:
            return self.order[problem.ids, min(self.place, self.order.shape[1] - 1)]
        return top_other_classes(problem, self.among)[:, self.place]


def drawn_direction(problem: Problem) -> Images:
    """Draw a change of length 1 for each image: the sign-symmetric cube in linf, the sphere in l2 and l1."""
    threat, shape = problem.lp, tuple(problem.images.shape[1:])
    if threat.p == math.inf:
        drawn = 2 * problem.streams.uniform(problem.ids, shape) - 1
    else:
        drawn = problem.streams.normal(problem.ids, shape)
    return drawn / column(threat.size(torch.zeros_like(drawn), drawn), drawn)
