"""Numbers that are none, and logits that differ by little: what `run` makes of them."""

import pytest
import torch
from affine import middle
from odd_networks import odd

from brittle import DDN, FMN, PGD, BoundaryDescent, DeepFool, Lp, run


@pytest.mark.parametrize("scale", [1e-9, 1e-18])
def test_the_logits_decide_the_prediction(scale):
    classifier, images = odd(scale=scale), middle()
    labels = classifier.logits(images).argmax(1)
    result = run(DeepFool(), classifier, images, labels, threat=Lp(2))
    assert torch.equal(result.clean_prediction, labels)
    assert torch.equal(result.prediction, classifier.logits(result.adversarial).argmax(1))
    assert (result.prediction != labels)[result.success].all()
    assert result.success.all()


@pytest.mark.parametrize("way", ["slope", "copy"])
@pytest.mark.parametrize("attack", [DeepFool(), BoundaryDescent(steps=20), FMN(steps=20), DDN(steps=20)])
def test_searches_find_what_they_find_elsewhere(attack, way):
    images = middle()
    labels = odd().logits(images).argmax(1)
    plain, found = (run(attack, odd(how), images, labels, threat=Lp(2)) for how in ("none", way))
    assert found.success.all()
    assert found.size.median() <= 1.1 * plain.size.median()


def test_points_without_a_finite_output_are_counted_and_never_returned():
    images = middle()
    labels = odd().logits(images).argmax(1)
    result = run(PGD(steps=10, restarts=2), odd("hole"), images, labels, threat=Lp("inf", 0.3))
    assert (result.nonfinite_outputs > 0).any()
    assert torch.isfinite(odd("hole").logits(result.adversarial)).all()
    assert not run(PGD(steps=10), odd(), images, labels, threat=Lp("inf", 0.3)).nonfinite_outputs.any()
