"""Adversarial training whose attacks go on from epoch to epoch: what was found for an image is the next one's start."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from brittle.arguments import check_fields
from brittle.base.bounds import Bounds
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.core.attack import at_least
from brittle.core.inputs import check_radius
from brittle.threats import Lp
from brittle.training.growing import Growing
from brittle.training.objective import PLAIN, Objective
from brittle.types import Images, Labels, Logits

LEVELS = 127
"""Steps between no change and the radius in which perturbations are kept, as whole numbers of 8 bits."""


@dataclass(frozen=True)
class AccumulatedTraining(Growing):
    """Attacks each image in a few steps from where the epoch before left it, and makes the step on what that gives.

    Zheng et al., CVPR 2020 (ATTA, arXiv:1912.11969): what breaks the network of one epoch still disturbs that of the
    next, so that one step of each epoch adds up to a long attack. An epoch with one step costs two passes, forward and
    backward, where PGD of 40 steps costs 41.

    Deviations: the first epoch starts at random points of the whole ball; perturbations are kept in 8 bits, as so many
    of `LEVELS` parts of the radius, so that they follow a radius that grows; the attack sees the network in eval mode.
    Images must be the same in every epoch: a training that shifts or flips them is refused (the paper carries the
    perturbations along with such changes).

    Attributes:
        threat: changes in the maximum norm, with one radius for all images.
        steps: of the attack in each epoch; the paper's ATTA-1.
        step_size: of each, as a fraction of the radius; 1/3 was fixed on MNIST within 0.3.
        warmup: epochs over which the radius grows from 0, in proportion to the batches shown.
        reset: after so many epochs perturbations begin at random points again, which the paper advises for long
            trainings; None for never.

    Raises:
        InputError: invalid settings; UnsupportedThreat for another norm.

    Example:
        >>> AccumulatedTraining(Lp("inf", 0.3), warmup=2.0).radius_at(1.0)
        0.15
    """

    threat: Lp
    steps: int = 1
    step_size: float = 1 / 3
    warmup: float = 0.0
    reset: int | None = None

    def __post_init__(self):
        check_fields(self)
        self.check_growth("accumulated training")
        at_least("steps", self.steps, 1)
        if self.reset is not None:
            at_least("reset", self.reset, 1)

    def to_dict(self) -> dict[str, Any]:
        """Return everything that determines what is done, as JSON can hold it."""
        return {
            "accumulated": repr(self.threat),
            "steps": self.steps,
            "step_size": self.step_size,
            "warmup": self.warmup,
            "reset": self.reset,
        }

    def memory(self, images: Images, seed: int) -> Tensor:
        """Return random perturbations of all images, n x c x h x w of int8, to begin with."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(-LEVELS, LEVELS + 1, images.shape, dtype=torch.int8, generator=generator)

    def begins_anew(self, number: int) -> bool:
        """Whether the perturbations of an epoch, 1 for the first, start at random points."""
        return number == 1 or (self.reset is not None and (number - 1) % self.reset == 0)

    def in_epoch(self, module: nn.Module, seed: int, memory: Tensor) -> "Accumulated":
        """Return what is done to the batches of the epoch with this seed.

        Args:
            module: in training.
            seed: of the epoch; a stochastic network draws from it while it is attacked.
            memory: perturbations of all images, as `memory` makes them, which the epoch moves.
        """
        return Accumulated(self, Classifier(module), seed, memory)


@dataclass
class Accumulated:
    """The attacks of one epoch.

    Attributes:
        training: whose they are.
        classifier: around the module in training.
        seed: of the epoch.
        memory: (n, c, h, w) of int8, in `LEVELS` parts of the radius.
        objective: what the batches are for.
        replays: steps on each batch.
        radius: of the last batch.
        turns: batches so far.
    """

    training: AccumulatedTraining
    classifier: Classifier
    seed: int
    memory: Tensor
    objective: Objective = PLAIN
    replays: int = field(default=1, init=False)
    radius: float = 0.0
    turns: int = 0

    def on(self, images: Images, truth: Labels, chosen: Tensor, epochs: float) -> Images:
        """Return the images after the steps of this epoch, and keep what was found.

        Args:
            images: (n, c, h, w) in [0, 1].
            truth: their labels.
            chosen: their positions in the training set, whose perturbations are theirs.
            epochs: how many epochs are done; they determine the radius.

        Raises:
            InputError: a radius that is no change of such images.
        """
        training, at = self.training, chosen.to(self.memory.device)
        check_radius(training.threat, images, Bounds())
        self.radius, self.turns = training.radius_at(epochs), self.turns + 1
        if not self.radius:
            return images
        shown = Bounds().clamp(images + self.memory[at].to(images) * (self.radius / LEVELS))
        with preserving_state(self.classifier.module, self.seed ^ self.turns):
            for _ in range(training.steps):
                slope = self._slope(shown, truth)
                moved = shown - images + training.step_size * self.radius * slope.sign()
                shown = Bounds().clamp(images + moved.clamp_(-self.radius, self.radius))
        self.memory[at] = ((shown - images) * (LEVELS / self.radius)).round_().to(self.memory)
        return shown

    def _slope(self, shown: Images, truth: Labels) -> Images:
        """Return the gradient of each image's cross-entropy."""
        leaf = shown.detach().requires_grad_()
        total = functional.cross_entropy(self.classifier.logits(leaf), truth, reduction="sum")
        return torch.autograd.grad(total, leaf)[0]

    def note(self, logits: Logits, truth: Labels) -> None:
        """Take nothing down.

        Args:
            logits: not looked at.
            truth: not looked at.
        """

    def summary(self) -> dict[str, float | None]:
        """Return the radius; there are no figures of clean images, which no pass is spent on."""
        return {"radius": self.radius}
