"""FAB, the fast adaptive boundary attack."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from brittle.attacks.objective import drawn_direction, top_other_classes
from brittle.base.rows import column
from brittle.core.attack import Attack, State, Stepwise, at_least, fraction_above_zero
from brittle.core.combinators import Cascade
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.maths import norms
from brittle.maths.hyperplane import smallest_step
from brittle.maths.losses import others
from brittle.types import Images, Labels, Logits, Mask, PerImage

FARTHEST = {"linf": 0.3, "l2": 1.0, "l1": 5.0}
"""Most that a random start is away from the image, where no radius is given and nothing has been found, for values of
0..1: the epsilon of the published code."""


@dataclass(frozen=True)
class FABState(State):
    """Where each image stands; `x` is the point proposed next.

    Attributes:
        candidates: the classes whose boundaries are looked at, (n, j).
        done: how many steps have been made.
    """

    candidates: Tensor
    done: int = 0


@dataclass(frozen=True)
class FAB(Attack):
    """Steps to the linearised boundary that are drawn towards the clean image, and back from every point beyond it.

    Croce & Hein, ICML 2020 (arXiv:1907.02044), algorithm 1. With d the smallest step within the box from x_k to the
    hyperplane of the nearest class and d0 the same from the image x,
    x_{k+1} = C((1 - alpha) (x_k + eta d) + alpha (x + eta d0)) with alpha = min(||d|| / (||d|| + ||d0||), alpha_max);
    a point across the boundary is followed by x + beta (x_{k+1} - x). All projections are exact and within the box.

    With `targets` it is FAB-T of AutoAttack: so many runs, each to the boundary between the label and one of the most
    likely other classes of the clean image, with one gradient a step instead of one for each class.

    Deviations: the search at the end of the paper's section 3.5 is left out, as in AutoAttack. A random start that lies
    across the boundary is brought back like any point. Without `targets` only the `candidates` likeliest classes are
    looked at (all, up to 10 classes). Where a radius is given, an image leaves as soon as it is broken within it.
    On a network in halves the boundary is aimed at beyond what its logits round.

    Attributes:
        steps: boundary steps of a run; 100 in AutoAttack. The first costs a pass forward, and one back for each class
            that is looked at; the others one forward more: only where a step leads shows from where to go on.
        restarts: runs for each target, or without one; all but the first start at a random point. 1 in AutoAttack's
            standard version, 5 in plus.
        targets: how many classes are aimed at one after the other; 0 for none, 9 in FAB-T.
        overshoot: eta; 1.05 in the paper.
        pull: alpha_max, the largest fraction of the step from the image; 0.1 in the paper.
        back: beta; 0.9 in the paper.
        candidates: most classes among which the nearest boundary is looked for.

    Example:
        >>> FAB(targets=9).steps
        100
    """

    threats: ClassVar[tuple[str, ...]] = ("l1", "l2", "linf")
    steps: int = 100
    restarts: int = 1
    targets: int = 0
    overshoot: float = 1.05
    pull: float = 0.1
    back: float = 0.9
    candidates: int = 10

    def __post_init__(self):
        at_least("steps", self.steps, 1)
        at_least("restarts", self.restarts, 1)
        at_least("targets", self.targets, 0)
        at_least("overshoot", self.overshoot, 1)
        at_least("candidates", self.candidates, 2)
        fraction_above_zero("pull", self.pull)
        fraction_above_zero("back", self.back)

    def perturb(self, problem: Problem) -> None:
        """Make the runs, each on the images that the earlier ones left; without a radius on all of them."""
        if self.targets and problem.goal.targeted:
            raise InputError(f"targets={self.targets} aims at other classes in turn, but the goal names its own target")
        places = range(min(self.targets, problem.clean.shape[1] - 1)) if self.targets else (None,)
        runs = tuple(_Run(self, place, scattered=restart > 0) for place in places for restart in range(self.restarts))
        if problem.threat.bounded:
            Cascade(runs).perturb(problem)
        else:
            for run in runs:
                run.perturb(problem)


@dataclass(frozen=True)
class _Run(Stepwise[FABState]):
    """One run, to the boundary with the class at a place among the likeliest others, or with all the candidates."""

    stops: ClassVar[bool] = False
    settings: FAB
    place: int | None
    scattered: bool

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.settings.steps

    def start(self, problem: Problem) -> FABState:
        """Begin at the clean image, or at half the smallest size known (or the radius) away from it."""
        return FABState(self._elsewhere(problem) if self.scattered else problem.images, self._rivals(problem))

    def _rivals(self, problem: Problem) -> Tensor:
        if problem.goal.targeted:
            return problem.goal.labels[:, None]
        if self.place is None:
            return top_other_classes(problem, self.settings.candidates - 1)
        return top_other_classes(problem, self.place + 1)[:, self.place :]

    def _elsewhere(self, problem: Problem) -> Images:
        threat, images = problem.threat, problem.images
        known = problem.record.size[problem.ids]
        radius = torch.as_tensor(threat.radius, dtype=images.dtype, device=images.device)
        first = FARTHEST[threat.name] * problem.classifier.bounds.span
        most = torch.where(torch.isfinite(radius), radius, torch.where(torch.isfinite(known), known, first))
        length = column(torch.minimum(known, most) / 2, images)
        return problem.classifier.bounds.clamp(images + length * drawn_direction(problem))

    def over(self, problem: Problem, state: FABState, probe: Probe) -> Mask:
        """Within a radius an image is done as soon as it is broken."""
        return problem.solved if problem.threat.bounded else torch.zeros_like(probe.met)

    def differentiates(self, done: int) -> bool:
        """Only the clean image is known to lie on this side; elsewhere the point to go on from is looked at anew."""
        return not (done or self.scattered)

    def step(self, problem: Problem, state: FABState, probe: Probe) -> FABState:
        """Come back from points across the boundary; then go to it.

        Where an image goes on from is looked at anew also where it is the same point. The pass that was made would
        serve it too, but most points have come across, and that would lead all of them through its backward passes.
        """
        if not self.differentiates(state.done):
            shorter = problem.images + self.settings.back * (probe.points - problem.images)
            across = problem.goal.met(probe.logits)
            probe = problem.probe(torch.where(column(across, shorter), shorter, probe.points))
        return replace(state, x=self._moved(problem, state, probe), done=state.done + 1)

    def _moved(self, problem: Problem, state: FABState, probe: Probe) -> Images:
        """Mix the steps from here and from the image to the boundary that is nearest here."""
        threat, images, settings = problem.lp, problem.images, self.settings
        here = probe.points
        normal, rise = _nearest(problem, state.candidates, probe, threat.dual)
        from_here = _to_plane(problem, here, normal, rise)
        missing = rise - (normal * (images - here)).flatten(1).sum(1)
        from_image = _to_plane(problem, images, normal, missing)
        near, far = norms.size(from_here, threat.p).clamp_min(1e-8), norms.size(from_image, threat.p).clamp_min(1e-8)
        fraction = column((near / (near + far)).clamp_max(settings.pull), here)
        return (here + settings.overshoot * from_here) * (1 - fraction) + (
            images + settings.overshoot * from_image
        ) * fraction


def _nearest(problem: Problem, candidates: Tensor, probe: Probe, q: float) -> tuple[Images, PerImage]:
    """Return the normal of the boundary nearest to each point and how much must be gained along it (or lost, < 0)."""
    labels = _opponents(problem, probe.logits)

    def gaps(logits: Logits, rows: Tensor) -> Tensor:
        distinct = problem.goal.rows(rows).distinct(logits)
        return distinct.gather(1, candidates[rows]) - distinct.gather(1, labels[rows, None])

    height = gaps(probe.logits, torch.arange(len(probe), device=candidates.device)) - problem.goal.confidence
    normal, rise = torch.zeros_like(probe.points), -height[:, 0]
    least = torch.full_like(rise, torch.inf)
    for j, rows, gradients in probe.sweep(gaps):
        norm = norms.size(gradients, q)
        distance = torch.where(norm > 0, height[rows, j].abs() / norm, torch.inf)
        closer = (distance < least) | (j == 0)
        least = torch.where(closer, distance, least)
        rise = torch.where(closer, -height[rows, j], rise)
        normal = torch.where(column(closer, gradients), gradients, normal)
    return normal, rise + problem.noise(probe.logits)


def _opponents(problem: Problem, logits: Logits) -> Labels:
    """Return the class on the other side: the label, or the best one but the target."""
    if not problem.goal.targeted:
        return problem.goal.labels
    return others(logits, problem.goal.labels).argmax(1)


def _to_plane(problem: Problem, x: Images, normal: Images, rise: PerImage) -> Images:
    """Return the smallest step within the box from `x` to where a linear function has grown (or fallen) by `rise`."""
    threat, bounds = problem.lp, problem.classifier.bounds
    facing = normal * column(torch.where(rise < 0, -1.0, 1.0).to(rise.dtype), normal)
    return smallest_step(facing, rise.abs(), threat.p, bounds.lower - x, bounds.upper - x)
