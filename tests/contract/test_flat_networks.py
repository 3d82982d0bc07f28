"""A network without slopes: what attacks show it is made of numbers, and so are the gradients that they get."""

import pytest
import torch
from affine import middle
from cases import CASES, Case

from brittle import Classifier, run


def flat() -> Classifier:
    """Always says class 0; of the others two are equally near and one is not."""
    layer = torch.nn.Linear(12, 4).double()
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.tensor([2.0, 1.0, 1.0, 0.0]))
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
