"""SGA: gradients of small batches, aggregated over large ones."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from brittle.core.attack import at_least, finite_length, fraction_below_one
from brittle.universal_attacks.objective import Objective, away
from brittle.universal_attacks.pull import Pull, climbed
from brittle.universal_attacks.search import UniversalAttack, UniversalProblem, UniversalState


@dataclass(frozen=True)
class SGA(UniversalAttack):
    """One step of the sign for a large batch, along the mean of the gradients that a search in small ones meets.

    Liu, Zhong, Zhang, Qin & Deng, "Enhancing generalization of universal adversarial perturbation through gradient
    aggregation", ICCV 2023, algorithm 1, with its settings: large batches of 250, small ones of 10, each image seen 4
    times in a search that begins where the perturbation stands and is thrown away, steps of a tenth of the radius, the
    cross-entropy up to 9, 20 passes, no momentum, from nothing. The last perturbation is returned.

    Deviation: the authors' code takes minus the label's logit where it is not told to take the cross-entropy; its
    README and the paper take the cross-entropy.

    Attributes:
        passes: over the images; each shows every image `rounds` times.
        batch: images of a large batch.
        small: images of a small one.
        rounds: how often each image of a large batch is seen before the step (K in the paper).
        step: length of all steps as a fraction of the radius.
        momentum: fraction of the older directions that is kept at each step; the authors' code offers 0.9.
        loss: "cross_entropy", "margin" or "cosine".
        clip: for the first two, the value beyond which an image pulls no more.

    Example:
        >>> SGA(passes=5).most_passes
        5
    """

    threats: ClassVar[tuple[str, ...]] = ("l1", "l2", "linf", "patch", "frame")
    keeps_best: ClassVar[bool] = False
    passes: int = 20
    batch: int = 250
    small: int = 10
    rounds: int = 4
    step: float = 0.1
    momentum: float = 0.0
    loss: Objective = "cross_entropy"
    clip: float = 9.0

    def __post_init__(self):
        for name in ("passes", "batch", "small", "rounds"):
            at_least(name, getattr(self, name), 1)
        finite_length("step", self.step)
        fraction_below_one("momentum", self.momentum)

    @property
    def most_passes(self) -> int:
        """The passes given."""
        return self.passes

    @property
    def step_images(self) -> int:
        """The images of a small batch."""
        return self.small

    def start(self, problem: UniversalProblem) -> UniversalState:
        """Begin with nothing added, or with flat grey."""
        return UniversalState(problem.blank(), {"momentum": problem.zeros()}, len(problem.given().clean_logits))

    def advance(self, problem: UniversalProblem, state: UniversalState, number: int) -> UniversalState:
        """Go over the shuffled images once, a large batch a step."""
        images, generator = problem.given(), problem.generator(number)
        parts = torch.randperm(len(images), generator=generator).split(self.batch)
        v, velocity, forward, backward = state.perturbation, state.extras["momentum"], state.forward, state.backward
        length, aim = self.step * problem.reach, away(self.loss, self.clip)
        for index, rows in enumerate(parts):
            some = images.at(rows)
            pull = Pull(problem, some, images.clean_logits[rows].to(some), aim, generator)
            gradient, looks = pull.aggregated(v, self.small, self.rounds, length)
            v, velocity = climbed(problem, v, velocity, gradient, self.momentum, length)
            forward, backward = forward + looks, backward + looks
            problem.progress((index + 1) / len(parts))
        return UniversalState(v, {"momentum": velocity}, forward, backward)
