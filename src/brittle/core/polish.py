"""The last per cent: what an attack has found is made smaller by the linear region that it lies in."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from brittle.core.attack import Attack, asking, at_least, nothing_returned, telling_whose
from brittle.core.problem import UNCERTAIN, Problem
from brittle.core.region import Region, Sight, sight_of
from brittle.maths.concave_programme import Vector, smallest_change
from brittle.threats import Threat
from brittle.types import Images

GAIN = 1e-4
"""Relative gain of a programme below which it is the last."""


@dataclass(frozen=True)
class Polish(Attack):
    """Run an attack, then make what it has found smaller by exact programmes on the network's linear pieces.

    Brittle's own. Networks of ReLUs and maximum poolings are linear between their bends. Around the best point the
    height of the other class over the label's is written as that linear function, less what the units take away whose
    bends turn it down, each with a variable of its own (the concave part of the function; its convex part is replaced
    by the tangent below it, as the convex-concave procedure does: Yuille & Rangarajan, Neural Computation 15, 2003).
    The smallest change within the box for which it stays above zero is a linear programme in l1 and linf, a quadratic
    one in l2. What it gives is shown to the network: where it holds, the next programme starts there; where it does
    not, the units whose bends it has crossed are added, or the step is held shorter. So a programme crosses bends in
    both directions, and ends where no point near by is smaller, which first-order searches only come close to.

    Within a radius an image that the attack has left unbroken is started from its point of largest margin. What earlier
    attacks of a cascade, or earlier runs of restarts, have found plays no part, so that each run polishes its own.

    Networks without such units, images of more values than `entries`, randomised networks, and changes that are not
    measured in l1, l2 or linf are left as the attack leaves them, at the cost of one forward pass or none.

    Attributes:
        attack: what to run first.
        programmes: most programmes for each image.
        rows: most units that are added after a programme; each costs a forward and a backward pass.
        entries: most values of an image; a programme takes a tenth of a second for 784 and several for 3,072.

    Example:
        >>> from brittle.attacks.deepfool import DeepFool
        >>> Polish(DeepFool()).programmes
        30
    """

    adds_gradients: ClassVar[bool] = True
    attack: Attack
    programmes: int = 30
    rows: int = 48
    entries: int = 4096

    def __post_init__(self):
        for name, value in (("programmes", self.programmes), ("rows", self.rows), ("entries", self.entries)):
            at_least(name, value, 1)

    def check(self, threat: Threat) -> None:
        """Refuse what the attack refuses."""
        self.attack.check(threat)

    def perturb(self, problem: Problem) -> None:
        """Run the attack as if it were the first; then go through the images one by one."""
        record = problem.record
        problem = replace(problem, record=record.apart(problem.ids, problem.threat.zero(problem.images)))
        with telling_whose(self.attack):
            nothing_returned(self.attack, self.attack.perturb(asking(self.attack, problem)))
        self._polish(problem)
        record.join(problem.record, problem.ids)

    def _polish(self, problem: Problem) -> None:
        """Go through the images that are not broken within the radius, or all of them where there is none."""
        if not may_be_polished(problem, self.entries) or problem.threat.name not in self.threats:
            return
        for place in range(len(problem)):
            one = problem.rows(torch.tensor([place], device=problem.ids.device))
            if not (one.threat.bounded and bool(one.solved)):
                polish_from(one, one.record.best[one.ids], self.programmes, self.rows)


def may_be_polished(problem: Problem, entries: int) -> bool:
    """Say whether images are small enough for programmes, and seen once."""
    return problem.images[0].numel() <= entries and problem.eot_samples == 1


def polish_from(problem: Problem, point: Images, programmes: int, rows: int) -> None:
    """Go from programme to programme for one image.

    Args:
        problem: of the image.
        point: where to begin, (1, c, h, w).
        programmes: most of them.
        rows: most units that are added after one.
    """
    seen = sight_of(problem, point)
    if seen is None:
        return
    region, reach = seen.region(), problem.classifier.bounds.span
    aim = _aim(region)
    for _ in range(programmes):
        change = _programme(region, aim, reach)
        if change is None:
            break
        trial = _moved(problem, change)
        if not _gains(region.sight, trial):
            break
        problem.record.passes.add(problem.ids, iterations=1)
        new = sight_of(problem, trial)
        if new is None:
            break
        if new.margin >= aim / 2 if region.sight.margin > 0 else new.margin > region.sight.margin:
            known, reach = region.tight(change), 2 * reach
            region = new.region()
            if (new.margin >= aim / 2 and _offered(new)) or not region.learn(known):
                break
        elif units := region.crossed(new)[:rows]:
            if not region.learn(units):
                break
        else:
            reach = float(abs(change - region.change).max()) / 4


def _aim(region: Region) -> float:
    """Return how far beyond the boundary a change is to lead: twice as far as it must to count in any batch.

    Logits near 0 may be small differences of large sums, which round as their terms do.
    """
    logits, problem, point = region.sight.graph.logits, region.sight.problem, region.sight.point
    terms = float(abs(region.gradient) @ point.detach().flatten().double().abs().cpu().numpy())
    unit = max(float(problem.unit(logits)), torch.finfo(logits.dtype).eps * terms)
    return (4 if problem.threat.bounded else 2 * UNCERTAIN) * unit + 2 * float(problem.noise(logits))


def _programme(region: Region, aim: float, reach: float) -> Vector | None:
    """Solve for the smallest change that the region promises to be enough, at most `reach` from the point."""
    problem = region.sight.problem
    images, now = problem.images.detach().flatten().double().cpu().numpy(), region.change
    lower, upper = problem.classifier.bounds.lower - images, problem.classifier.bounds.upper - images
    low, high = (now - reach).clip(min=lower), (now + reach).clip(max=upper)
    return smallest_change(region.concave(), aim, problem.lp.p, low.clip(max=high), high)


def _moved(problem: Problem, change: Vector) -> Images:
    """Return the point that a change leads to."""
    step = torch.from_numpy(change).to(problem.images).reshape(problem.images.shape)
    return problem.classifier.bounds.clamp(problem.images + step)


def _gains(here: Sight, trial: Images) -> bool:
    """Say whether a point is worth a look: a smaller one, where the goal is met here."""
    if here.margin <= 0:
        return True
    return float(here.problem.threat.size(here.problem.images, trial)) < (1 - GAIN) * here.size


def _offered(new: Sight) -> bool:
    """Show a point that meets the goal to the record, if it is allowed; say whether it was all that was wanted."""
    problem = new.problem
    size = problem.threat.size(problem.images, new.point)
    if bool(problem.threat.allows(size, problem.classifier.bounds.span)):
        problem.probe(new.point, graph=False)
    return problem.threat.bounded and bool(problem.solved)
