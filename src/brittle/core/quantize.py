"""The grid of values that a file can hold, and the search for an adversarial image on it.

Rounding to the nearest of 256 levels moves every value by up to half a level, and with it a small change back across
the boundary. Carlini and Wagner ("Towards Evaluating the Robustness of Neural Networks", S&P 2017, section V.D) mend
that by trying values one after the other. Here the margin is linearised around the point found; which values go up and
which down is then a knapsack: the most margin for the least size. Its solutions lie on a ladder, one rung per value
moved, best bargain first; the network itself says, by bisection over the rungs, how far up the goal is met. The search
starts again from what it found, with a fresh gradient, while that gains anything.
"""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from brittle.base.rows import Rows, column
from brittle.core.goal import Goal
from brittle.core.ladder import CandidatePath, Neighbourhood, ladder
from brittle.core.problem import Problem
from brittle.core.record import Record
from brittle.errors import ModelError
from brittle.threats.grid import QuantizationGrid
from brittle.types import Images, Logits, Mask, PerImage

ROUNDS = 12
"""Most linearisations of an image that is not yet broken; each may move every value by one level more."""
REFINEMENTS = 4
"""Most linearisations after the first that succeeded."""
PROBES = 8
"""Most rungs looked at on each ladder."""
GAIN = 2e-3
"""A refinement that saves less than this fraction of the size is the last one."""
NOISE = 16
"""How many units in the last place of the largest logit the margin must hold beyond the goal's, so that the saved image
is adversarial in another batch and on another machine too."""


def quantize(grid: QuantizationGrid, problem: Problem, solved: Tensor, budget: int | None = None) -> Problem:
    """Search a point of the grid for every image that an attack has broken, and put all other points on the grid too.

    Args:
        grid: where to look.
        problem: as the attack leaves it; its record says what was found.
        solved: positions of the images that were broken.
        budget: most passes of an image, attack and search together.

    Returns:
        The problem with a record of points of the grid: `size` is infinite where none meets the goal. Its passes are
        those of attack and search together.
    """
    before = problem.record
    after = Record(problem.images, budget=budget)
    after.passes = before.passes
    after.nonfinite_outputs, after.nonfinite_gradients = before.nonfinite_outputs, before.nonfinite_gradients
    after.zero_gradients = before.zero_gradients
    after.verified, after.disputed = before.verified, before.disputed
    nearest = Neighbourhood.around(grid.numbers(problem.images), grid.numbers(before.best), grid.top).nearest
    after.best = grid.images(nearest, problem.images.dtype)
    untouched = (before.best == problem.images).flatten(1).all(1)
    after.best = torch.where(column(untouched, after.best), before.best, after.best)
    if len(solved):
        firm = _StrictGoal(problem.goal.labels, problem.goal.confidence, inner=problem.goal)
        _search(grid, replace(problem, record=after, goal=firm).rows(solved), before.best[solved])
    after.trace = before.trace
    return replace(problem, record=after)


@dataclass(frozen=True)
class _StrictGoal(Goal):
    """Another goal, met by more than the rounding noise of the logits."""

    inner: Goal = field(kw_only=True)

    def met(self, logits: Logits) -> Mask:
        return self.inner.met(logits) & (self.beyond(logits) >= 0)

    def reached(self, logits: Logits) -> Mask:
        return self.inner.reached(logits)

    def margin(self, logits: Logits) -> PerImage:
        return self.inner.margin(logits)

    def beyond(self, logits: Logits) -> PerImage:
        """Measure the margin beyond what is demanded."""
        noise = NOISE * torch.finfo(logits.dtype).eps * logits.abs().amax(1)
        return self.inner.margin(logits) - self.confidence - noise


def _firm(problem: Problem) -> _StrictGoal:
    assert isinstance(problem.goal, _StrictGoal)
    return problem.goal


@dataclass(frozen=True)
class _Search(Rows):
    """What the search remembers of each image: where it stands, in levels, and what it has.

    Attributes:
        clean: the clean image.
        centre: the point around which the margin is linearised; the attack's at first, then the best on the grid.
        size: the smallest so far.
        refined: how often the search has gone on after a success.
    """

    clean: Images
    centre: Images
    size: PerImage
    refined: Tensor


