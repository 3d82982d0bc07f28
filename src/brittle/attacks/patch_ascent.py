"""Signed steps within a patch, at the place where the loss reacts most, or within a frame."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from brittle.attacks.objective import Loss, objective
from brittle.core.attack import State, Stepwise, at_least, fraction_below_one
from brittle.core.combinators import Cascade, Restarts
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.maths.schedule import cosine
from brittle.types import Images


@dataclass(frozen=True)
class PatchState(State):
    """Where the content stands, its older directions, which pixels are covered, and how many steps were made."""

    velocity: Tensor
    covered: Tensor
    done: Tensor


@dataclass(frozen=True)
class PatchAscent(Stepwise[PatchState]):
    """The content of a patch, or of a frame, that breaks one image, by signed steps with momentum.

    After Karmon, Zoran & Goldberg, "LaVAN: localized and visible adversarial noise", ICML 2018, section 3, which moves
    the content of a patch at a given place along the gradient. Ours: the first place is the one whose content, moved to
    the ends of the box, would raise the loss by most if it were as linear as at the clean image, later restarts take
    random ones; steps are signs, and shrink along a cosine to nothing.

    Attributes:
        steps: at each place.
        restarts: how many places are tried, as long as the image stands; of a frame there is one, with other contents.
        step_size: of the first step, as a fraction of the bounds' span.
        momentum: fraction of the older directions that is kept at each step.
        loss: margin, scaled, dlr or cross_entropy, as of `PGD`.
        random_place: begin at a random place with random content; so do all restarts but the first.

    Example:
        >>> PatchAscent(steps=20).restarts
        3
    """

    threats: ClassVar[tuple[str, ...]] = ("patch", "frame")
    needs_radius: ClassVar[bool] = True
    steps: int = 40
    restarts: int = 3
    step_size: float = 0.3
    momentum: float = 0.9
    loss: Loss = "margin"
    random_place: bool = False

    def __post_init__(self):
        at_least("steps", self.steps, 1)
        at_least("restarts", self.restarts, 1)
        at_least("step_size", self.step_size, 0)
        fraction_below_one("momentum", self.momentum)

    def perturb(self, problem: Problem) -> None:
        """Run the loop, again at other places where the image stands."""
        if self.restarts == 1:
            super().perturb(problem)
            return
        once = replace(self, restarts=1)
        Cascade((once, Restarts(replace(once, random_place=True), self.restarts - 1))).perturb(problem)

    def start(self, problem: Problem) -> PatchState:
        """Begin with the clean image, or with a random patch."""
        clean = problem.images
        if not self.random_place:
            return self._begun(clean, clean)
        return self._begun(clean, problem.threat.draw(clean, problem.streams, problem.ids, problem.classifier.bounds))

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.steps

    def step(self, problem: Problem, state: PatchState, probe: Probe) -> PatchState:
        """Choose a place where there is none yet, and climb."""
        slope = probe.gradient(objective(problem, self.loss, 0.0))
        chosen = self.random_place or int(state.done[0]) > 0
        covered = state.covered if chosen else _best_place(problem, slope)
        scale = slope.abs().flatten(1).mean(1).clamp_min(torch.finfo(slope.dtype).tiny)
        velocity = self.momentum * state.velocity + slope / scale[:, None, None, None]
        bounds = problem.classifier.bounds
        length = self.step_size * bounds.span * cosine(1, 0, int(state.done[0]), self.steps)
        moved = bounds.clamp(state.x + length * velocity.sign())
        return PatchState(torch.where(covered, moved, problem.images), velocity, covered, state.done + 1)

    @staticmethod
    def _begun(clean: Images, moved: Images) -> PatchState:
        done = torch.zeros(len(clean), dtype=torch.int64, device=clean.device)
        return PatchState(moved, torch.zeros_like(clean), _covered(clean, moved), done)


def _best_place(problem: Problem, slope: Images) -> Tensor:
    """Say which pixels are covered where moving them to the ends of the box would gain most, (n, 1, h, w)."""
    clean, bounds, nothing = problem.images, problem.classifier.bounds, torch.zeros_like(slope)
    gain = slope * torch.where(slope > 0, bounds.upper - clean, bounds.lower - clean)
    return _covered(nothing, problem.threat.project(nothing, gain.clamp_min(0).sqrt()))


def _covered(clean: Images, moved: Images) -> Tensor:
    return (moved != clean).any(1, keepdim=True)
