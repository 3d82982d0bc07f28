"""Carlini & Wagner's attack in the 2-norm."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from brittle.attacks.carlini_wagner import (
    AdamDescent,
    CarliniWagnerState,
    TanhBox,
    check_shared,
    follow,
    over,
    shortfall,
)
from brittle.base.rows import column
from brittle.core.attack import Attack, at_least
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.types import Images, Mask, PerImage

LARGEST = 1e10
"""No constant beyond this one is tried (the authors' upper bound)."""


@dataclass(frozen=True)
class CarliniWagnerL2State(CarliniWagnerState):
    """Where each image stands in the search for its constant.

    Attributes:
        low, high: the largest constant that failed and the smallest that succeeded, (n,).
        won: whether the goal was met at the present constant, (n,).
        tried: how many constants it has had, of those that count, (n,).
        used: how many steps it has made at all constants, (n,).
    """

    low: PerImage
    high: PerImage
    won: Mask
    tried: PerImage
    used: PerImage


@dataclass(frozen=True)
class CarliniWagnerL2(Attack):
    """The smallest change in the 2-norm, by descending on its square plus c times what is lacking to the goal.

    Carlini & Wagner, IEEE S&P 2017, sections V and VI-A (arXiv:1608.04644): minimise ||x' - x||_2^2 + c f(x') over w,
    where x' = (tanh(w) + 1) / 2 and f = max(max_{i != t} Z_i - Z_t, -kappa), by Adam. Each image's c grows tenfold
    until it succeeds and is then bisected. kappa is the goal's `confidence`. Every image has its own constant, its own
    Adam and its own early stop, and goes on to its next constant at once; all of them share the passes.

    Deviations: where tanh is flat nothing moves, so the box takes less than the whole of its range (`shrink`); a new
    constant goes on from the best point known (`warm`); what early stops save is spent on images that have not had all
    of their constants since the first success (`carry`). An image that lacks nothing needs no backward pass.
    `CarliniWagnerL2(shrink=0.999999, warm=False, carry=False)` is as published.

    f is in logits, as published, so that what the first constants are worth depends on the scale of the logits.

    Attributes:
        searches: constants tried per image; 9 in the authors' code.
        steps: of Adam at each constant; 1000, as the authors run it (10,000 is their default).
        learning_rate: of Adam, on w; 0.01.
        constant: the first c; 1e-3. Squares of changes are measured with the bounds' span as unit.
        abort_early: give a constant up where a tenth of the steps gains less than 1e-4 of the loss.
        shrink: the fraction of tanh's range that the box takes.
        warm: begin each constant where the best point lies, or, before there is one, where the last one ended;
            otherwise at the clean image.
        carry: count the constants from the first successful one on, while the image has made fewer than searches x
            steps steps in all; otherwise all constants count.

    Example:
        >>> CarliniWagnerL2(searches=3, steps=300).learning_rate
        0.01
    """

    threats: ClassVar[tuple[str, ...]] = ("l2",)
    searches: int = 9
    steps: int = 1000
    learning_rate: float = 1e-2
    constant: float = 1e-3
    abort_early: bool = True
    shrink: float = 0.99
    warm: bool = True
    carry: bool = True

    def __post_init__(self):
        at_least("searches", self.searches, 1)
        check_shared(self.steps, self.learning_rate, self.constant, self.shrink)

    def perturb(self, problem: Problem) -> None:
        """Descend until every image has had its constants."""
        box = TanhBox(problem.classifier.bounds, self.shrink)
        none = torch.zeros_like(problem.clean[:, 0])
        never, infinite = none.bool(), torch.full_like(none, torch.inf)
        descent = AdamDescent.at(box.inward(problem.images))
        search = CarliniWagnerL2State(descent, none + self.constant, infinite, never, none, infinite, never, none, none)
        follow(
            problem,
            search,
            lambda _, search: box.outward(search.descent.variable),
            lambda problem, probe, search: self._step(problem, probe, search, box),
        )

    def _step(self, problem: Problem, probe: Probe, search: CarliniWagnerL2State, box: TanhBox) -> CarliniWagnerL2State:
        """Make a step of Adam, or go on to the next constant."""
        change = (probe.points - problem.images) / box.bounds.span
        lacking = shortfall(problem.goal, probe.logits)
        loss = change.flatten(1).square().sum(1) + search.constant * lacking
        done, mark = over(search, loss, self.steps, abort_early=self.abort_early, warm=self.warm)
        done |= search.used >= self.searches * self.steps - 1
        search = replace(search, mark=mark, won=search.won | problem.goal.met(probe.logits), used=search.used + 1)
        gradient = 2 / box.bounds.span * change
        gradient += column(search.constant, change) * _pull(probe, (lacking > 0) & ~done)
        descent = search.descent.moved(gradient * box.slope(probe.points), self.learning_rate, box)
        search = replace(search, descent=descent)
        return self._following(problem, search, done, box) if bool(done.any()) else search

    def _following(
        self, problem: Problem, search: CarliniWagnerL2State, done: Mask, box: TanhBox
    ) -> CarliniWagnerL2State:
        """Go on to the next constant, ten times as large or half-way, where the present one is done."""
        low = torch.where(done & ~search.won, torch.maximum(search.low, search.constant), search.low)
        high = torch.where(done & search.won, torch.minimum(search.high, search.constant), search.high)
        onward = torch.where(torch.isinf(high), 10 * search.constant, (low + high) / 2)
        constant = torch.where(done, onward, search.constant)
        tried = search.tried + (done & torch.isfinite(high) if self.carry else done)
        used_up = (tried >= self.searches) | (search.used >= self.searches * self.steps)
        return CarliniWagnerL2State(
            search.descent.again(done, self._starts(problem, search, box)),
            constant,
            search.mark.masked_fill(done, torch.inf),
            done & (used_up | (constant > LARGEST)),
            low,
            high,
            search.won & ~done,
            tried,
            search.used,
        )

    def _starts(self, problem: Problem, search: CarliniWagnerL2State, box: TanhBox) -> Tensor:
        """Return where the next constant begins."""
        if not self.warm:
            return box.inward(problem.images)
        known = column(torch.isfinite(problem.record.size[problem.ids]), problem.images)
        return torch.where(known, box.inward(problem.record.best[problem.ids]), search.descent.variable)


def _pull(probe: Probe, needing: Mask) -> Images:
    """Differentiate f by the images that need it; where none does this costs no pass."""
    goal, gradient = probe.problem.goal, torch.zeros_like(probe.points)
    for _, rows, part in probe.sweep(lambda logits, at: -goal.rows(at).margin(logits)[:, None], needing.long()):
        gradient[rows] = part
    return gradient
