"""Foolbox's model, its two criteria and its measure of accuracy."""

from collections.abc import Mapping, Sequence
from typing import Any, Never, Protocol, runtime_checkable

from torch import Tensor, nn

from brittle.arguments import seen
from brittle.classifiers.classifier import Classifier
from brittle.compat.calls import Absent, as_given, behind, logits_of, refuse
from brittle.compat.native import FOOLBOX_MODEL, absent
from brittle.core.inputs import as_labels
from brittle.errors import InputError
from brittle.types import Images, Logits

_ABSENT = {
    "axis": Absent(-3, "give one number for each channel, with axis=-3"),
    "flip_axis": Absent(None, "turn the channels within the module"),
}


@runtime_checkable
class HasBounds(Protocol):
    """A pair with names, as Foolbox's bounds are."""

    lower: float
    upper: float


class PyTorchModel:
    """A network as the attacks take it: `brittle.Classifier`.

    Args:
        model: from images within the bounds to logits.
        bounds: lowest and highest value of an image.
        device: taken, and changes nothing: images go to where the network is.
        preprocessing: a dict with `mean` and `std`, one number for each channel or one for all, in the units of the
            images.

    Raises:
        InputError: preprocessing of another kind.

    Example:
        >>> import torch
        >>> fmodel = PyTorchModel(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), bounds=(0, 1))
        >>> fmodel(torch.zeros(3, 1, 2, 2)).shape
        torch.Size([3, 2])
    """

    def __init__(
        self,
        model: nn.Module,
        bounds: tuple[float, float] | HasBounds,
        device: object = None,
        preprocessing: Mapping[str, Any] | None = None,
    ):
        box = (bounds.lower, bounds.upper) if isinstance(bounds, HasBounds) else (float(bounds[0]), float(bounds[1]))
        given = dict(preprocessing or {})
        mean, std = given.pop("mean", 0.0), given.pop("std", 1.0)
        refuse("foolbox.PyTorchModel's preprocessing", given, _ABSENT)
        self.classifier = Classifier(behind(model, mean, std), box)

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest value of an image."""
        return self.classifier.bounds.lower, self.classifier.bounds.upper

    def __call__(self, inputs: Tensor) -> Logits:
        """Return the logits of images, (n, classes)."""
        return logits_of(self.classifier, as_given(inputs, self.classifier), max(len(inputs), 1))


class Misclassification:
    """Any class but these.

    Attributes:
        labels: (n,) the true classes.
    """

    def __init__(self, labels: Tensor):
        self.labels = labels

    def __call__(self, perturbed: Images, outputs: Logits) -> Tensor:
        """Say which images are misclassified, (n,)."""
        return outputs.argmax(1) != self.labels.to(outputs.device)


class TargetedMisclassification:
    """These classes.

    Attributes:
        target_classes: (n,) the classes to reach.
    """

    def __init__(self, target_classes: Tensor):
        self.target_classes = target_classes

    def __call__(self, perturbed: Images, outputs: Logits) -> Tensor:
        """Say which images are of the class that was to be reached, (n,)."""
        return outputs.argmax(1) == self.target_classes.to(outputs.device)


Criterion = Misclassification | TargetedMisclassification


def criterion_of(criterion: object) -> Criterion:
    """Return a criterion; a tensor is that of the true classes.

    Raises:
        InputError: something else, such as a criterion of one's own.
    """
    if isinstance(criterion, Criterion):
        return criterion
    if isinstance(criterion, Tensor):
        return Misclassification(criterion)
    raise InputError(
        f"the criterion is {seen(criterion)}; expected the true classes as a tensor, Misclassification(labels) or "
        "TargetedMisclassification(target_classes); for an aim of your own, give brittle.run a brittle.Goal"
    )


def accuracy(fmodel: PyTorchModel, inputs: Tensor, labels: Tensor) -> float:
    """Return the fraction of images that the network has right.

    Example:
        >>> import torch
        >>> accuracy(PyTorchModel(nn.Flatten(), (0, 1)), torch.eye(2).reshape(2, 1, 1, 2), torch.tensor([0, 0]))
        0.5
    """
    right = fmodel(inputs).argmax(1) == as_labels(labels, inputs).to(inputs.device)
    return float(right.double().mean())


def radii_of(epsilons: float | Sequence[float | None] | None) -> list[float | None]:
    """Return the radii asked for, as a list."""
    return [*epsilons] if isinstance(epsilons, Sequence) else [epsilons]


def __getattr__(name: str) -> Never:
    absent(__name__, name, FOOLBOX_MODEL, globals())
