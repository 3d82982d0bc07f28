"""PDPGD: its first step by hand, and its inner iteration against brute force."""

import pytest
import torch
from affine import convolutional, middle
from torch import nn

from brittle import PDPGD, Classifier, InputError, Lp, run


def test_the_first_step_by_hand():
    """Adam's first step is 0.1 along the signs; the weight is ratio x 0.1 / Adam's largest spread, the larger slope."""
    layer = nn.Linear(2, 2).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, 0.0], [4.0, -2.0]]))
        layer.bias.copy_(torch.tensor([0.0, -1.0]))
    image = torch.tensor([0.4, 0.5], dtype=torch.float64).reshape(1, 1, 1, 2)
    lacking = -(4 * 0.4 - 2 * 0.5 - 1)
    slope = torch.tensor([4.0, 2.0]) * torch.sigmoid(torch.tensor(lacking))
    weight = 0.01 * 0.1 / float(slope[0])
    # one proximal iteration from the aim itself: soft thresholding
    expected = torch.tensor([0.4 + 0.1 - weight, 0.5 - 0.1 + weight], dtype=torch.float64)
    classifier = Classifier(nn.Sequential(nn.Flatten(), layer))
    result = run(PDPGD(steps=1, rounds=1), classifier, image, threat=Lp(1), trace=True)
    torch.testing.assert_close(result.adversarial.flatten(), expected, atol=1e-6, rtol=0)


def test_more_steps_come_nearer():
    few, many = (run(PDPGD(steps=n), convolutional(), middle(4), threat=Lp(2)).size for n in (10, 150))
    assert torch.isfinite(many).all()
    assert many.median() < 0.9 * few.median()


@pytest.mark.parametrize("settings", [{"stride": 0.0}, {"ratio": 0.0}, {"least": 2.0}, {"memory": 1.0}, {"rounds": 0}])
def test_what_cannot_be_meant_is_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        PDPGD(**settings)
