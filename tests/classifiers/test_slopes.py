"""Slopes go back digit by digit as torch takes them, and torch is given no slopes apart from the outputs."""

import pytest
import torch
from torch import nn

from brittle import FGSM, Classifier, Lp, SpatiallyTransformed, run
from brittle.classifiers.slopes import carried, slope_of


@pytest.fixture
def images():
    return torch.rand(3, 1, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_slopes_through_the_users_graph_are_those_that_torch_gives(images, dtype):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(32, 4)).to(dtype)
    slopes = torch.randn(3, 4, generator=torch.Generator().manual_seed(1)).to(dtype)
    leaf = images.to(dtype).requires_grad_()
    outputs = network(leaf)
    (expected,) = torch.autograd.grad(outputs, leaf, slopes, retain_graph=True)
    shown = images.to(dtype).requires_grad_()
    (lifted,) = carried(shown, leaf, [outputs], network, narrow=False)
    (found,) = torch.autograd.grad((lifted * slopes).sum(), shown, retain_graph=True)
    assert torch.equal(found, expected)
    several, kept = slope_of(outputs, leaf, network, keep=True)
    assert kept
    assert torch.equal(several, torch.autograd.grad(outputs, leaf, torch.ones_like(outputs))[0])


def test_infinite_outputs_have_the_slopes_of_the_others(images):
    leaf = images.clone().requires_grad_()
    outputs = torch.cat([leaf.flatten(1)[:, :2], leaf.flatten(1)[:, :1] * torch.inf], 1)
    (lifted,) = carried(images.requires_grad_(), leaf, [outputs], nn.Identity(), narrow=False)
    (found,) = torch.autograd.grad(lifted[:, :2].sum(), images)
    assert torch.equal(found.flatten(1)[:, 1:], torch.eye(1, 35).expand(3, 35))


@pytest.mark.parametrize(("attack", "threat"), [(FGSM(), Lp("inf", 0.1)), (SpatiallyTransformed(), None)])
def test_no_slopes_are_given_apart_for_torch_then_imports_for_a_second(images, attack, threat, monkeypatch):
    from brittle.threats import Flow

    given, grad = [], torch.autograd.grad

    def told(outputs, inputs, grad_outputs=None, *more, **named):
        given.append(grad_outputs)
        return grad(outputs, inputs, grad_outputs, *more, **named)

    monkeypatch.setattr(torch.autograd, "grad", told)
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    run(attack, Classifier(network), images, threat=threat or Flow(1.0))
    assert given
    assert given == [None] * len(given)
