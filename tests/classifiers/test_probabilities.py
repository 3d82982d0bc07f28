"""Probabilities are told from logits by the rounding that they show, on as many rows as there are."""

import pytest
import torch
from torch import Tensor, nn

from brittle import FGSM, Classifier, Lp, ModelError, run
from brittle.classifiers.probabilities import seem_probabilities, seem_sigmoid


def rows(count: int, classes: int, seed: int = 0, spread: float = 3.0) -> Tensor:
    return torch.randn(count, classes, generator=torch.Generator().manual_seed(seed)) * spread


ROUNDINGS = {
    "none": lambda p: p,
    "2 decimals": lambda p: (p * 100).round() / 100,
    "3 decimals": lambda p: (p * 1e3).round() / 1e3,
    "4 decimals": lambda p: (p * 1e4).round() / 1e4,
    "6 decimals": lambda p: (p * 1e6).round() / 1e6,
    "bytes": lambda p: (p * 256).round() / 256,
    "float16": lambda p: p.half(),
    "bfloat16": lambda p: p.bfloat16(),
    "bfloat16 and back": lambda p: p.bfloat16().float(),
}


@pytest.mark.parametrize("classes", [2, 10, 40])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_rounded_probabilities_are_refused_by_the_way_out(rounding, classes):
    if classes == 40 and rounding == "2 decimals":
        pytest.skip("40 half units of 1/100 explain a sum of 0.8: too coarse to tell")
    module = nn.Sequential(nn.Flatten(), Rounded(ROUNDINGS[rounding]))
    images = rows(30, classes).reshape(30, 1, 1, classes)
    images = (images - images.min()) / (images.max() - images.min())
    for batch in (30, 1):
        with pytest.raises(ModelError, match=r"they look like probabilities.*probabilities=True"):
            run(FGSM(), Classifier(module), images, threat=Lp("inf", 0.1), batch=batch)
    run(FGSM(), Classifier(module, probabilities=True), images, threat=Lp("inf", 0.1))


class Rounded(nn.Module):
    def __init__(self, rounding):
        super().__init__()
        self.rounding = rounding

    def forward(self, x: Tensor) -> Tensor:
        return x + (self.rounding((x * 12).softmax(1)) - x)


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_logits_that_lie_in_0_to_1_are_none(classes, kind):
    """Among 600 sets of 1, 2, 3 or 10 rows of numbers in 0..1 none passes for probabilities by chance."""
    for count in (1, 2, 3, 10):
        drawn = torch.rand(150, count, classes, generator=torch.Generator().manual_seed(1)).to(kind)
        assert sum(seem_probabilities(one) for one in drawn) == 0
        decimal = (drawn.float() * 100).round() / 100
        exact = ((decimal.sum(2) - 1).abs() < 1e-5).all(1)
        assert sum(seem_probabilities(one) for one in decimal[~exact]) == 0


def test_the_rule_for_a_single_output():
    assert seem_sigmoid(torch.linspace(0.01, 0.99, 8))
    assert seem_sigmoid(torch.tensor([0.0] * 5 + [1.0] * 5))
    for honest in (
        torch.linspace(0.01, 0.99, 7),  # too few to tell
        torch.linspace(0.01, 0.49, 50),  # one side: a weak logit of a class 1 that is all there is
        torch.linspace(-0.01, 0.99, 50),
        torch.linspace(0.01, 1.01, 50),
    ):
        assert not seem_sigmoid(honest)


def test_a_sigmoid_that_was_said_to_be_a_logit_is_refused_by_the_way_out():
    images = torch.rand(20, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    layer = nn.Linear(4, 1)
    with torch.no_grad():
        layer.weight.fill_(4.0)
        layer.bias.fill_(-8.0)
    labels = (layer(images.flatten(1))[:, 0] > 0).long()
    right, wrong = nn.Sequential(nn.Flatten(), layer), nn.Sequential(nn.Flatten(), layer, nn.Sigmoid())
    for batch in (20, 3):
        with pytest.raises(ModelError, match=r"on both sides of 1/2.*binary=True, probabilities=True"):
            run(FGSM(), Classifier(wrong, binary=True), images, labels, threat=Lp("inf", 0.1), batch=batch)
    results = [
        run(FGSM(), classifier, images, labels, threat=Lp("inf", 0.1))
        for classifier in (Classifier(right, binary=True), Classifier(wrong, binary=True, probabilities=True))
    ]
    assert not results[0].already.any()
    assert torch.equal(results[0].success, results[1].success)
