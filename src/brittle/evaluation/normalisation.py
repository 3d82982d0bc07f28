"""Whether a network gets its images as it knows them: its right answers with and without a normalisation, compared."""

import torch
from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.classifiers.refusals import of_classes
from brittle.data import Source
from brittle.errors import BrittleError
from brittle.metrics import Estimate, proportion
from brittle.models.agreement import Arithmetic
from brittle.models.normalised import STATISTICS
from brittle.types import Images, Labels

LOOKED_AT = 32
"""Most images that are looked at."""


def remarks_on_normalisation(
    classifier: Classifier, source: Source, given: Arithmetic | None, weights_by: str = ""
) -> list[str]:
    """Compare how many of a source's first images a network has right with and without a normalisation.

    Where the user gave one, the network is asked without it too. Where none was given, the usual ones are tried if the
    network has so many images wrong that another way could be clearly better.

    Args:
        classifier: a network that is not known to normalise images itself, with nothing else in between.
        source: labelled images, with the network's numbers of the classes.
        given: the mean and standard deviation that the user gave, which are within the classifier.
        weights_by: the function of the user's that gave the network its weights, where none were named; else "".

    Returns:
        A sentence on what the user gave; else one where another way has clearly more images right; else one on where
        the weights are from, where the network does no better than guessing; else none.
    """
    block = next((one for one in source.blocks(LOOKED_AT) if len(one)), None)
    if block is None:
        return []
    images, labels = block.images.to(classifier.device, classifier.dtype), block.labels.to(classifier.device)
    here, classes = _right(classifier, images, labels)
    guessing, best_there_is = here.low <= 1 / classes, proportion(here.n, here.n)
    bad = here.high < best_there_is.low
    untaught = [_on_weights(here, weights_by)] if bad and guessing and weights_by else []
    if given is not None:
        return [_on_given(here, _right(classifier, given.undone(images), labels)[0]), *untaught]
    if not bad:
        return []
    fitting = {name: Arithmetic(*one) for name, one in STATISTICS.items() if len(one[0]) in (1, images.shape[1])}
    tried = {name: _right(classifier, one.of(images), labels)[0] for name, one in fitting.items()}
    best = max(tried, key=lambda name: tried[name].value)
    if tried[best].low <= here.high:
        return untaught
    guessed = ", no more than by guessing" if guessing else ""
    return [
        f"the network has {_count(here)} of the first {here.n} images right{guessed}, and {_count(tried[best])} with "
        f"--mean {best}: it seems to want them normalised"
    ]


def _on_weights(here: Estimate, weights_by: str) -> str:
    """Where the weights of a network are from that does no better than guessing."""
    return (
        f"the network has {_count(here)} of the first {here.n} images right, no more than by guessing, with the "
        f"weights that {weights_by} gave it: where it loads no trained ones itself, name them with --weights"
    )


def _on_given(here: Estimate, without: Estimate) -> str:
    """What the normalisation that the user gave does for a network."""
    counts = f"of the first {here.n} images the network has {_count(here)} right with --mean and --std, and "
    if without.low > here.high:
        return f"{counts}{_count(without)} without: leave them out if it normalises images itself"
    mends = here.low > without.high
    return f"{counts}{_count(without)} without{', so it needs them' if mends else ', no clear difference'}"


def _right(classifier: Classifier, images: Images, labels: Labels) -> tuple[Estimate, int]:
    """How many images a network has right, and how many classes it has; none right where it fails on them."""
    try:
        with preserving_state(classifier.module), torch.no_grad():
            logits: Tensor = of_classes(classifier, classifier.logits(images))
    except BrittleError:
        return proportion(0, len(images)), 1
    return proportion(int((logits.argmax(1) == labels).sum()), len(images)), logits.shape[1]


def _count(estimate: Estimate) -> int:
    return round(estimate.value * estimate.n)
