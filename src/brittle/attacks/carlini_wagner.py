"""What the three attacks of Carlini & Wagner share: the variable that keeps the box, its descent, and the objective."""

from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from brittle.base.bounds import Bounds
from brittle.base.rows import Rows, column
from brittle.core.attack import at_least
from brittle.core.goal import Goal
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.maths import adam
from brittle.maths.elementary import inverse_tanh
from brittle.types import Images, Logits, Mask, PerImage

CHECKS = 10
"""An image's descent is looked at after every tenth of its steps, as in the authors' code."""
PROGRESS = 0.9999
"""A descent is given up where the loss is not below this fraction of that at the last look; the authors' value."""


@dataclass(frozen=True)
class TanhBox:
    """The change of variable x = lower + span (tanh(w) / shrink + 1) / 2, which keeps images within the bounds.

    Carlini & Wagner 2017, section V-B. In the paper shrink is 1; in the authors' code it is 0.999999, and tanh(w) is
    not divided by it. A black or white pixel then begins where tanh is flat, and takes 500 steps of 0.01 to move at
    all. Here w is kept within the values that lie in the box, so that a smaller shrink keeps it too.

    Attributes:
        bounds: of the images.
        shrink: the fraction of tanh's range that the box takes.
    """

    bounds: Bounds
    shrink: float

    def inward(self, images: Images) -> Tensor:
        """Return the variable w of images within the bounds."""
        unit = (images - self.bounds.lower) * (2 / self.bounds.span) - 1
        return inverse_tanh(self.shrink * unit)

    def outward(self, variable: Tensor) -> Images:
        """Return the images of a variable."""
        return self.bounds.lower + self.bounds.span / 2 * (torch.tanh(variable) / self.shrink + 1)

    def slope(self, images: Images) -> Tensor:
        """Return dx/dw at these images."""
        unit = (images - self.bounds.lower) * (2 / self.bounds.span) - 1
        return self.bounds.span / (2 * self.shrink) * (1 - (self.shrink * unit).square())

    def kept(self, variable: Tensor) -> Tensor:
        """Return the nearest variable whose image lies within the bounds."""
        limit = float(inverse_tanh(torch.tensor(self.shrink, dtype=variable.dtype)))
        return variable.clamp(-limit, limit)


@dataclass(frozen=True)
class AdamDescent(Rows):
    """Adam on the variable of each image, with a state and an age of its own.

    Attributes:
        variable: w, (n, c, h, w).
        first, second: running means of the gradient and of its square.
        age: steps since the state was last reset, (n,).
    """

    variable: Tensor
    first: Tensor
    second: Tensor
    age: Tensor

    @staticmethod
    def at(variable: Tensor) -> "AdamDescent":
        """Begin at a variable, at rest."""
        nothing = torch.zeros_like(variable)
        return AdamDescent(variable, nothing, nothing, torch.zeros(len(variable), device=variable.device))

    def moved(self, gradient: Tensor, stride: float, box: TanhBox) -> "AdamDescent":
        """Make one step of length `stride`."""
        age = self.age + 1
        first, second = adam.with_gradient(self.first, self.second, gradient)
        step = adam.step(first, second, column(age, age.new_zeros((1,) * first.ndim)), stride)
        return AdamDescent(box.kept(self.variable - step), first, second, age)

    def again(self, which: Mask, variable: Tensor) -> "AdamDescent":
        """Begin afresh at `variable` for some of the images."""
        chosen = column(which, variable)
        return AdamDescent(
            torch.where(chosen, variable, self.variable),
            self.first.masked_fill(chosen, 0),
            self.second.masked_fill(chosen, 0),
            self.age.masked_fill(which, 0),
        )


@dataclass(frozen=True)
class CarliniWagnerState(Rows, ABC):
    """Where an image stands; each attack adds what it searches besides.

    Attributes:
        descent: the descent at the present constant.
        constant: c, the weight of f beside the size of the change, (n,).
        mark: the loss at the last look, (n,).
        ended: whether the image has had all that it gets, (n,).
    """

    descent: AdamDescent
    constant: PerImage
    mark: PerImage
    ended: Mask


