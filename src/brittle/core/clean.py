"""What is known of the clean images of a batch before any of them is attacked."""

from dataclasses import dataclass

import torch
from torch import Tensor

from brittle.base.seeds import Streams
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.eot import eot_outputs
from brittle.classifiers.refusals import folded, of_classes, refused
from brittle.core.goal import Goal
from brittle.core.job import REMEMBERED, Job
from brittle.types import Images, Labels, Logits, Mask


@dataclass(frozen=True)
class Clean:
    """What a network says of clean images, and what that makes of the goal.

    Attributes:
        classifier: the network.
        outputs: what it says, (n, k), or (n, k + 1) where it may refuse images.
        goal: what is to be reached.
        right: whether the label is predicted and the image not refused; without labels, not refused.
        homes: of a network that may refuse images, the class that a refusal is counted for, (n,); None of others.
    """

    classifier: Classifier
    outputs: Tensor
    goal: Goal
    right: Mask
    homes: Labels | None

    @classmethod
    @torch.no_grad()
    def of(cls, job: Job, rows: Tensor, x: Images, streams: Streams) -> "Clean":
        """Look at some of the images of a run, and refuse outputs that are no logits."""
        classifier, labels = job.options.classifier, job.labels_of(rows)
        outputs = _outputs(job, x, streams)
        classes = of_classes(classifier, outputs)
        if len(x):
            job.check_classes(classes.shape[1])
        goal = job.goal_of(rows, labels, classes).beside(classes)
        homes = goal.homes(classes) if classifier.rejects else None
        right = ~refused(classifier, outputs)
        return cls(classifier, outputs, goal, right if labels is None else right & (classes.argmax(1) == labels), homes)

    @property
    def classes(self) -> Logits:
        """The logits of the classes, (n, k)."""
        return of_classes(self.classifier, self.outputs)

    @property
    def refused(self) -> Mask:
        """Which images are refused: false alarms."""
        return refused(self.classifier, self.outputs)

    @property
    def shown(self) -> Logits:
        """The logits that an attack is shown: with refusals counted, unless it is to know nothing of them."""
        return self.classes if self.classifier.oblivious else self.judged(self.outputs)

    @property
    def known_homes(self) -> Labels | None:
        """`homes` as far as an attack is to know of them."""
        return None if self.classifier.oblivious else self.homes

    def judged(self, outputs: Tensor) -> Logits:
        """Return the logits by which outputs for these images are judged, refusals counted."""
        return outputs if self.homes is None else folded(self.classifier, outputs, self.homes)


def _outputs(job: Job, x: Images, streams: Streams) -> Tensor:
    """Return what the network says of the clean images, of a randomised one the mean; refuse what are no logits."""
    classifier, eot_samples, count = job.options.classifier, job.options.eot_samples, len(x)
    outputs = classifier.checked(x, job.earlier) if count else x.new_zeros((0, 2 + classifier.rejects))
    if sum(map(len, job.earlier)) < REMEMBERED:
        job.earlier.append(outputs)
    if count and eot_samples > 1:
        outputs = eot_outputs(classifier, x, eot_samples, streams).mean(0)
        classifier.check(outputs, x)
    return outputs
