"""Where networks bend: one with a single layer that bends is its tangent and what its bends add, everywhere."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from brittle.classifiers.bends import Bends


def seeded(*layers):
    torch.manual_seed(3)
    network = nn.Sequential(*layers).double()
    for weight in network.parameters():
        torch.nn.init.normal_(weight.requires_grad_(False))
    return network


def relu():
    return seeded(nn.Flatten(), nn.Linear(16, 9), nn.ReLU(), nn.Linear(9, 1))


def written_over():
    return seeded(nn.Flatten(), nn.Linear(16, 9), nn.ReLU(inplace=True), nn.Linear(9, 1))


def leaky():
    return seeded(nn.Conv2d(1, 3, 2), nn.LeakyReLU(0.3), nn.Flatten(), nn.Linear(27, 1))


def pooled():
    return seeded(nn.Conv2d(1, 3, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 1))


def pooled_with_a_border():
    return seeded(nn.Conv2d(1, 2, 1), nn.MaxPool2d(3, stride=2, padding=1), nn.Flatten(), nn.Linear(8, 1))


class Functions(nn.Module):
    """Calls by other names, and writes over what it is given back."""

    def __init__(self):
        super().__init__()
        self.inner = seeded(nn.Flatten(), nn.Linear(16, 9))
        self.outer = seeded(nn.Linear(9, 1))

    def forward(self, images):
        bent = torch.relu_(self.inner(images))
        bent.mul_(2)
        return self.outer(bent)


def looked(network, x):
    leaf = x.clone().requires_grad_()
    with Bends() as bends:
        outputs = network(leaf)
    return leaf, bends, outputs


@pytest.mark.parametrize("make", [relu, written_over, leaky, pooled, pooled_with_a_border, Functions])
def test_the_network_is_its_tangent_and_what_its_bends_add(make):
    network = make().double().requires_grad_(False)
    x, step = torch.rand(2, 1, 1, 4, 4, dtype=torch.float64)
    leaf, bends, outputs = looked(network, x)
    assert torch.equal(outputs, network(x))
    assert bends.fits(1)
    patterns = bends.patterns()
    gradient, worth = bends.slopes(outputs.sum(), leaf)
    for far in (1e-4, 0.1, 1.0, 5.0):
        _, there, moved = looked(network, x + far * step)
        each = bends.layers[0].values.shape
        beyond = (-there.slack(patterns)).clamp_min(0).reshape(each).amax(2)  # of a window the largest counts
        expected = outputs.sum() + far * (gradient * step).sum() + (worth.reshape(each)[:, :, 0] * beyond).sum()
        torch.testing.assert_close(moved.sum(), expected, atol=1e-9, rtol=0)
    assert (beyond > 0).any(), "otherwise nothing was crossed"


def test_slack_is_never_negative_at_its_own_point_and_serves_many():
    network = pooled()
    x = torch.rand(5, 1, 4, 4, dtype=torch.float64)
    _, bends, _ = looked(network, x)
    assert bends.fits(5)
    assert not bends.fits(4)
    assert (bends.slack(bends.patterns()) >= 0).all()
    _, alone, _ = looked(network, x[:1])
    assert torch.equal(bends.slack(alone.patterns())[0], alone.slack(alone.patterns())[0])


@pytest.mark.parametrize("layer", [nn.Tanh(), nn.GELU(), nn.MaxPool2d(2, ceil_mode=True), nn.AvgPool2d(2)], ids=str)
def test_what_does_not_bend_or_is_not_known_is_not_noted(layer):
    x = torch.rand(1, 1, 5, 5, dtype=torch.float64)
    leaf, bends, outputs = looked(layer, x)
    assert not bends.fits(1)
    assert torch.equal(outputs, layer(leaf))


def test_what_hangs_on_no_image_is_not_noted():
    with Bends() as bends:
        functional.relu(torch.randn(3, 4))
    assert not bends.layers


def test_exported_networks_are_seen_through():
    network = relu()
    exported = torch.export.export(network, (torch.rand(2, 1, 4, 4, dtype=torch.float64),)).module()
    _, bends, _ = looked(exported, torch.rand(2, 1, 4, 4, dtype=torch.float64))
    assert [tuple(layer.values.shape) for layer in bends.layers] == [(2, 9, 1)]
