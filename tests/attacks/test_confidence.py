"""A goal's confidence moves the boundary that the searches for the smallest change walk to."""

import math

import pytest
import torch
from affine import affine, middle
from torch import Tensor

from brittle import FAB, FMN, Attack, BoundaryDescent, Classifier, DeepFool, Lp, Targeted, Untargeted, run


def away(classifier: Classifier, images: Tensor, confidence: float, q: float) -> Tensor:
    """How far the points are at which another class leads by the confidence, of the nearest such class."""
    weight, logits = classifier.module[1].weight.detach(), classifier.logits(images).detach()
    labels = logits.argmax(1)
    gaps = logits.gather(1, labels[:, None]) - logits + confidence
    steepness = torch.linalg.vector_norm(weight[None] - weight[labels][:, None], q, dim=2)
    return (gaps / steepness).scatter(1, labels[:, None], torch.inf).amin(1)


@pytest.mark.parametrize(("p", "q"), [(1, math.inf), (2, 2), (math.inf, 1)])
@pytest.mark.parametrize(
    "attack",
    [FAB(steps=8), DeepFool(), BoundaryDescent(steps=30), FMN(steps=60)],
    ids=lambda attack: type(attack).__name__,
)
def test_the_smallest_change_with_a_confidence_is_found(attack: Attack, p: float, q: float):
    classifier, images = affine(), middle(6)
    labels = classifier.logits(images).argmax(1)
    least = away(classifier, images, 0.3, q)
    found = run(attack, classifier, images, goal=Untargeted(labels, confidence=0.3), threat=Lp(p))
    assert found.success.all()
    assert (found.margin >= 0.3).all()
    assert (found.size >= least * (1 - 1e-9)).all()
    assert not isinstance(attack, FAB) or (found.size <= 1.06 * least).all()


def test_fab_reaches_a_target_with_a_confidence():
    classifier, images = affine(), middle(6)
    targets = classifier.logits(images).topk(2).indices[:, 1]
    found = run(FAB(steps=8), classifier, images, goal=Targeted(targets, confidence=0.3), threat=Lp(2))
    assert found.success.all()
    assert (found.margin >= 0.3).all()
