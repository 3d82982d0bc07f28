"""A pool of universal perturbations: what is added to which image, with which probability, and what is refused."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from brittle.errors import InputError, RunError
from brittle.training import PlainTraining, UniversalPool, accuracy, fit
from brittle.training.named import seeded
from training.test_fit import (
    SETTINGS,
    build,
    data,
    interrupt_and_go_on,
    kill_and_go_on,
    same,
)

GREY = torch.full((4000, 1, 2, 2), 0.5)
IDS = torch.arange(4000)
TWO = torch.stack([torch.full((1, 2, 2), 0.1), torch.full((1, 2, 2), -0.2)])
SHORT = replace(SETTINGS, epochs=3, batch=34)
POOL = UniversalPool(0.2 * torch.randn(3, 1, 6, 6, generator=torch.Generator().manual_seed(4)))


def shares(moved):
    """Return which fractions of grey images became which grey."""
    values, counts = moved[:, 0, 0, 0].unique(return_counts=True)
    return {round(float(value), 4): int(count) / len(moved) for value, count in zip(values, counts, strict=True)}


def test_each_perturbation_is_added_with_its_share_of_the_probability():
    found = shares(UniversalPool(TWO, probability=0.6).applied(GREY, IDS, seed=0))
    assert set(found) == {0.3, 0.5, 0.6}
    deviation = 4 * (0.25 / 4000) ** 0.5
    assert found[0.5] == pytest.approx(0.4, abs=deviation)
    assert found[0.3] == pytest.approx(0.3, abs=deviation)


def test_alpha_multiplies_and_the_box_is_kept():
    once, twice = (UniversalPool(TWO, probability=1.0, alpha=alpha).applied(GREY, IDS, seed=0) for alpha in (1.0, 2.0))
    torch.testing.assert_close(twice - GREY, 2 * (once - GREY))
    far = UniversalPool(TWO, probability=1.0, alpha=10.0).applied(GREY, IDS, seed=0)
    assert set(far.unique().tolist()) == {0.0, 1.0}


def test_draws_belong_to_the_image_and_the_epoch_and_not_to_its_neighbours():
    pool = UniversalPool(TWO)
    whole = pool.applied(GREY, IDS, seed=3)
    order = torch.randperm(4000, generator=torch.Generator().manual_seed(1))
    assert torch.equal(pool.applied(GREY[order], order, seed=3), whole[order])
    assert torch.equal(pool.applied(GREY[7:9], IDS[7:9], seed=3), whole[7:9])
    assert not torch.equal(pool.applied(GREY, IDS, seed=4), whole)


def test_nothing_that_was_given_is_changed_and_the_type_is_kept():
    images, before = GREY.double(), TWO.clone()
    pool = UniversalPool(TWO)
    state = torch.get_rng_state()
    moved = pool.applied(images, IDS, seed=0)
    assert moved.dtype == torch.float64
    assert torch.equal(images, GREY.double())
    assert torch.equal(TWO, before)
    assert torch.equal(state, torch.get_rng_state())


def test_the_step_is_that_on_the_perturbed_images():
    """A linear network, one batch, every image changed by the one perturbation of the pool."""
    images, labels = data(24)
    change = torch.full((1, 1, 6, 6), 0.05)
    module = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    loss = functional.cross_entropy(module((images + change).clamp(0, 1)), labels)
    gradients = torch.autograd.grad(loss, list(module.parameters()))
    expected = [w.detach() - 0.1 * g for w, g in zip(module.parameters(), gradients, strict=True)]
    settings = PlainTraining(epochs=1, batch=24, rate=0.1, schedule="constant", momentum=0.0, decay=0.0)
    history = fit(module, images, labels, settings=settings, adversarial=UniversalPool(change, probability=1.0))
    for weight, wanted in zip(module.parameters(), expected, strict=True):
        torch.testing.assert_close(weight.detach(), wanted)
    assert history.epochs[0].loss == pytest.approx(loss.item())
    assert history.adversarial == UniversalPool(change, probability=1.0)


def test_a_network_trained_on_the_pool_withstands_it():
    """The perturbation exchanges the brighter half; trained on it, the network finds another way."""
    images, labels = data(200)
    change = torch.zeros(1, 6, 6)
    change[:, :3], change[:, 3:] = 0.3, -0.3
    shown = (data(200, seed=1)[0] + change).clamp(0, 1)
    accuracies: list[float] = []
    for pool in (None, UniversalPool(change[None])):
        module = seeded(build, 5)
        fit(module, images, labels, settings=replace(SETTINGS, epochs=6), adversarial=pool)
        accuracies.append(accuracy(module, shown, data(200, seed=1)[1]))
    assert accuracies[0] < 0.7
    assert accuracies[1] > 0.9


def pooled(adversarial=POOL, settings=SHORT, checkpoint=None, **options):
    module = seeded(build, 5)
    history = fit(module, *data(), settings=settings, adversarial=adversarial, checkpoint=checkpoint, **options)
    return module, history


def test_every_epoch_and_every_seed_draws_anew(monkeypatch):
    seeds: list[int] = []

    def applied(self, images, ids, seed):
        seeds.append(seed)
        return images

    monkeypatch.setattr(UniversalPool, "applied", applied)
    pooled()
    pooled(settings=replace(SHORT, seed=1))
    assert len(seeds) == 2 * 3 * 3
    assert len(set(seeds)) == 2 * 3


def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path):
    whole = interrupt_and_go_on(pooled, tmp_path / "state")
    assert not same(whole, pooled(None)[0])


def test_a_training_killed_with_kill_9_goes_on_to_the_same_bits(tmp_path):
    kill_and_go_on(pooled, tmp_path / "state")


@pytest.mark.parametrize(
    "other",
    [
        None,
        replace(POOL, probability=0.4),
        replace(POOL, alpha=2.0),
        replace(POOL, perturbations=POOL.perturbations + 1e-3),
    ],
    ids=("none", "probability", "alpha", "perturbations"),
)
def test_a_checkpoint_of_another_pool_is_refused(tmp_path, other):
    pooled(settings=replace(SHORT, epochs=1), checkpoint=tmp_path / "state")
    with pytest.raises(RunError, match="another training"):
        pooled(other, replace(SHORT, epochs=1), tmp_path / "state")
    assert other != POOL


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"probability": 0.0}, "probability is 0.0; expected a number above 0 and at most 1"),
        ({"probability": 1.5}, "probability is 1.5"),
        ({"alpha": -1.0}, "alpha is -1"),
        ({"alpha": float("inf")}, "alpha is inf"),
        ({"perturbations": TWO[0]}, "at least one perturbation"),
        ({"perturbations": TWO[:0]}, "at least one perturbation"),
        ({"perturbations": TWO.long()}, "expected floats"),
        ({"perturbations": TWO * float("nan")}, "NaN or infinite"),
    ],
)
def test_what_is_no_pool_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        UniversalPool(**{"perturbations": TWO, **settings})


def test_images_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"the pool is for images of 1x2x2 .* but these are 1x6x6"):
        pooled(UniversalPool(TWO))
