"""Mistakes that are easily made with trainings: each is refused with a sentence, before anything is changed."""

import numpy as np
import pytest
import torch
from torch import nn

from brittle import PGD, Lp
from brittle.errors import BoundsError, ForwardFailed, InputError, LabelError, ModelError
from brittle.training import (
    AdversarialTraining,
    HeldOut,
    PlainTraining,
    UniversalPool,
    adversarial_batch,
    fit,
)

SHORT = PlainTraining(epochs=2, batch=10, rate=0.01)
NEAR = Lp("inf", 0.1)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 2))


def data():
    return torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 2


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = network()

    def forward(self, images):
        return self.inner(images).detach()


def with_nan():
    module = network()
    with torch.no_grad():
        module[1].weight[0, 0] = torch.nan
    return module


def trained(module=None, images=None, labels=None, **options):
    given = data()
    images, labels = (one if mine is None else mine for mine, one in zip((images, labels), given, strict=True))
    return fit(network() if module is None else module, images, labels, settings=SHORT, **options)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: trained(nn.Sequential(nn.Flatten(), nn.Linear(9, 2))), ForwardFailed, "cannot take images of 1x4x4"),
        (lambda: trained(Detached()), ModelError, "detach()"),
        (lambda: trained(with_nan()), ModelError, "NaN or infinite weights before the first step .1.weight"),
        (lambda: trained(images=data()[0].numpy()), InputError, "torch.as_tensor"),
        (lambda: trained(labels=[0, 1] * 10), InputError, "torch.as_tensor"),
        (lambda: trained(labels=data()[1][:5]), LabelError, "one for each of the 20 images"),
        (lambda: trained(adversarial=PGD(steps=2)), InputError, "AdversarialTraining.PGD"),
        (lambda: trained(optimiser=torch.optim.SGD(network().parameters(), 0.1)), InputError, "a function that makes"),
        (lambda: trained(held_out=HeldOut(data()[0], data()[1] + 7)), LabelError, "held-out images: labels reach"),
        (lambda: trained(held_out=HeldOut(data()[0] * 255, data()[1])), BoundsError, "held-out images: images reach"),
        (lambda: trained(held_out=HeldOut(torch.rand(2, 1, 5, 5), torch.arange(2))), InputError, "expected one"),
    ],
)
def test_a_training_refuses(make, error, says):
    with pytest.raises(error, match=says):
        make()


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda module, images, labels: (module, images * 2 - 1, labels), BoundsError, "0"),
        (lambda module, images, labels: (module, images * 255, labels), BoundsError, "255"),
        (lambda module, images, labels: (module, images, labels + 3), LabelError, "image 0 has 3"),
        (lambda module, images, labels: (module, images, labels - 1), LabelError, "-1"),
        (lambda module, images, labels: (with_nan(), images, labels), ModelError, "NaN or infinite"),
    ],
)
def test_a_batch_of_ones_own_loop_is_looked_at(change, error, says):
    with pytest.raises(error, match=says):
        adversarial_batch(*change(network(), *data()), PGD(steps=2), NEAR)


def test_a_batch_may_be_an_array_of_bytes():
    images, labels = np.full((3, 1, 4, 4), 128, np.uint8), np.array([0, 1, 0])
    found = adversarial_batch(network(), images, labels, PGD(steps=2), NEAR)
    assert float((found - 128 / 255).abs().max()) <= 0.1 + 1e-6


def test_a_checkpoint_is_named_by_text(tmp_path):
    trained(checkpoint=str(tmp_path / "state"))
    assert (tmp_path / "state").exists()
    assert trained(checkpoint=str(tmp_path / "state")).resumed == 2


def test_an_attack_that_never_was_whole_is_told():
    said = trained(adversarial=AdversarialTraining(PGD(steps=1), NEAR, warmup=5.0)).remarks
    assert "ended before the attack was whole, 0.03 of 0.1 in the last epoch" in said[0]
    said = trained(adversarial=AdversarialTraining(PGD(steps=1), NEAR, clean_epochs=2)).remarks
    assert said[0].startswith("ended before the attack was whole; take more epochs")
    assert not trained(adversarial=AdversarialTraining(PGD(steps=1), NEAR, warmup=2.0)).remarks
    assert not trained(adversarial=UniversalPool(torch.zeros(1, 1, 4, 4))).remarks
