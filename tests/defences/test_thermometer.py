"""Thermometer encoding: closed forms of the code and of what is differentiated in its place."""

import pytest
import torch
from torch import nn

from brittle import Classifier
from brittle.defences.thermometer import Thermometer
from brittle.errors import InputError


def images() -> torch.Tensor:
    return torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))


def test_every_channel_is_the_published_comparison():
    given, found = images(), Thermometer(levels=8).transform(images())
    assert found.shape == (2, 24, 5, 4)
    for channel in range(3):
        for k in range(1, 9):
            expected = (given[:, channel] > k / 8).float()
            assert torch.equal(found[:, channel * 8 + k - 1], expected)


@pytest.mark.parametrize(("value", "ones"), [(0.0, 0), (0.0625, 0), (0.063, 1), (0.5, 7), (0.51, 8), (1.0, 15)])
def test_a_value_shows_as_many_ones_as_levels_lie_below_it(value: float, ones: int):
    found = Thermometer().transform(torch.full((1, 1, 1, 1), value)).flatten()
    assert found.tolist() == [1.0] * ones + [0.0] * (16 - ones)


def test_the_surrogate_and_its_derivative_are_those_published():
    given = images().double().requires_grad_()
    found = Thermometer(levels=4).surrogate(given)
    levels = torch.tensor([0.25, 0.5, 0.75, 1.0], dtype=torch.float64)
    expected = (given[:, :, None] - levels[:, None, None]).clamp(0, 1).reshape(2, 12, 5, 4)
    torch.testing.assert_close(found, expected)
    (slope,) = torch.autograd.grad(found.sum(), given)
    torch.testing.assert_close(slope, (given[..., None] > levels).double().sum(-1))


def test_gradients_go_back_through_the_surrogate_at_the_image():
    classifier, given = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(240, 3))), images().requires_grad_()
    defence = Thermometer(levels=4)
    weights = classifier.module[1].weight[1].reshape(12, 5, 4)
    (found,) = torch.autograd.grad(defence.adaptive(classifier).classifier.logits(given)[:, 1].sum(), given)
    steps = given.detach()[:, :, None] > (torch.arange(1, 5) / 4)[:, None, None]
    torch.testing.assert_close(found, (weights.reshape(3, 4, 5, 4) * steps).sum(2).detach())
    (naive,) = torch.autograd.grad(defence.protect(classifier).logits(given).sum(), given)
    assert not naive.any()


def test_what_the_network_sees_is_shown_as_an_image():
    shown = Thermometer(levels=4).shown(Classifier(nn.Flatten()), torch.tensor([[[[0.1, 0.3, 0.6, 0.9]]]]))
    assert shown.flatten().tolist() == [0.0, 0.25, 0.5, 0.75]


def test_channels_are_counted_and_a_network_of_others_is_refused():
    assert Thermometer().image_shape((48, 32, 30)) == (3, 32, 30)
    assert Thermometer().image_shape(None) is None
    with pytest.raises(InputError, match=r"takes 3 channels; expected a multiple of 16.*brittle train"):
        Thermometer().image_shape((3, 32, 32))


@pytest.mark.parametrize("levels", [1, 257])
def test_settings_out_of_range_are_refused(levels: int):
    with pytest.raises(InputError, match="levels"):
        Thermometer(levels=levels)
