"""The published algorithm of universal adversarial perturbations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from brittle.core.attack import Attack, at_least
from brittle.core.goal import Untargeted
from brittle.core.run import run
from brittle.errors import InputError
from brittle.threats import Lp
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.search import Pass, UniversalAttack, UniversalProblem, UniversalState


@dataclass(frozen=True)
class UniversalDeepFool(UniversalAttack):
    """Passes over the images, adding the smallest step that fools each one not fooled yet.

    Moosavi-Dezfooli, Fawzi, Fawzi & Frossard, CVPR 2017, algorithm 1 (arXiv:1610.08401), and the authors' code. In
    every pass the images are shuffled; for an image that x + v does not fool, DeepFool's smallest step dv at x + v is
    added if it arrived, and v is projected on the ball; the search ends with a pass after which the fooling rate on X
    is reached. No labels are needed: an image is fooled when the class is not that of the clean image.

    Images are taken one after the other as published. Whether the next ones are fooled already is asked ahead, for many
    at once; what was asked of images behind one that changed v is thrown away, so that v is the same as without.

    Deviations: x + v is clamped to the box, which the authors do not do; passes end after 10 (the authors' Matlab code;
    their Python code has no end).

    Attributes:
        attack: finds the steps, with the number of its steps as limit. The paper runs 10 steps; the authors' code keeps
            what arrived within 8 of them, with no regard to the box: `DeepFool(steps=8, box=0, slack=inf)`.
        rate: the fooling rate on X to reach, 1 - delta; 0.8.
        passes: most passes over X; 10.
        ahead: most images that are looked at ahead.
        together: images not fooled yet whose steps are searched for at once, from the same v; those that the steps of
            others fool meanwhile are left out. 1 as published; with 10 a small network's passes take a third of the
            time, at a rate that is a little lower after as many passes, and higher after as long.
        full_length: whether v is brought to the radius in the 2-norm where it is shorter, as the authors' code does
            after every step; the paper's projection leaves it as it is. Of no effect in the maximum norm.

    Example:
        >>> from brittle.attacks.deepfool import DeepFool
        >>> UniversalDeepFool(DeepFool(steps=10)).rate
        0.8
    """

    keeps_best: ClassVar[bool] = False
    attack: Attack
    rate: float = 0.8
    passes: int = 10
    ahead: int = 64
    together: int = 1
    full_length: bool = False

    def __post_init__(self):
        at_least("passes", self.passes, 1)
        at_least("ahead", self.ahead, 1)
        at_least("together", self.together, 1)
        if not 0 < self.rate <= 1:
            raise InputError(f"rate is {self.rate}; expected a fraction of the images above 0, at most 1")

    @property
    def most_passes(self) -> int:
        """The passes given."""
        return self.passes

    def finished(self, history: Sequence[Pass]) -> bool:
        """Say whether the fooling rate is reached."""
        return bool(history) and history[-1].score >= self.rate

    def start(self, problem: UniversalProblem) -> UniversalState:
        """Begin with no change."""
        return UniversalState(problem.zeros(), forward=len(problem.given().clean))

    def advance(self, problem: UniversalProblem, state: UniversalState, number: int) -> UniversalState:
        """Go over the shuffled images once."""
        images = problem.given()
        order = torch.randperm(len(images), generator=problem.generator(number))
        v, forward, backward = state.perturbation, state.forward, state.backward
        place, width = 0, self.together
        while place < len(order):
            rows = order[place : place + width]
            fooled, forward = _fooled(images, rows, v), forward + len(rows)
            standing = (~fooled).nonzero()[: self.together, 0]
            if not len(standing):
                place, width = place + len(rows), min(2 * width, self.ahead)
            else:
                width = max(self.together, min(2 * int(standing[0]), self.ahead))
                v, passes = self._pushed(problem, v, rows[standing])
                forward, backward = forward + passes[0], backward + passes[1]
                place += int(standing[-1]) + 1
            problem.progress(place / len(order))
        return UniversalState(v, forward=forward, backward=backward)

    def _pushed(self, problem: UniversalProblem, v: Tensor, rows: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Add the smallest steps that fool some images, where they are found and still needed; and count the passes."""
        images, classifier = problem.given(), problem.classifier
        moved = classifier.bounds.clamp(images.at(rows) + v)
        goal = Untargeted(images.clean[rows].to(classifier.device))
        found = run(self.attack, classifier, moved, goal=goal, threat=Lp(2), seed=problem.seed, ids=rows)
        forward, backward = int(found.forward.sum()), int(found.backward.sum())
        for number in found.success.nonzero()[:, 0].tolist():
            row = rows[number : number + 1]
            if number:
                forward += 1
                if bool(_fooled(images, row, v)):
                    continue
            v = self._projected(problem, v + (found.adversarial - moved)[number].to(v))
        return v, (forward, backward)

    def _projected(self, problem: UniversalProblem, v: Tensor) -> Tensor:
        onward = problem.project(v)
        if self.full_length and problem.threat.name == "l2":
            longer = problem.radius / onward.norm().clamp_min(torch.finfo(onward.dtype).tiny)
            onward = problem.project(onward * longer)
        return onward


@torch.no_grad()
def _fooled(images: ImageSet, rows: Tensor, v: Tensor) -> Tensor:
    """Say which images have another class with v than without."""
    return images.logits(images.at(rows), v, rows).argmax(1).cpu() != images.clean[rows]