def _search(grid: QuantizationGrid, problem: Problem, found: Images) -> None:
    """Linearise and climb, image by image until it is broken and refinement gains nothing."""
    count = len(problem)
    nothing = found.new_full((count,), torch.inf)
    refined = torch.zeros(count, dtype=torch.int64, device=found.device)
    state = _Search(grid.numbers(problem.images), grid.numbers(found), nothing, refined)
    at, slopes = found, True
    for _ in range(ROUNDS):
        beyond, slope, slopes = _linearised(problem, at, slopes)
        rungs = ladder(problem.threat, state.clean, state.centre, slope * grid.bounds.span / grid.top, beyond, grid.top)
        nearest = _climbed(grid, problem, rungs, state.centre)
        size = problem.record.size[problem.ids]
        solved = torch.isfinite(size)
        best = grid.numbers(problem.record.best[problem.ids])
        going = ~solved | (size < (1 - GAIN) * state.size)
        refined = state.refined + solved.to(torch.int64)
        centre = torch.where(column(solved, best), best, nearest)
        keep = (going & (refined <= REFINEMENTS)).nonzero()[:, 0]
        if not len(keep):
            return
        state, problem = _Search(state.clean, centre, size, refined).rows(keep), problem.rows(keep)
        at = grid.images(state.centre, problem.images.dtype)


def _linearised(problem: Problem, at: Images, slopes: bool) -> tuple[PerImage, Images, bool]:
    """Return the margin beyond what is demanded, its gradient, and whether the network has gradients at all.

    Where there is none, or it vanishes, the margin is taken to grow along the change as it did on the way from the
    clean image.
    """
    goal = _firm(problem)
    logits, slope = None, torch.zeros_like(at)
    if slopes:
        try:
            probe = problem.unrecorded(at)
            logits = probe.logits
            slope = probe.gradient(goal.inner.margin)
        except ModelError:
            slopes = False
    with torch.no_grad():
        logits = problem.judge(at) if logits is None else logits
        beyond = goal.beyond(logits)
        change = at - problem.images
        squared = change.square().flatten(1).sum(1).clamp_min(torch.finfo(at.dtype).tiny)
        secant = column((beyond - goal.beyond(problem.clean)) / squared, change) * change
        usable = torch.isfinite(slope).flatten(1).all(1) & slope.flatten(1).any(1)
        return beyond, torch.where(column(usable, slope), slope, secant), slopes


@torch.no_grad()
def _climbed(grid: QuantizationGrid, problem: Problem, rungs: CandidatePath, centre: Images) -> Images:
    """Bisect over the rungs of each image's ladder; return the points of the largest margins seen, in levels."""
    count, dtype = len(problem), problem.images.dtype
    everyone = torch.arange(count, device=centre.device)
    allowed = rungs.highest(
        lambda numbers: problem.threat.allows(
            problem.threat.size(problem.images, grid.images(numbers, dtype)), grid.bounds.span
        )
    )
    low, high = torch.full_like(allowed, -1), allowed + 1  # not enough; enough, or past the end
    offset, reach, nearest = torch.zeros_like(rungs.curve[:, 0]), torch.full_like(rungs.curve[:, 0], -torch.inf), centre
    for turn in range(PROBES):
        known = high <= allowed
        guess = rungs.first(-offset)
        if turn % 2:  # the linear model may be wrong: halve the bracket, or see whether the top suffices
            guess = torch.where(known, (low + high) // 2, allowed)
        rung = torch.maximum(torch.minimum(guess, high - 1), low + 1)
        keep = (high - low > 1 + (high * GAIN).long()).nonzero()[:, 0]
        if not len(keep):
            break
        numbers = rungs.rows(keep).at(rung[keep])
        probe = problem.rows(keep).probe(grid.images(numbers, dtype), graph=False)
        beyond = _firm(probe.problem).beyond(probe.logits)
        better = everyone[keep][beyond > reach[keep]]
        nearest = nearest.index_copy(0, better, numbers[beyond > reach[keep]])
        reach = reach.index_copy(0, better, beyond[beyond > reach[keep]])
        offset = offset.index_copy(0, keep, beyond - rungs.curve[keep, rung[keep]])
        high = high.index_copy(0, keep, torch.where(probe.met, rung[keep], high[keep]))
        low = low.index_copy(0, keep, torch.where(probe.met, low[keep], rung[keep]))
    return nearest
