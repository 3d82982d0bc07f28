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


def ramps(given: torch.Tensor, levels: int) -> torch.Tensor:
    """The derivatives of the ramps: half the number of levels within one level of a value, otherwise 0."""
    places = torch.arange(1, levels + 1, dtype=given.dtype) / levels
    within = (given[:, :, None] - places[:, None, None]).abs() < 1 / levels
    return within.to(given.dtype) * levels / 2


def test_the_surrogate_climbs_from_the_level_below_to_the_level_above():
    given = images().double().requires_grad_()
    found = Thermometer(levels=4).surrogate(given)
    for k in range(1, 5):
        low, high = (k - 1) / 4, (k + 1) / 4
        expected = ((given - low) / (high - low)).clamp(0, 1)
        torch.testing.assert_close(found.unflatten(1, (3, 4))[:, :, k - 1], expected)
    (slope,) = torch.autograd.grad(found.sum(), given)
    torch.testing.assert_close(slope, ramps(given.detach(), 4).sum(2))


def test_every_value_has_a_gradient_those_below_the_first_level_too():
    given = torch.linspace(0.001, 0.999, 300)[None, None, None].requires_grad_()
    (slope,) = torch.autograd.grad(Thermometer().surrogate(given).sum(), given)
    assert slope.gt(0).all()


def test_gradients_go_back_through_the_surrogate_at_the_image():
    classifier, given = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(240, 3))), images().requires_grad_()
    defence = Thermometer(levels=4)
    weights = classifier.module[1].weight[1].reshape(3, 4, 5, 4)
    (found,) = torch.autograd.grad(defence.adaptive(classifier).classifier.logits(given)[:, 1].sum(), given)
    torch.testing.assert_close(found, (weights * ramps(given.detach(), 4)).sum(2).detach())
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
