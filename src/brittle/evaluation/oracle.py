"""What a substitute is taught by: a network of any kind, or a service behind a URL, asked for labels alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from brittle.blackbox.answers import Answers
from brittle.blackbox.oracle import Oracle
from brittle.classifiers.asked import said_of
from brittle.classifiers.callable_module import CallableModule
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.refusals import of_classes
from brittle.endpoint.client import Endpoint
from brittle.endpoint.manner import Manner
from brittle.errors import LabelError
from brittle.evaluation.subject import opened
from brittle.models import Network
from brittle.specs import ModelSpec
from brittle.types import Images

AT_ONCE = 256
"""Images that a network on this machine is asked about at a time."""


@dataclass(frozen=True)
class Asked:
    """Who is asked, before anything is.

    Attributes:
        network: where it came from.
        ask: from images on the CPU to class numbers.
        at_once: images that it is asked about at a time.
        classes: how many it knows; None where that cannot be told before it is asked.
    """

    network: Network
    ask: Callable[[Images], Tensor]
    at_once: int
    classes: int | None = None

    @property
    def name(self) -> str:
        """What names it among the answers that are kept: content, and for a service its address too."""
        return f"{self.network.spec} {self.network.digest}"

    def check_classes(self, classes: int) -> None:
        """Refuse images of another number of classes, 0 for one that is not known.

        Raises:
            LabelError: with both numbers.
        """
        if classes and self.classes and classes != self.classes:
            raise LabelError(
                f"the test images have {classes} classes and the oracle {self.classes}, so their numbers cannot mean "
                "the same; give images with the oracle's classes"
            )

    def oracle(self, answers: Path, budget: int | None) -> Oracle:
        """Return it with the answers that it has given, and a budget of those to come."""
        return Oracle(self.ask, Answers(answers, self.name), budget=budget, at_once=self.at_once)


def open_oracle(
    model: ModelSpec, manner: Manner, *, device: str | None = None, tell: Callable[[str], None] | None = None
) -> Asked:
    """Open what is to be asked; no image is shown to it.

    Args:
        model: a network in whichever form, or the URL of a service, and how its outputs are read.
        manner: how a service is asked.
        device: where a network runs.
        tell: told why a service is asked again.

    Raises:
        BrittleError: it cannot be opened, or nobody answers there.
    """
    network, classifier = opened(model, device)
    inner = classifier.module.function if isinstance(classifier.module, CallableModule) else None
    if isinstance(inner, Endpoint):  # its labels are all that is wanted, whatever else it tells
        return Asked(network, replace(inner, scores=False, manner=manner, tell=tell), 1, network.labels)
    return Asked(network, lambda images: _labels(classifier, images), AT_ONCE, _classes(network, classifier))


def _classes(network: Network, classifier: Classifier) -> int | None:
    """Return how many classes a network knows: as it says, or as a module of this process answers a blank image."""
    if classifier.labels is not None or network.input_shape is None or isinstance(classifier.module, CallableModule):
        return classifier.labels
    blank = torch.full((1, *network.input_shape), classifier.bounds.lower)
    return of_classes(classifier, said_of(classifier, blank, 1)).shape[1]


def _labels(classifier: Classifier, images: Images) -> Tensor:
    return of_classes(classifier, said_of(classifier, images, len(images))).argmax(1)