C = TypeVar("C", bound=CarliniWagnerState)


def follow(
    problem: Problem, course: C, seen: Callable[[Problem, C], Images], step: Callable[[Problem, Probe, C], C]
) -> None:
    """Look, step, and let go of the images that have ended, until there are none.

    Args:
        problem: the images.
        course: where they stand.
        seen: what the network is to look at.
        step: from what it said to where the images stand next.
    """
    while len(problem):
        course = step(problem, problem.probe(seen(problem, course)), course)
        problem.record.iterations[problem.ids] += 1
        keep = (~(course.ended | problem.record.spent(problem.ids))).nonzero()[:, 0]
        if len(keep) < len(problem):
            problem, course = problem.rows(keep), course.rows(keep)


def over(
    course: CarliniWagnerState, loss: PerImage, steps: int, *, abort_early: bool, warm: bool = False
) -> tuple[Mask, PerImage]:
    """Say which images are through with their constant, and return the losses that the next look compares with.

    Args:
        course: where the images stand.
        loss: now.
        steps: most steps at a constant.
        abort_early: whether a constant that gains nothing is given up.
        warm: whether a descent begins near its end, so that Adam's first steps, which are long, must lead away from it;
            the loss at the start is then no measure.
    """
    age = course.descent.age
    look = age % max(steps // CHECKS, 1) == 0
    if warm:
        look = look & (age > 0)
    done = age >= steps - 1
    if abort_early:
        done = done | (look & (loss > PROGRESS * course.mark))
    return done, torch.where(look, loss, course.mark)


def shortfall(goal: Goal, logits: Logits, margin: float = 0.0) -> PerImage:
    """Measure f: how many logits each image lacks to the goal; never negative (the paper's f_6, section V-A).

    max(max_{i != t} Z_i - Z_t + kappa, 0) for a target t, mirrored for untargeted goals; kappa is the goal's
    confidence, and the paper's maximum with -kappa is the same but for a constant.

    Args:
        goal: what to reach.
        logits: (n, k).
        margin: logits asked for beyond the goal's confidence.
    """
    return (goal.confidence + margin - goal.margin(logits)).clamp_min(0)


def doubled(constant: PerImage, needed: PerImage, largest: float) -> PerImage:
    """Double constants until they are at least `needed`; numbers that are none, or beyond the largest, ask for nothing.

    Example:
        >>> doubled(torch.tensor([0.5]), torch.tensor([3.0]), 20.0)
        tensor([4.])
    """
    asked = torch.where(needed <= largest, needed / constant, 1).clamp_min(1)
    return constant * 2 ** asked.log2().ceil()


def out_of_reach(slope: Images, points: Images, lowest: Images, highest: Images, lacking: PerImage) -> Mask:
    """Say which images lack more than any constant could bring, by the network's linearisation.

    Args:
        slope: the gradient of f, 0 where nothing may change.
        points: where the images stand.
        lowest: how far down each value may go.
        highest: how far up each value may go.
        lacking: f.
    """
    farthest = torch.where(slope > 0, lowest, highest)
    return ((points - farthest) * slope).flatten(1).sum(1) < lacking


def check_shared(steps: int, learning_rate: float, constant: float, shrink: float) -> None:
    """Refuse invalid hyper-parameters of the three attacks.

    Raises:
        InputError: with the name, the value and what is expected.
    """
    at_least("steps", steps, 1)
    for name, value in (("learning_rate", learning_rate), ("constant", constant)):
        if not value > 0:
            raise InputError(f"{name} is {value}; expected a number above 0")
    if not 0 < shrink < 1:
        raise InputError(f"shrink is {shrink}; expected a fraction between 0 and 1, such as 0.999999 (as published)")
