"""The first look at network and images: whether they fit, and how the network is to be asked."""

from collections.abc import Sequence

import torch

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.classifiers.refusals import of_classes
from brittle.classifiers.search_mode import SearchMode
from brittle.core.attack import Attack, search_of
from brittle.core.inputs import check_range_of_labels
from brittle.core.randomness import DRAWS, is_randomised
from brittle.data import Source
from brittle.errors import DataError, ForwardFailed, InputError, LabelError, ModelError
from brittle.evaluation.defended import Defended
from brittle.physical import Channel
from brittle.plugins.own_code import raised
from brittle.specs import Effort
from brittle.training.precision import has_bfloat16
from brittle.types import Logits

SEEN = 4
"""Images by which a randomised network is recognised."""
VALUES_IN_A_BATCH = 5_000_000
"""Batches are chosen so that their images hold at most so many values; larger ones gain no speed."""


def check_model_on_data(
    classifier: Classifier, source: Source, *, blank: bool, target: int | None = None
) -> tuple[int, ...]:
    """Show the network one image of the source before anything is planned on it, and return the image's shape.

    Args:
        classifier: the network.
        source: the images, whose labels are all looked at, where they have any.
        blank: show a blank image of the same shape, which is none of the source, as every query counts.
        target: the class that is to be reached.

    Raises:
        DataError: not one image can be read.
        LabelError: labels, or a target, that are no class of the network.
        ModelError: a network that does not take such images, or whose outputs are no logits.
    """
    logits, shape = first_look(classifier, source, blank=blank)
    logits = of_classes(classifier, logits)
    classes = len(source.classes)
    if classes and classes != logits.shape[1]:
        raise LabelError(
            f"the data have {classes} classes ({source.classes[0]!r} to {source.classes[-1]!r}) and the network has "
            f"{logits.shape[1]} outputs, so their numbers cannot mean the same; give data with the network's classes, "
            "or the names of the network's classes (in NAME.classes.json beside its file), to match the data's by name"
        )
    check_labels(source, logits.shape[1])
    if target is not None and target >= logits.shape[1]:
        raise LabelError(
            f"the target is {target}; expected a class of the network, which has {logits.shape[1]} outputs, 0 to "
            f"{logits.shape[1] - 1}"
        )
    return shape


def first_look(classifier: Classifier, source: Source, *, blank: bool) -> tuple[Logits, tuple[int, ...]]:
    """Show the network one image of the source, and return its outputs and the image's shape.

    Args:
        classifier: the network.
        source: the images; labels are not looked at.
        blank: show a blank image of the same shape, which is none of the source.

    Raises:
        DataError, ModelError: as of `check_model_on_data`.
    """
    block = next((block for block in source.blocks(1) if len(block)), None)
    if block is None:
        raise DataError(f"not one of the {len(source)} images of {source.spec} can be read")
    images = block.images.to(classifier.device, classifier.dtype)
    images = torch.full_like(images, classifier.bounds.lower) if blank else images
    try:
        with preserving_state(classifier.module), torch.no_grad():
            logits = classifier.checked(images)
    except ForwardFailed as error:
        shape = "x".join(str(side) for side in images.shape[1:])
        reason = raised(error.__cause__ or error)
        raise ModelError(
            f"the network cannot take images of {shape} (channels x height x width): {reason}; "
            "give the size it was made for with --size, or say what it takes in its code: input_shape = "
            "(channels, height, width) on the module of a factory"
        ) from error
    return logits, tuple(images.shape[1:])


def check_labels(source: Source, classes: int) -> None:
    """Refuse a source of which any label is no class of a network, before an hour is spent on the images before it.

    Raises:
        LabelError: with the first offender and the number of classes.
    """
    if source.labelled:
        labels, places = source.labels()
        check_range_of_labels(labels, classes, places=places)


def eot_samples_for(
    classifier: Classifier,
    source: Source,
    budget: int | None,
    defended: Defended | None = None,
    channel: Channel | None = None,
) -> int:
    """Return how many samples a network needs: one, unless it is seen to answer differently each time.

    One that is defended needs as many as its adversary thinks of: one alone who does not know the defence. Behind a
    random channel it needs several all the same: what stands before the camera is known to everybody.
    """
    if budget is not None:
        return 1
    draws = DRAWS if channel is not None and channel.random else 1
    if defended is not None:
        return max(defended.met.eot_samples, draws)
    if draws > 1:
        return draws
    block = next((block for block in source.blocks(SEEN) if len(block)), None)
    return DRAWS if block is not None and is_randomised(classifier, block.images) else 1


def search_mode(effort: Effort, attacks: Sequence[Attack], classifier: Classifier) -> SearchMode:
    """Return how attacks ask the network while they search.

    Raises:
        InputError: none of them differentiates the network, or it cannot be asked so.
    """
    search = SearchMode(effort.precision, effort.compile, effort.channels_last)
    if search and not any(search_of(attack, search) for attack in attacks):
        raise InputError(
            f"{search.given} is given, and none of the attacks differentiates the network; what goes by its answers "
            "alone asks it as it is: leave that out, or name an attack that differentiates it, such as pgd"
        )
    if search:
        search.check(classifier)
    return search


def remarks_on_search(search: SearchMode, device: torch.device) -> list[str]:
    """Return a sentence where a search in bfloat16 is slower than one as the network is."""
    if search.precision == "float32" or has_bfloat16(device):
        return []
    return [f"this processor does not compute in bfloat16 itself; a search {search.text} is slower here than without"]


def confidence_of(asked: float | None, defended: Defended | None) -> float:
    """Return by how many logits a success is to be won in the search: as asked, or as the defence's adversary does.

    Example:
        >>> confidence_of(None, None), confidence_of(2.0, None)
        (0.0, 2.0)
    """
    return asked if asked is not None else 0.0 if defended is None else defended.confidence


def batch_of(shape: tuple[int, ...]) -> int:
    """Return a power of two between 16 and 256 by the size of an image."""
    values = max(1, torch.Size(shape).numel())
    return max(16, min(256, 1 << (max(1, VALUES_IN_A_BATCH // values).bit_length() - 1)))
