"""What the wrappers share: how brittle is asked, and how arguments that it has no place for are refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brittle.arguments import seen
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.core.attack import Attack
from brittle.core.goal import ALL_THE_WAY, Goal, Targeted, Untargeted
from brittle.core.inputs import as_images, as_labels, placed
from brittle.core.result import Result
from brittle.core.run import run
from brittle.errors import InputError
from brittle.models.agreement import Arithmetic
from brittle.models.normalised import Normalised
from brittle.near import did_you_mean
from brittle.threats import Lp


@dataclass(frozen=True)
class Absent:
    """An argument of a library that brittle has no place for.

    Attributes:
        default: the value that asks for nothing, which is taken.
        instead: what to write for any other, as the end of a sentence.
    """

    default: object
    instead: str


TAKEN = Absent(..., "")
"""An argument whose every value is taken and changes nothing, such as how much is printed."""


def refuse(where: str, given: Mapping[str, object], absent: Mapping[str, Absent]) -> None:
    """Refuse what was given beyond the arguments of a wrapper.

    Args:
        where: the wrapper, as its library calls it.
        given: the arguments by name.
        absent: those that the library has and brittle has no place for.

    Raises:
        InputError: one of these with a value that asks for something.
        TypeError: an argument that the library has not either.

    Example:
        >>> refuse("art.DeepFool", {"verbose": False}, {"verbose": TAKEN})
    """
    for name, value in given.items():
        if name not in absent:
            raise TypeError(f"{where} got an unexpected keyword argument {name!r}{did_you_mean(name, absent)}")
        one = absent[name]
        asks = value is not one.default and not (isinstance(value, bool | int | float | str) and value == one.default)
        if one is not TAKEN and asks:
            raise InputError(f"{where} was given {name}={seen(value)}, which brittle has no place for; {one.instead}")


ALL_CLASSES = 1_000_000
"""Candidates of DeepFool: more than any network has classes."""


def behind(model: nn.Module, mean: Any, std: Any) -> nn.Module:
    """Put (x - mean) / std before a network, where that is not x.

    Args:
        model: from normalised images to logits.
        mean: one number for each channel or one for all, in the units of the images; a tensor or an array, too.
        std: likewise.

    Example:
        >>> behind(nn.Flatten(), [0.5], 0.25)(torch.ones(1, 1, 1, 1)).item()
        2.0
    """
    means, deviations = ([float(number) for number in np.asarray(one, dtype=float).reshape(-1)] for one in (mean, std))
    count = max(len(means), len(deviations))
    if {*means} == {0.0} and {*deviations} == {1.0}:
        return model
    scale = Arithmetic(means * (count // len(means)), deviations * (count // len(deviations)))
    return Normalised(model, scale)


def norm_of(where: str, norm: object, known: Mapping[Any, float]) -> float:
    """Return the exponent of a norm by the name that a library gives it.

    Raises:
        InputError: another norm.

    Example:
        >>> norm_of("AutoAttack", "L2", {"Linf": float("inf"), "L2": 2.0})
        2.0
    """
    try:
        return known[norm]
    except (KeyError, TypeError):
        raise InputError(
            f"{where} was given norm={seen(norm)}; expected {' or '.join(map(repr, known))}; for others there is "
            "brittle.run with brittle.Lp"
        ) from None


def aim(classes: Tensor | np.ndarray, images: Tensor, *, targeted: bool) -> Goal:
    """Return the goal to leave the classes given, or to reach them.

    Raises:
        LabelError: no whole numbers, or not one for each image.
    """
    labels = as_labels(classes, images).to(images.device)
    return Targeted(labels) if targeted else Untargeted(labels)


def to_the_end(
    attack: Attack, classifier: Classifier, images: Tensor, goal: Goal, threat: Lp, *, seed: int, batch: int
) -> Result:
    """Run an attack at a radius to its last step on every image, also on those that are wrong already.

    Its columns of success mean nothing: whoever called compares `prediction` with the classes of the goal.
    """
    endless = type(goal)(goal.labels, ALL_THE_WAY)
    return run(attack, classifier, images, goal=endless, threat=threat, seed=seed, batch=batch)


def changed(result: Result, images: Tensor) -> Tensor:
    """Return the images that were broken, and the others as they were."""
    return torch.where(result.success[:, None, None, None], result.adversarial, images.to(result.adversarial))


def as_given(images: Tensor | np.ndarray, classifier: Classifier) -> Tensor:
    """Return the images as floats within the bounds; see `brittle.core.inputs.as_images`."""
    return as_images(images, classifier.bounds)


def logits_of(classifier: Classifier, images: Tensor, batch: int) -> Tensor:
    """Return what the network says of images, (n, classes), in eval mode and beside the images."""
    with preserving_state(classifier.module), torch.no_grad():
        said = [classifier.logits(placed(some, classifier)) for some in images.split(batch)]
    return torch.cat(said).to(images.device)
