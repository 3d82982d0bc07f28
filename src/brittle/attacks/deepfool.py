"""DeepFool."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from brittle.attacks.objective import top_other_classes
from brittle.base.rows import column
from brittle.core.attack import State, Stepwise, at_least
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.maths import losses, norms
from brittle.maths.hyperplane import smallest_step
from brittle.threats import Lp
from brittle.types import Images, Logits, Mask, PerImage


@dataclass(frozen=True)
class DeepFoolState(State):
    """Where DeepFool stands: `total` is the perturbation before the overshoot, `candidates` the classes considered.

    `steepness` holds the norm of each candidate's normal as it was when last differentiated, 0 while it never was.
    """

    total: Images
    candidates: Tensor
    steepness: Tensor


@dataclass(frozen=True)
class DeepFool(Stepwise[DeepFoolState]):
    """The smallest change, by stepping to the nearest linearised class boundary until it is crossed.

    Moosavi-Dezfooli, Fawzi, Frossard, CVPR 2016, algorithm 2 and section 4 (arXiv:1511.04599): with w_k = grad Z_k -
    grad Z_l and f_k = Z_k - Z_l, go to the class of the smallest |f_k| / ||w_k||_q by |f_k| |w_k|^(q-1) sign(w_k) /
    ||w_k||_q^q; the overshoot lengthens the total. A binary network is two classes, of which this is algorithm 1. A
    targeted goal goes to the target's boundary.

    As in the authors' code, a boundary is linearised where the lengthened total has led, and there are at most 50 steps
    and 10 classes; algorithm 2 linearises where the total itself has led, lengthens it at the end and names neither
    limit (the study `deepfool-robustness` measures what that makes). Deviations: where the box would cut off most of a
    step, so that it goes nowhere, the smallest step within the box is taken instead (`box`); a candidate whose boundary
    cannot be the nearest is not differentiated (`slack`); on a network in halves a step leads beyond the boundary by
    what its logits round.

    Attributes:
        steps: most linearisations; 50 in the authors' code.
        overshoot: eta, by which the total is lengthened; 0.02 in the paper.
        candidates: classes considered, by clean logit, the predicted one included; 10 in the authors' code.
        nudge: added to every distance, as a fraction of the bounds' span, so that the boundary is crossed; 1e-4 in the
            authors' code.
        slack: a candidate is differentiated again only if its boundary would be nearest after the norm of its normal,
            and that of the nearest, had changed by this factor in all since they were last known. `inf` differentiates
            all, as published.
        box: the fraction of the wanted rise that a step must bring once the box has cut it off; 0 is as published, 1
            keeps every step within the box.

    Example:
        >>> DeepFool(steps=50).overshoot
        0.02
    """

    threats: ClassVar[tuple[str, ...]] = ("l1", "l2", "linf")
    steps: int = 50
    overshoot: float = 0.02
    candidates: int = 10
    nudge: float = 1e-4
    slack: float = 2.0
    box: float = 0.1

    def __post_init__(self):
        at_least("steps", self.steps, 1)
        at_least("overshoot", self.overshoot, 0)
        at_least("candidates", self.candidates, 2)
        at_least("nudge", self.nudge, 0)
        at_least("slack", self.slack, 1)
        if not 0 <= self.box <= 1:
            raise InputError(
                f"box is {self.box}; expected a fraction from 0 (as published) to 1 (always within the box)"
            )

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.steps

    def start(self, problem: Problem) -> DeepFoolState:
        """Begin at the clean image, with its likeliest classes as candidates."""
        goal = problem.goal
        candidates = goal.labels[:, None] if goal.targeted else top_other_classes(problem, self.candidates - 1)
        steepness = torch.zeros_like(candidates, dtype=problem.images.dtype)
        return DeepFoolState(problem.images, torch.zeros_like(problem.images), candidates, steepness)

    def step(self, problem: Problem, state: DeepFoolState, probe: Probe) -> DeepFoolState:
        """Go to the nearest linearised boundary."""
        normal, rise, state = self.nearest(problem, state, probe, torch.zeros_like(probe.met))
        return self.advanced(problem, state, normal, rise)

    def advanced(self, problem: Problem, state: DeepFoolState, normal: Images, rise: PerImage) -> DeepFoolState:
        """Go as far along each normal as the rise asks for."""
        total = self._lengthened(problem, state.total, normal, rise, problem.lp)
        return replace(state, x=problem.images + (1 + self.overshoot) * total, total=total)

    def _lengthened(self, problem: Problem, total: Images, normal: Images, rise: PerImage, threat: Lp) -> Images:
        """Add the published step to the total, or the smallest one within the box where too much would be cut off."""
        images, bounds, longer = problem.images, problem.classifier.bounds, 1 + self.overshoot
        onward = total + column(rise / _norm(normal, threat.dual), normal) * threat.steepest(normal)
        here = (bounds.clamp(images + longer * total) - images) / longer
        there = (bounds.clamp(images + longer * onward) - images) / longer
        gained = (normal * (there - here)).flatten(1).sum(1)
        stuck = (gained < self.box * rise).nonzero()[:, 0]
        if len(stuck):
            lower = (bounds.lower - images[stuck]) / longer - here[stuck]
            upper = (bounds.upper - images[stuck]) / longer - here[stuck]
            onward[stuck] = here[stuck] + smallest_step(normal[stuck], rise[stuck], threat.p, lower, upper)
        return onward

    def nearest(
        self, problem: Problem, state: DeepFoolState, probe: Probe, crossed: Mask
    ) -> tuple[Images, PerImage, DeepFoolState]:
        """Return each image's nearest boundary: its normal and the rise wanted along it; and what was learnt.

        Of images that have `crossed` a boundary it is that boundary's normal, the rise means nothing, and nothing is
        learnt: they share the backward pass of the others' first boundaries.
        """
        goal, q = problem.goal, problem.lp.dual
        labels = losses.others(probe.logits, goal.labels).argmax(1) if goal.targeted else goal.labels

        def gaps(logits: Logits, rows: Tensor) -> Tensor:
            aims = goal.rows(rows)
            distinct = aims.distinct(logits)
            found = distinct.gather(1, candidates[rows]) - distinct.gather(1, labels[rows, None])
            return torch.where(crossed[rows, None], aims.margin(logits)[:, None], found)

        candidates, everyone = state.candidates, torch.arange(len(state.x), device=state.x.device)
        candidates, steepness, depth = self._ordered(state, gaps(probe.logits, everyone).abs())
        height = gaps(probe.logits, everyone).abs()
        best = torch.full_like(height[:, 0], torch.inf)
        normal, rise, steepness = torch.zeros_like(state.x), torch.zeros_like(best), steepness.clone()
        first = bool((state.steepness == 0).all())  # all images make their first step together, and need all candidates
        for j, rows, gradients in probe.sweep(gaps, None if first else depth.masked_fill(crossed, 1)):
            norm = _norm(gradients, q)
            distance = _distance(height[rows, j], norm)
            closer = distance < best[rows]
            steepness[rows, j] = norm
            best[rows] = torch.where(closer, distance, best[rows])
            beyond = self.nudge * problem.classifier.bounds.span
            rise[rows] = torch.where(closer, (distance + beyond) * norm, rise[rows])
            normal[rows] = torch.where(column(closer, gradients), gradients, normal[rows])
        rise = rise + problem.noise(probe.logits)
        learnt = replace(state, candidates=candidates, steepness=steepness)
        return normal, rise, learnt.where(~crossed, state)

    def _ordered(self, state: DeepFoolState, height: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Order the candidates by their distance as far as it is known, and say how many of them each image needs."""
        known = state.steepness > 0
        distance = torch.where(known, _distance(height, state.steepness), torch.zeros_like(height))
        distance, order = distance.sort(dim=1, stable=True)
        needed = ~known.gather(1, order) | (distance <= self.slack * distance[:, :1])
        return state.candidates.gather(1, order), state.steepness.gather(1, order), needed.sum(1)


def _distance(height: Tensor, norm: Tensor) -> Tensor:
    """Measure how far a linearised boundary is away; one without a slope is nowhere, also where its height is 0."""
    return torch.where(norm > torch.finfo(norm.dtype).tiny ** 0.5, height / norm, torch.inf)


def _norm(gradients: Images, q: float) -> Tensor:
    """Measure normals; a vanishing one gets the smallest norm there is, so that its boundary is infinitely far away."""
    return norms.size(gradients, q).clamp_min(torch.finfo(gradients.dtype).tiny ** 0.5)
