"""Sparse autoencoders: the penalty by hand, images given back, units as rarely active as asked, nothing left behind."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from brittle.errors import InputError
from brittle.training import PlainTraining
from brittle.training.autoencoder import Sparsity, train_autoencoder
from brittle.training.named import seeded

SETTINGS = PlainTraining(epochs=40, batch=32, rate=0.02, decay=0.0)


def encoder() -> nn.Module:
    return seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Sigmoid()), 1)


def two_patterns(n: int = 128) -> torch.Tensor:
    """Images that are mixtures of two patterns."""
    generator = torch.Generator().manual_seed(0)
    patterns, fractions = torch.rand(2, 16, generator=generator), torch.rand(n, 2, generator=generator) / 2
    return (fractions @ patterns).reshape(n, 1, 4, 4)


def test_the_penalty_is_the_divergence_of_two_coins():
    by_hand = 2 * (0.2 * math.log(0.2 / 0.5) + 0.8 * math.log(0.8 / 0.5))
    assert Sparsity(0.2, 2.0).penalty(torch.tensor([0.5, 0.2])).item() == pytest.approx(by_hand, abs=1e-6)
    assert math.isfinite(Sparsity().penalty(torch.tensor([0.0, 1.0])).item())


def test_images_are_given_back_ever_better():
    images = two_patterns()
    errors = train_autoencoder(encoder(), images, settings=SETTINGS, sparsity=Sparsity(weight=0.0))
    spread = (images - images.mean(0)).flatten(1).square().sum(1).mean().item() / 2
    assert len(errors) == 40
    assert errors[-1] < 0.5 * spread < errors[0]


def test_units_are_as_rarely_active_as_asked():
    images, told = two_patterns(), []
    free, held = encoder(), encoder()
    train_autoencoder(free, images, settings=SETTINGS, sparsity=Sparsity(weight=0.0))
    train_autoencoder(
        held, images, settings=SETTINGS, sparsity=Sparsity(0.1, 5.0), progress=lambda *seen: told.append(seen)
    )
    assert (held(images).mean(0) - 0.1).abs().amax() < 0.03
    assert (free(images).mean(0) - 0.1).abs().amax() > 0.1
    assert [number for number, _ in told] == list(range(1, 41))


def test_the_seed_alone_decides_and_nothing_is_left_behind():
    images, settings = two_patterns(), replace(SETTINGS, epochs=2)
    before = torch.get_rng_state()
    first, again, other = encoder(), encoder(), encoder()
    errors = train_autoencoder(first, images, settings=settings)
    torch.rand(1)
    torch.set_rng_state(before)
    assert train_autoencoder(again, images, settings=settings) == errors
    train_autoencoder(other, images, settings=replace(settings, seed=5))
    assert torch.equal(first[1].weight, again[1].weight)
    assert not torch.equal(first[1].weight, other[1].weight)
    assert torch.equal(torch.get_rng_state(), before)
    assert not first.training
    assert first[1].weight.grad is None


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(InputError, match="no images"):
        train_autoencoder(encoder(), torch.zeros(0, 1, 4, 4), settings=SETTINGS)
    with pytest.raises(InputError, match=r"target is 1.0; expected a mean activity between 0 and 1"):
        Sparsity(target=1.0)
    with pytest.raises(InputError, match=r"weight is -1.0"):
        Sparsity(weight=-1.0)
