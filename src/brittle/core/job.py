"""What a run is asked: every argument looked at and the images taken in, before anything is attacked."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from brittle.arguments import Count, Seed, Within, check_fields
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.search_mode import PLAIN, SearchMode
from brittle.core.attack import Attack, at_least, search_of
from brittle.core.goal import Goal, LeastLikely, Untargeted
from brittle.core.inputs import as_images, as_labels, check_radius, check_range_of_labels, placed
from brittle.errors import InputError
from brittle.threats import Parametric, Threat
from brittle.threats.grid import QuantizationGrid
from brittle.types import Images, Labels, Logits

VERIFICATION_QUERIES = 1
"""Passes of an image that its budget keeps back, to verify what is returned."""
REMEMBERED = 64
"""Clean logits that are kept from batch to batch, for small ones tell probabilities from logits only together."""


@dataclass(frozen=True)
class Options:
    """What was asked of `run`, which has the same arguments and says what they mean.

    Raises:
        InputError: a value that is not what its type says.
    """

    attack: Attack
    classifier: Classifier
    images: Tensor | np.ndarray
    labels: Tensor | np.ndarray | None
    goal: Goal | LeastLikely | None
    threat: Threat
    seed: Seed
    batch: Count
    ids: Tensor | np.ndarray | None
    budget: Count | None
    quantization: int | None
    eot_samples: Count
    confidence: Annotated[float, Within(0)]
    trace: bool
    progress: Callable[[int], None] | None
    on_pass: Callable[[int], None] | None = None
    search: SearchMode = PLAIN

    def __post_init__(self):
        check_fields(self)


@dataclass(frozen=True)
class Job:
    """What is the same for all images of a run, looked at and taken in.

    Attributes:
        options: what was asked; what follows stands in the place of what has the same name there.
        images: (n, c, h, w) floats, where they were given; `taken` brings some of them to the network.
        labels: (n,) int64, or None.
        ids: (n,) int64.
        goal: with labels as int64.
        threat: with a radius beside the images, and on the levels where it keeps to them itself.
        batch: most images that are attacked at once, each seen `eot_samples` times.
        grid: levels on which images lie; None for none, and for threats that keep to levels themselves.
        earlier: clean logits of earlier batches.
    """

    options: Options
    images: Images
    labels: Labels | None
    ids: Tensor
    goal: Goal | LeastLikely | None
    threat: Threat
    batch: int
    grid: QuantizationGrid | None
    earlier: list[Tensor] = field(default_factory=list[Tensor], compare=False)

    @property
    def verifying(self) -> int:
        """The passes kept back to look at what is returned."""
        return VERIFICATION_QUERIES * self.options.eot_samples

    @property
    def allowance(self) -> int | None:
        """The passes that the attack may make; what is kept back is for the quantization grid and for verifying."""
        budget = self.options.budget
        if budget is None:
            return None
        return budget - self.verifying - (budget // 4 if self.grid is not None else 0)

    def taken(self, rows: Tensor) -> Images:
        """Return some of the images, on the network's device and on the grid."""
        x = placed(self.images[rows], self.options.classifier)
        return x if self.grid is None else self.grid.settled(x)

    def labels_of(self, rows: Tensor) -> Labels | None:
        """Return the labels of some images, on the network's device."""
        return (
            None if self.labels is None else self.labels[rows.to(self.labels.device)].to(self.options.classifier.device)
        )

    def goal_of(self, rows: Tensor, labels: Labels | None, clean: Logits) -> Goal:
        """Return the goal of some images, once their clean logits are known."""
        if self.goal is None:
            return Untargeted(clean.argmax(1) if labels is None else labels)
        if isinstance(self.goal, LeastLikely):
            return self.goal.at(clean)
        return replace(self.goal, labels=self.goal.labels[rows.to(self.goal.labels.device)].to(clean.device))

    def sought(self, goal: Goal) -> Goal:
        """Return the goal as the search for it has it: won by the confidence that is asked for."""
        most = max(goal.confidence, self.options.confidence)
        return goal if most == goal.confidence else replace(goal, confidence=most)

    def check_classes(self, classes: int) -> None:
        """Refuse labels and targets of any image that are no class of the network, before anything is attacked."""
        if self.labels is not None:
            check_range_of_labels(self.labels, classes)
        if isinstance(self.goal, Goal):
            check_range_of_labels(self.goal.labels, classes, _name_of(self.goal))


def job_of(options: Options) -> Job:
    """Look at everything that was asked of `run`, and say what is to be done.

    Raises:
        InputError: as `run`.
    """
    classifier, threat, eot_samples = options.classifier, options.threat, options.eot_samples
    least = (
        1 if eot_samples == 1 else 2 * eot_samples + 1
    )  # the clean image is looked at once more to check what comes out
    at_least("budget", least if options.budget is None else options.budget, least)
    x = as_images(options.images, classifier.bounds)
    threat = threat.checked(x)
    check_radius(threat, x, classifier.bounds)
    options.attack.check(threat)
    _check_search(options)
    labels = None if options.labels is None else as_labels(options.labels, x)
    goal = options.goal
    if isinstance(goal, Goal):
        goal = replace(goal, labels=as_labels(goal.labels, x, _name_of(goal)))
    ids = torch.arange(len(x)) if options.ids is None else as_labels(options.ids, x, "ids")
    grid = None if options.quantization is None else QuantizationGrid(options.quantization, classifier.bounds)
    if grid is not None and isinstance(threat, Parametric):
        threat, grid = replace(threat, grid=grid), None
    elif grid is not None:
        grid.check(threat, x)
    return Job(options, x, labels, ids, goal, threat, max(options.batch // eot_samples, 1), grid)


def _check_search(options: Options) -> None:
    """Refuse to hurry what learns from the network's answers alone."""
    if options.search and not search_of(options.attack, options.search):
        raise InputError(
            f"{type(options.attack).__name__} goes by the network's answers, without gradients, and these are others "
            f"{options.search.text}; leave that out, or take an attack that differentiates the network"
        )


def _name_of(goal: Goal) -> str:
    return "targets" if goal.targeted else "labels of the goal"
