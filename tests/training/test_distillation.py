"""Defensive distillation: soft labels and temperatures in the loss, and gradients that vanish at T = 1."""

import pytest
import torch
from torch import nn

from brittle import Classifier
from brittle.defences.distillation import Distillation
from brittle.errors import InputError
from brittle.training.distillation import soft_labels, teacher_of
from brittle.training.fit import fit
from brittle.training.named import seeded
from brittle.training.recipe import PlainTraining

SETTINGS = PlainTraining(epochs=2, batch=16, rate=0.1, decay=0.0, momentum=0.0, schedule="constant")
IMAGES = torch.rand(48, 1, 4, 4, generator=torch.Generator().manual_seed(0))
LABELS = (IMAGES.mean((1, 2, 3)) > 0.5).long()


def network() -> nn.Module:
    return seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 2)), 0)


def trained(settings: PlainTraining = SETTINGS, soft: torch.Tensor | None = None) -> nn.Module:
    module = network()
    fit(module, IMAGES, LABELS, settings=settings, soft=soft)
    return module


def weights(module: nn.Module) -> torch.Tensor:
    return nn.utils.parameters_to_vector(module.parameters()).detach()


def test_certain_soft_labels_are_labels():
    certain = nn.functional.one_hot(LABELS, 2).float()
    torch.testing.assert_close(weights(trained(soft=certain)), weights(trained()))


def test_a_step_on_soft_labels_is_that_of_the_published_loss():
    temperature, soft = 5.0, torch.rand(48, 2, generator=torch.Generator().manual_seed(1)).softmax(1)
    one_step = PlainTraining(1, 48, rate=0.1, decay=0.0, momentum=0.0, schedule="constant", temperature=temperature)
    module = network()
    probabilities = (module(IMAGES) / temperature).softmax(1)
    loss = -(soft * probabilities.log()).sum(1).mean()
    slopes = torch.autograd.grad(loss, list(module.parameters()))
    expected = weights(module) - 0.1 * nn.utils.parameters_to_vector(slopes)
    torch.testing.assert_close(weights(trained(one_step, soft)), expected)


def test_at_temperature_1_the_loss_is_the_ordinary_one():
    assert torch.equal(weights(trained(PlainTraining(**{**vars(SETTINGS), "temperature": 1.0}))), weights(trained()))


def test_temperatures_divide_the_logits_of_labels_too():
    hot = PlainTraining(**{**vars(SETTINGS), "epochs": 1, "batch": 48, "temperature": 4.0})
    module = network()
    loss = nn.functional.cross_entropy(module(IMAGES) / 4, LABELS)
    slopes = nn.utils.parameters_to_vector(torch.autograd.grad(loss, list(module.parameters())))
    torch.testing.assert_close(weights(trained(hot)), weights(module) - 0.1 * slopes)


def test_soft_labels_are_the_softmax_at_the_temperature():
    module = network()
    expected = torch.softmax(module(IMAGES) / 20, 1)
    torch.testing.assert_close(soft_labels(module, IMAGES, 20.0), expected.detach())


def test_other_soft_labels_are_another_training(tmp_path):
    soft, path = torch.full((48, 2), 0.5), tmp_path / "checkpoint"
    fit(network(), IMAGES, LABELS, settings=SETTINGS, soft=soft, checkpoint=path)
    with pytest.raises(Exception, match="images and labels"):
        fit(network(), IMAGES, LABELS, settings=SETTINGS, checkpoint=path)
    assert teacher_of(path).parent == tmp_path


def test_the_gradient_of_the_softmax_loss_vanishes_until_the_logits_are_divided():
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    with torch.no_grad():
        module[1].weight.copy_(torch.stack([torch.full((16,), 40.0), torch.full((16,), -40.0)]))
        module[1].bias.zero_()
    classifier, images = Classifier(module), torch.full((1, 1, 4, 4), 0.9)
    slopes = []
    for one in (Distillation(100).protect(classifier), Distillation(100).adaptive(classifier).classifier):
        given = images.clone().requires_grad_()
        loss = nn.functional.cross_entropy(one.logits(given), torch.tensor([0]))
        slopes.append(torch.autograd.grad(loss, given)[0].abs().max())
    assert slopes[0] == 0
    assert slopes[1] > 1e-6


@pytest.mark.parametrize("temperature", [0.5, float("nan")])
def test_settings_out_of_range_are_refused(temperature: float):
    with pytest.raises(InputError, match="temperature"):
        Distillation(temperature)
    with pytest.raises(InputError, match="temperature"):
        PlainTraining(temperature=temperature - 0.5)
