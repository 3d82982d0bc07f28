"""Carlini & Wagner's attack in the maximum norm."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

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
from brittle.base.rows import column
from brittle.core.attack import Attack, at_least
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.types import Images, Mask, PerImage

LARGEST = 20.0
"""No constant beyond this one is tried (the authors' value)."""
SLACK = 1e-4
"""A round is won where nothing is lacking and the penalty is below this fraction of c (the authors' value)."""
FELT = 0.1
"""With `skip` the first constant gives grad f at its largest entry this fraction of the penalty's slope."""


@dataclass(frozen=True)
class CarliniWagnerLinfState(CarliniWagnerState):
    """Where each image stands; lengths are fractions of the bounds' span.

    Attributes:
        tau: what a value may change by without a penalty, (n,).
        reached: the size of the change in the last round won, infinite before one, (n,).
        failed: the largest tau that failed, 0 before one, (n,).
        settled: the constant of the last round won, (n,).
        refined: rounds since the first that failed, (n,).
    """

    tau: PerImage
    reached: PerImage
    failed: PerImage
    settled: PerImage
    refined: PerImage


@dataclass(frozen=True)
class CarliniWagnerLinf(Attack):
    """The smallest largest change of a value, by penalising what exceeds a bound tau that shrinks.

    Carlini & Wagner, IEEE S&P 2017, section VI-C (arXiv:1608.04644), and the authors' code: minimise c f(x') + sum_i
    max(0, |delta_i| - tau), in the variable of the 2-norm attack, until the goal is met at no penalty; then tau becomes
    `decrease` times the size reached, and so on from there; c doubles where it does not suffice. The best of all points
    counts (the authors' code returns the last).

    Deviations that save passes: each round begins within the new tau (`project`); a constant is given up where a tenth
    of the steps gains less than 1e-4 of the loss, and a round where moving every value as far as tau lets it would not
    do, by the network's linearisation (`abort_early`); constants are left out that the penalty would drown (`skip`).
    Deviations that find more: after the first round that fails, tau is bisected between what was reached and what
    failed (`refinements`); the box takes less than the whole of tanh's range (`shrink`). `CarliniWagnerLinf(
    project=False, abort_early=False, skip=False, refinements=0, shrink=0.999999)` is as published.

    f is in logits, as published, so that what the first constants are worth depends on the scale of the logits.

    Attributes:
        steps: most steps of Adam at each constant; 1000 in the authors' code.
        learning_rate: of Adam, on w; 0.005.
        constant: the first c; 1e-5. Changes are measured with the bounds' span as unit.
        decrease: what tau is multiplied by after a round that is won; 0.9.
        smallest: an image ends where tau is no larger, as a fraction of the span; 1/256.
        refinements: rounds after the first that fails.
        project: begin each round with the last point brought within the new tau.
        abort_early: give up constants that gain nothing, and rounds that no constant can win.
        skip: begin with the first doubled constant by which f is felt beside the penalty.
        shrink: the fraction of tanh's range that the box takes.

    Example:
        >>> CarliniWagnerLinf(steps=300).decrease
        0.9
    """

    threats: ClassVar[tuple[str, ...]] = ("linf",)
    steps: int = 1000
    learning_rate: float = 5e-3
    constant: float = 1e-5
    decrease: float = 0.9
    smallest: float = 1 / 256
    refinements: int = 3
    project: bool = True
    abort_early: bool = True
    skip: bool = True
    shrink: float = 0.99

    def __post_init__(self):
        check_shared(self.steps, self.learning_rate, self.constant, self.shrink)
        at_least("refinements", self.refinements, 0)
        at_least("smallest", self.smallest, 0)
        if not 0 < self.decrease < 1:
            raise InputError(f"decrease is {self.decrease}; expected a factor between 0 and 1, such as 0.9")

    def perturb(self, problem: Problem) -> None:
        """Win round after round, each image on its own."""
        box = TanhBox(problem.classifier.bounds, self.shrink)
        none = torch.zeros_like(problem.clean[:, 0])
        infinite = torch.full_like(none, torch.inf)
        descent = AdamDescent.at(box.inward(problem.images))
        first = none if self.skip else none + self.constant
        course = CarliniWagnerLinfState(descent, first, infinite, none.bool(), none + 1, infinite, none, first, none)
        follow(
            problem,
            course,
            lambda _, course: box.outward(course.descent.variable),
            lambda problem, probe, course: self._step(problem, probe, course, box),
        )

    def _step(
        self, problem: Problem, probe: Probe, course: CarliniWagnerLinfState, box: TanhBox
    ) -> CarliniWagnerLinfState:
        """Make a step of Adam, or double the constant, or go on to another tau."""
        span = box.bounds.span
        lacking = shortfall(problem.goal, probe.logits)
        slope = -span * probe.gradient(problem.goal.margin)
        course = replace(course, constant=self._begun(course.constant, slope))
        change = (probe.points - problem.images) / span
        excess = (change.abs() - column(course.tau, change)).clamp_min(0)
        penalty = excess.flatten(1).sum(1)
        loss = penalty + course.constant * lacking
        won = (lacking <= 0) & (penalty < SLACK * course.constant)
        done, mark = over(course, loss, self.steps, abort_early=self.abort_early)
        done &= ~won
        gradient = column(course.constant * (lacking > 0), change) * slope + change.sign() * (excess > 0)
        descent = course.descent.moved(gradient * box.slope(probe.points) / span, self.learning_rate, box)
        descent = descent.again(done, descent.variable).again(won, course.descent.variable)
        constant = torch.where(done, 2 * course.constant, course.constant)
        lost = done & (constant >= LARGEST)
        if self.abort_early:
            lowest, highest = _within(problem.images, course.tau, box)
            lost |= done & out_of_reach(slope / span, probe.points, lowest, highest, lacking)
        mark = mark.masked_fill(done | won, torch.inf)
        course = replace(course, descent=descent, constant=constant, mark=mark)
        size = change.flatten(1).abs().amax(1)
        return self._following(problem, course, size, won, lost, box) if bool((won | lost).any()) else course

    def _begun(self, constant: PerImage, slope: Images) -> PerImage:
        """Choose the first constant, of images that have none."""
        if not self.skip:
            return constant
        first = torch.full_like(constant, self.constant)
        return torch.where(constant > 0, constant, doubled(first, FELT / slope.flatten(1).abs().amax(1), LARGEST / 2))

    def _following(
        self, problem: Problem, course: CarliniWagnerLinfState, size: PerImage, won: Mask, lost: Mask, box: TanhBox
    ) -> CarliniWagnerLinfState:
        """Go on to another tau: below what was reached, or, once a round is lost, half-way to what failed."""
        reached = torch.where(won, torch.minimum(size, torch.minimum(course.reached, course.tau)), course.reached)
        failed = torch.where(lost, course.tau, course.failed)
        settled = torch.where(won, course.constant, course.settled)
        onward = torch.where(failed > 0, (reached + failed) / 2, self.decrease * reached)
        tau = torch.where(won | lost, onward, course.tau)
        hopeless = lost & (torch.isinf(reached) | (course.refined >= self.refinements))
        used_up = won & ((tau <= self.smallest) | ((failed > 0) & (course.refined >= self.refinements)))
        return CarliniWagnerLinfState(
            self._restarted(problem, course.descent, tau, won, lost, box),
            torch.where(lost, settled, course.constant),
            course.mark,
            hopeless | used_up,
            tau,
            reached,
            failed,
            settled,
            course.refined + ((won | lost) & (failed > 0)),
        )

    def _restarted(
        self, problem: Problem, descent: AdamDescent, tau: PerImage, won: Mask, lost: Mask, box: TanhBox
    ) -> AdamDescent:
        """Begin the next round where the last one was won."""
        known = column(lost & torch.isfinite(problem.record.size[problem.ids]), problem.images)
        start = torch.where(known, box.inward(problem.record.best[problem.ids]), descent.variable)
        if self.project:
            lowest, highest = _within(problem.images, tau.nan_to_num(posinf=1.0), box)
            start = box.inward(torch.minimum(torch.maximum(box.outward(start), lowest), highest))
        return descent.again(won | lost, start)


def _within(images: Images, tau: PerImage, box: TanhBox) -> tuple[Images, Images]:
    """Return the lowest and the highest values that tau and the box allow."""
    room = column(tau, images) * box.bounds.span
    return (images - room).clamp_min(box.bounds.lower), (images + room).clamp_max(box.bounds.upper)
