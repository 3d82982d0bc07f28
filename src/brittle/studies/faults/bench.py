"""Cases for the checks, made on the spot: attack a few digits, and lay the result out as an audit would."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brittle.classifiers.classifier import Classifier
from brittle.core.attack import Attack
from brittle.core.run import run
from brittle.data import open_source
from brittle.evaluation.part import rows_of, survives_rounding
from brittle.health.context import AttackRun, HealthContext
from brittle.health.counting import CountingClassifier
from brittle.models import open_network
from brittle.models.network import digest_of
from brittle.threats import Lp, Threat
from brittle.types import Images, Labels

EVEN = 0.1
"""The radius of most cases, in linf: the built-in network then falls for some digits and stands for others."""


def network() -> nn.Module:
    """The built-in network of digits, anew."""
    return deepcopy(_opened())


@cache
def _opened() -> nn.Module:
    return open_network("digits-lenet").module


@cache
def digits(count: int) -> tuple[Images, Labels]:
    """The first of the built-in digits."""
    block = next(open_source("digits").blocks(count))
    return block.images, block.labels


def attempt(
    classifier: Classifier,
    attack: Attack,
    threat: Threat,
    images: Images,
    labels: Labels,
    *,
    claims: Attack | None = None,
) -> AttackRun:
    """Attack images and keep the rows.

    Args:
        classifier: the network.
        attack: what runs.
        threat: within which radius.
        images: of the case.
        labels: their classes.
        claims: what the attempt says that ran, where that is another attack.
    """
    result = run(attack, classifier, images, labels, threat=threat)
    survives = survives_rounding(classifier, result, labels, len(images))
    about: dict[str, list[object]] = {"index": list(range(len(images))), "name": [str(n) for n in range(len(images))]}
    table = rows_of(result, images, labels, survives, about, np.empty(0, dtype=np.int64))
    return AttackRun(type(claims or attack).__name__, claims or attack, threat, table)


def case(  # noqa: PLR0913  # one parameter for each thing that a fault may sit in
    module: nn.Module,
    attacks: Sequence[Attack],
    *,
    radius: float = EVEN,
    searches: Sequence[Attack] = (),
    count: int = 10,
    given: tuple[Tensor, Tensor] | None = None,
    claims: Attack | None = None,
    attacked: nn.Module | None = None,
    reading: Mapping[str, Any] = MappingProxyType({}),
) -> HealthContext:
    """Attack digits within linf, and show the checks what came of it.

    Args:
        module: the network.
        attacks: that run at the radius.
        radius: in linf.
        searches: attacks that look for the smallest change instead.
        count: how many digits.
        given: other images and labels.
        claims: as in `attempt`, for all attacks.
        attacked: the network that the attacks meet, where it is another than the one that the checks see.
        reading: how the network's outputs are read, where they are not logits alone.
    """
    images, labels = digits(count) if given is None else given
    before, classifier, threat = digest_of(module), Classifier(attacked or module, **reading), Lp("inf", radius)
    attempts = [attempt(classifier, attack, threat, images, labels, claims=claims) for attack in attacks]
    attempts += [attempt(classifier, search, Lp("inf"), images, labels) for search in searches]
    return HealthContext(
        meter=CountingClassifier(Classifier(module, **reading)),
        images=images,
        labels=labels,
        index=torch.arange(len(images)),
        threat=threat,
        attempts=tuple(attempts),
        weights=before,
        thorough=True,
    )


def beyond_the_box(made: HealthContext) -> HealthContext:
    """Change what the attacks gave after they gave it: what `run` returns lies in the box by itself."""
    moved = [
        replace(one, result=replace(one.result, adversarial=one.result.adversarial - 1e-4)) for one in made.repeats
    ]
    made.__dict__["repeats"] = moved
    return made


def small(count: int) -> tuple[Images, Labels]:
    """Digits divided by 255 once too often."""
    images, labels = digits(count)
    return images / 255, labels


def mislabelled(count: int) -> tuple[Images, Labels]:
    """Digits with the labels of another numbering."""
    images, labels = digits(count)
    return images, (labels + 1) % 10


def halves(count: int) -> tuple[Images, Labels]:
    """Digits labelled by whether they are large."""
    images, labels = digits(count)
    return images, (labels >= 5).long()
