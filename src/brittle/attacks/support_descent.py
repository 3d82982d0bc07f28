"""Support descent: brittle's own search for the fewest entries or pixels."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from brittle.attacks.runs import as_many_runs, divided, far_away
from brittle.base.rows import column
from brittle.core.attack import Attack, State, Stepwise, at_least, fraction, fraction_below_one
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.maths import norms
from brittle.maths.hyperplane import smallest_step
from brittle.maths.losses import smooth_margin
from brittle.maths.schedule import cosine
from brittle.types import Images, PerImage

FASTEST, SLOWEST = 0.5, 0.02
"""By which factor the number of entries falls after a success and grows after a failure, at first and at last."""
FRACTION = 5
"""One step in so many puts changes back."""
SHORTEST = 25
"""Steps of the shortest descent that is made by default."""


@dataclass(frozen=True)
class SupportDescentState(State):
    """Where support descent stands.

    `count` entries may change, `found` says whether the goal was ever met, `average` is the running gradient, `heat`
    the first temperature of the smooth margin, `done` the number of steps.
    """

    count: PerImage
    found: Tensor
    average: Images
    heat: PerImage
    done: Tensor


@dataclass(frozen=True)
class SupportDescent(Attack):
    """The fewest entries (l0) or pixels, by an annealed choice of which of them may change.

    Brittle's own; not published elsewhere. A step of the descent costs one forward and one backward pass. Each entry is
    worth what the linear model promises: |g_i| times its room to the box in the direction of g, or what its present
    change brings, whichever is more, with g the running gradient of a smooth margin. The `count` most valuable ones go
    to the end of their room, or keep their present value where that is worth more; all others are put back. The first
    count is that of the linear model; it doubles until the goal is met. From there on it falls after a success and
    grows after a failure, fast at first and by one entry at last, never to more than one below the best known. For
    `pixels`, a pixel is worth the sum over its channels.

    The last fifth of the steps puts changes back, least valuable first, for one forward pass each: where the goal is
    still met without a group of them, the next group is twice as large, otherwise half; one that is needed on its own
    stays. The linear model overrates changes where the network bends; what it wrongly chose goes here.

    A long search is several descents, of which all but the first begin at a random point far from the image: they come
    to other supports, where more steps of one descent hardly help.

    Related: FMN (Pintor et al., NeurIPS 2021) adapts the count of its projection likewise; sigma-zero (Cina et al.,
    ICLR 2025) descends on a smooth count.

    Attributes:
        steps: most forward passes of both parts together; backward passes are fewer. Fewer than ten are all descent.
        runs: how many descents there are; by default one for every 25 of their steps.
        spread: how far from the image the later ones begin: each value is moved by up to this fraction of the bounds'
            span, and back into the box.
        momentum: fraction of the running gradient that a step keeps.
        smoothing: first temperature of the smooth margin, in units of the lead at the clean image.

    Example:
        >>> SupportDescent(steps=30).momentum
        0.95
    """

    threats: ClassVar[tuple[str, ...]] = ("l0", "pixels")
    steps: int = 100
    runs: int | None = None
    spread: float = 0.5
    momentum: float = 0.95
    smoothing: float = 0.2

    def __post_init__(self):
        at_least("steps", self.steps, 1)
        as_many_runs(self.runs, self.steps)
        at_least("smoothing", self.smoothing, 0)
        fraction("spread", self.spread)
        fraction_below_one("momentum", self.momentum)

    def perturb(self, problem: Problem) -> None:
        """Descend, from the clean image and from elsewhere, then put back what is not needed."""
        trials = self.steps // FRACTION if self.steps >= 2 * FRACTION else 0
        for number, steps in enumerate(divided(self.steps - trials, SHORTEST, self.runs)):
            _Descent(self, steps, self.spread if number else 0.0).perturb(problem)
        solved = problem.solved.nonzero()[:, 0]
        if trials and len(solved):
            _put_back(problem.rows(solved), trials)


@dataclass(frozen=True)
class _Descent(Stepwise[SupportDescentState]):
    """The part that chooses anew at every step."""

    stops: ClassVar[bool] = False
    settings: SupportDescent
    steps: int
    spread: float

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.steps

    def start(self, problem: Problem) -> SupportDescentState:
        """Begin at the clean image, or at a random point."""
        images = problem.images
        begin = far_away(problem, self.spread) if self.spread else images
        number = images.new_zeros(len(problem))
        done = torch.zeros(len(problem), dtype=torch.int64, device=images.device)
        heat = self.settings.smoothing * problem.goal.margin(problem.clean).abs()
        return SupportDescentState(begin, number, done.bool(), torch.zeros_like(images), heat, done)

    def step(self, problem: Problem, state: SupportDescentState, probe: Probe) -> SupportDescentState:
        """Choose the entries anew."""
        done = int(state.done[0])
        labels, heat = problem.goal.labels, state.heat * cosine(1, 0, done, max(1, self.steps - 1))
        sign = 1 if problem.goal.targeted else -1
        distinct = problem.goal.distinct
        gradient = probe.gradient(lambda logits: sign * smooth_margin(distinct(logits), labels, heat))
        average = self.settings.momentum * state.average + norms.steepest(gradient, 2)
        bounds, change = problem.classifier.bounds, probe.points - problem.images
        upward = torch.where(average > 0, bounds.upper - problem.images, bounds.lower - problem.images)
        promised, present = average * upward, average * change
        value = torch.maximum(promised, present)
        goes = torch.where(present > promised, change, upward)
        count = self._count(problem, state, probe, gradient, done)
        chosen = _most_valuable(value.sum(1) if problem.threat.name == "pixels" else value, count)
        chosen = chosen[:, None] if problem.threat.name == "pixels" else chosen
        x = torch.where(chosen, problem.images + goes, problem.images)
        return replace(state, x=x, count=count, found=state.found | probe.met, average=average, done=state.done + 1)

    def _count(
        self, problem: Problem, state: SupportDescentState, probe: Probe, gradient: Images, done: int
    ) -> PerImage:
        """Return how many entries may change next."""
        everything = problem.threat.max_size(torch.zeros_like(problem.images), problem.classifier.bounds)
        if not done:
            bounds = problem.classifier.bounds
            rise = (problem.goal.confidence - problem.goal.margin(probe.logits)).clamp_min(0)
            room = (bounds.lower - problem.images, bounds.upper - problem.images)
            moved = problem.images + smallest_step(gradient, rise, 1, *room)
            return torch.minimum(problem.threat.size(problem.images, moved).clamp_min(1), everything)
        factor = cosine(FASTEST, SLOWEST, done, max(1, self.steps - 1))
        best, now = problem.record.size[problem.ids], state.count
        fewer = torch.minimum(torch.minimum((now * (1 - factor)).floor(), now - 1), best - 1)
        more = torch.maximum((now * (1 + factor)).floor(), now + 1)
        more = torch.where(state.found, torch.minimum(more, best - 1), 2 * now)
        return torch.minimum(torch.where(probe.met, fewer, more).clamp_min(1), everything)


def _most_valuable(value: Tensor, count: PerImage) -> Tensor:
    """Say which entries are among the `count` most valuable of their image, and of any value at all."""
    flat = value.flatten(1)
    most = int(count.max()) if len(count) else 1
    falling = flat.topk(most, dim=1).values
    least = falling.gather(1, count.long()[:, None] - 1)
    return ((flat >= least) & (flat > 0)).reshape(value.shape)


def _put_back(problem: Problem, trials: int) -> None:
    """Put changes of the best points back, least valuable first, as long as the goal stays met."""
    clean, best = problem.images, problem.record.best[problem.ids].clone()
    gradient = problem.probe(best).gradient(problem.goal.margin)
    changed, value = best != clean, gradient * (best - clean)
    if problem.threat.name == "pixels":
        changed, value = changed.any(1, keepdim=True), value.sum(1, keepdim=True)
    rank = value.masked_fill(~changed, torch.inf).flatten(1).argsort(1).argsort(1).reshape(value.shape)
    number = changed.flatten(1).sum(1)
    position, group = torch.zeros_like(number), (number // 2).clamp_min(1)
    for _ in range(trials - 1):
        keep = ((position < number) & ~problem.record.spent(problem.ids)).nonzero()[:, 0]
        if not len(keep):
            return
        if len(keep) < len(problem):
            problem, clean, best, rank = problem.rows(keep), clean[keep], best[keep], rank[keep]
            number, position, group = number[keep], position[keep], group[keep]
        end = torch.minimum(position + group, number)
        tried = (rank >= column(position, rank)) & (rank < column(end, rank))
        trial = torch.where(tried, clean, best)
        met = problem.probe(trial, graph=False).met
        best = torch.where(column(met, best), trial, best)
        position = torch.where(met, end, position + (group == 1))
        group = torch.where(met, 2 * group, group // 2).clamp_min(1)
