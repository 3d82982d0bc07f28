"""Carlini & Wagner's attack on the number of pixels."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from brittle.attacks.carlini_wagner import (
    AdamDescent,
    CarliniWagnerState,
    TanhBox,
    check_shared,
    doubled,
    follow,
    out_of_reach,
    over,
    shortfall,
)
from brittle.attacks.objective import top_other_classes
from brittle.base.rows import column
from brittle.core.attack import Attack, at_least
from brittle.core.goal import Goal, Targeted
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.types import Images, Mask, PerImage

MARGIN = 0.01
"""Logits beyond the boundary at which a round is won (the authors' value)."""
LEAST = 1e-4
"""A value that moved by less, as a fraction of the bounds' span, has not changed (the authors' value)."""
FRACTION, HEAVY = 0.3, 0.01
"""A round freezes FRACTION times the root of the number of changed pixels, and none after one that counts for more than
HEAVY (the authors' values)."""
LARGEST = 2e6
"""No constant beyond this one is tried (the authors' value)."""


@dataclass(frozen=True)
class CarliniWagnerL0State(CarliniWagnerState):
    """Where each image stands.

    Attributes:
        free: the values that may change, (n, c, h, w).
        aim: what is to be reached; of an untargeted goal, one of the classes that it allows.
    """

    free: Tensor
    aim: Goal


@dataclass(frozen=True)
class CarliniWagnerL0(Attack):
    """The fewest pixels, by freezing the ones that matter least until the others no longer suffice.

    Carlini & Wagner, IEEE S&P 2017, section VI-B (arXiv:1608.04644), and the authors' code: descend as in the 2-norm,
    on the pixels that are free, until the goal is met; then freeze, at their clean values, the pixels of the smallest
    |delta grad f|, summed over channels, and go on from there; c doubles where it does not suffice. An image ends with
    the round that it cannot win. `Pixels` counts a pixel once, however many of its channels change; with `Lp(0)`
    channels are frozen one by one ("independent channels" in the code). What is frozen, and what has changed by less
    than 1e-4 of the span, has exactly its clean value when the network sees it.

    Deviations that save passes: pixels that have not moved are frozen at once, not some in every round; a constant is
    given up where a tenth of the steps gains less than 1e-4 of the loss, and an image where moving all that is free to
    the edge of the box would not do, by the network's linearisation (`abort_early`); constants too small even for a
    linear network are left out (`skip`). Deviations that find fewer pixels: the box takes less than the whole of tanh's
    range (`shrink`); an untargeted goal is sought through each of the likeliest classes (`candidates`), as the paper
    does for its "best case". `CarliniWagnerL0(abort_early=False, skip=False, shrink=0.999999, candidates=0)` is as
    published.

    f is in logits, as published, so that what the first constants are worth depends on the scale of the logits.

    Attributes:
        steps: most steps of Adam at each constant; 1000 in the authors' code.
        learning_rate: of Adam, on w; 0.01.
        constant: the first c; 1e-3. Squares of changes are measured with the bounds' span as unit.
        abort_early: give up constants that gain nothing, and images for which none will do.
        skip: begin with the first doubled constant that would do on a linear network.
        shrink: the fraction of tanh's range that the box takes.
        candidates: for untargeted goals: classes gone to one after the other, by clean logit; the fewest pixels count,
            and passes add up. 0 goes to whichever class is nearest, as published.

    Example:
        >>> CarliniWagnerL0(candidates=1).steps
        1000
    """

    threats: ClassVar[tuple[str, ...]] = ("pixels", "l0")
    steps: int = 1000
    learning_rate: float = 1e-2
    constant: float = 1e-3
    abort_early: bool = True
    skip: bool = True
    shrink: float = 0.99
    candidates: int = 3

    def __post_init__(self):
        at_least("candidates", self.candidates, 0)
        check_shared(self.steps, self.learning_rate, self.constant, self.shrink)

    def perturb(self, problem: Problem) -> None:
        """Win round after round, each image on its own, towards one class after the other."""
        if problem.goal.targeted or not self.candidates:
            self._thin(problem, problem.goal)
            return
        for target in top_other_classes(problem, self.candidates).unbind(1):
            keep = (~problem.record.spent(problem.ids)).nonzero()[:, 0]
            if len(keep):
                aim = Targeted(target[keep], problem.goal.confidence).beside(problem.clean[keep])
                self._thin(problem.rows(keep), aim)

    def _thin(self, problem: Problem, aim: Goal) -> None:
        box = TanhBox(problem.classifier.bounds, self.shrink)
        none = torch.zeros_like(problem.clean[:, 0])
        free = torch.ones_like(problem.images, dtype=torch.bool)
        descent = AdamDescent.at(box.inward(problem.images))
        first = none if self.skip else none + self.constant
        course = CarliniWagnerL0State(descent, first, torch.full_like(none, torch.inf), none.bool(), free, aim)
        follow(
            problem,
            course,
            lambda problem, course: _seen(problem, course, box),
            lambda problem, probe, course: self._step(problem, probe, course, box),
        )

    def _step(self, problem: Problem, probe: Probe, course: CarliniWagnerL0State, box: TanhBox) -> CarliniWagnerL0State:
        """Make a step of Adam, or double the constant, or freeze what matters least."""
        span, free = box.bounds.span, course.free
        lacking = shortfall(course.aim, probe.logits, MARGIN)
        slope = -probe.gradient(course.aim.margin).masked_fill(~free, 0)
        course = replace(course, constant=self._begun(course.constant, lacking, span * slope))
        change = (probe.points - problem.images) / span
        loss = change.flatten(1).square().sum(1) + course.constant * lacking
        won = lacking <= 0
        done, mark = over(course, loss, self.steps, abort_early=self.abort_early)
        done &= ~won
        gradient = column(course.constant, change) * slope + 2 / span * change
        descent = course.descent.moved(gradient * box.slope(probe.points), self.learning_rate, box)
        descent = descent.again(done, descent.variable).again(won, course.descent.variable)
        constant = torch.where(done, 2 * course.constant, course.constant)
        ended = constant > LARGEST
        if self.abort_early:
            lowest, highest = (torch.full_like(slope, edge) for edge in (box.bounds.lower, box.bounds.upper))
            ended |= done & out_of_reach(slope, probe.points, lowest, highest, lacking)
        if bool(won.any()):
            free = self._thinned(problem, change, span * slope, free, won)
        ended |= ~free.flatten(1).any(1)
        return CarliniWagnerL0State(descent, constant, mark.masked_fill(done | won, torch.inf), ended, free, course.aim)

    def _begun(self, constant: PerImage, lacking: PerImage, slope: Images) -> PerImage:
        """Choose the first constant, of images that have none: on a linear network it takes 2 f / ||grad f||^2."""
        if not self.skip:
            return constant
        first = torch.full_like(constant, self.constant)
        return torch.where(
            constant > 0, constant, doubled(first, 2 * lacking / slope.flatten(1).square().sum(1), LARGEST)
        )

    def _thinned(self, problem: Problem, change: Images, slope: Images, free: Tensor, won: Mask) -> Tensor:
        """Freeze what matters least to the images that have won."""
        whole, at = problem.threat.name == "pixels", won.nonzero()[:, 0]
        weight, moved = (change * slope).abs()[at], change[at] != 0
        if whole:
            weight, moved = weight.sum(1, keepdim=True), moved.any(1, keepdim=True)
        left = thinned(weight.flatten(1), moved.flatten(1)).reshape(moved.shape)
        return free.index_copy(0, at, left.expand_as(free[at]))


def _seen(problem: Problem, course: CarliniWagnerL0State, box: TanhBox) -> Images:
    """Return what the network is shown: the clean value wherever a pixel is frozen or has hardly moved."""
    moved = box.outward(course.descent.variable)
    far = ((moved - problem.images).abs() >= LEAST * box.bounds.span) & course.free
    if problem.threat.name == "pixels":
        far = far.any(1, keepdim=True)
    return torch.where(far, moved, problem.images)


def thinned(weight: Tensor, moved: Tensor) -> Tensor:
    """Choose what stays free after a round is won.

    Frozen is what has not moved; then, from the smallest weight on, FRACTION times the root of the number that have
    moved, and none after one that weighs more than HEAVY.

    Args:
        weight: |delta grad f| of each value or pixel, (n, d).
        moved: which of them have changed, (n, d).

    Returns:
        Which stay free, (n, d).

    Example:
        >>> thinned(torch.tensor([[0.3, 0.0, 0.1, 0.2]]), torch.tensor([[True, False, True, True]]))
        tensor([[ True, False, False,  True]])
    """
    ranked, order = weight.masked_fill(~moved, torch.inf).sort(dim=1, stable=True)
    place = torch.arange(weight.shape[1], device=weight.device)
    before = functional.pad(ranked, (1, 0))[:, :-1]
    frozen = (place < (FRACTION * moved.sum(1, keepdim=True).sqrt()).ceil()) & (before <= HEAVY)
    return moved & ~torch.zeros_like(moved).scatter(1, order, frozen)
