"""A network without slopes: what attacks show it is made of numbers, and so are the gradients that they get."""

import pytest
import torch
from affine import middle
from cases import CASES, Case

from brittle import Classifier, run


def flat(classes: int = 4) -> Classifier:
    """Always says class 0."""
    layer = torch.nn.Linear(12, classes).double()
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.arange(classes - 1, -1, -1))
    return Classifier(torch.nn.Sequential(torch.nn.Flatten(), layer))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_a_flat_network_is_shown_is_finite(case: Case):
    classifier, lost = flat(), list[bool]()
    classifier.module.register_forward_pre_hook(lambda _, given: lost.append(not given[0].isfinite().all()))
    images = middle(3)
    found = run(case.attack, classifier, images, threat=case.threat)
    assert not any(lost)
    assert not found.success.any()
    assert not found.nonfinite_outputs.any()
    assert not found.nonfinite_gradients.any()
    assert torch.isfinite(found.adversarial).all()
    assert torch.equal(found.margin, torch.full_like(found.margin, -1.0))
