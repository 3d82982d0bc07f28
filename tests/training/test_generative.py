"""Training of generative models: the penalty, what a step moves, and going on after a kill with the same bits."""

import pytest
import torch
from torch import Tensor, nn

from brittle.errors import InputError, RunError
from brittle.models.generative import WGAN, PixelCNN
from brittle.training.generative import (
    CriticWithPenalty,
    Draws,
    MaximumLikelihood,
    gradient_penalty,
    train_generative,
)
from brittle.training.named import seeded
from brittle.training.recipe import PlainTraining

IMAGES = torch.rand((20, 1, 8, 8), generator=torch.Generator().manual_seed(0))
SETTINGS = PlainTraining(epochs=3, batch=4, rate=1e-2, decay=0.0)
KINDS = {
    "pixelcnn": (lambda: PixelCNN(1, width=4, depth=1), MaximumLikelihood()),
    "wgan": (lambda: WGAN(1, 8, 8, latent=3, features=4), CriticWithPenalty(critic_steps=2)),
}


def test_the_penalty_of_a_linear_critic_is_that_of_its_weights():
    weights = torch.randn(64, generator=torch.Generator().manual_seed(1))
    found = gradient_penalty(lambda some: some.flatten(1) @ weights, IMAGES, IMAGES.flip(0), torch.rand(20, 1, 1, 1))
    torch.testing.assert_close(found, (weights.norm() - 1).square())


def test_the_penalty_is_taken_between_the_two_images():
    """Of the critic |x|^2 / 2 the slope is x itself."""
    share = torch.full((20, 1, 1, 1), 0.25)
    found = gradient_penalty(lambda some: some.flatten(1).square().sum(1) / 2, IMAGES, IMAGES.flip(0), share)
    between = 0.25 * IMAGES + 0.75 * IMAGES.flip(0)
    torch.testing.assert_close(found, (between.flatten(1).norm(dim=1) - 1).square().mean())


def test_the_penalty_can_be_differentiated_by_the_critics_weights():
    weights = torch.ones(64, requires_grad=True)
    found = gradient_penalty(lambda some: some.flatten(1) @ weights, IMAGES, IMAGES.flip(0), torch.rand(20, 1, 1, 1))
    (slope,) = torch.autograd.grad(found, weights)
    torch.testing.assert_close(slope, 2 * (8 - 1) * torch.ones(64) / 8)  # 2 (|w| - 1) w / |w|


def weights_of(module: nn.Module) -> list[Tensor]:
    return [weight.detach().clone() for weight in module.parameters()]


@pytest.mark.parametrize(("step", "moves"), [(0, False), (1, True)])
def test_the_generator_moves_only_in_its_own_steps(step: int, moves: bool):
    module = seeded(KINDS["wgan"][0], 0)
    optimiser = torch.optim.Adam(module.parameters(), 1e-2)
    made, judged = weights_of(module.generator), weights_of(module.critic)
    CriticWithPenalty(critic_steps=2).learn(module, optimiser, IMAGES, Draws(torch.Generator().manual_seed(0), step))
    assert all(map(torch.equal, made, weights_of(module.generator))) is not moves
    assert not any(map(torch.equal, judged[:2], weights_of(module.critic)[:2]))


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns(kind: str):
    build, lesson = KINDS[kind]
    module = seeded(build, 0)
    epochs = train_generative(module, IMAGES.round(), lesson, settings=SETTINGS).epochs
    assert not module.training
    assert all(epoch.accuracy is None for epoch in epochs)
    if kind == "pixelcnn":
        assert epochs[-1].loss < epochs[0].loss - 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_killed_in_an_epoch_it_goes_on_with_the_same_bits(kind: str, tmp_path):
    build, lesson = KINDS[kind]
    whole, killed, again = (seeded(build, 0) for _ in range(3))
    history = train_generative(whole, IMAGES, lesson, settings=SETTINGS)
    place = tmp_path / "checkpoint"
    calls = iter(range(100))

    def stop(done: float) -> None:
        if next(calls) == 7:  # within the second epoch
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_generative(killed, IMAGES, lesson, settings=SETTINGS, checkpoint=place, watch=stop)
    found = train_generative(again, IMAGES, lesson, settings=SETTINGS, checkpoint=place)
    assert found.resumed == 1
    assert found.epochs == history.epochs
    assert all(map(torch.equal, weights_of(whole), weights_of(again)))


def test_a_checkpoint_of_another_lesson_is_refused(tmp_path):
    build, lesson = KINDS["wgan"]
    place = tmp_path / "checkpoint"
    train_generative(seeded(build, 0), IMAGES, lesson, settings=SETTINGS, checkpoint=place)
    with pytest.raises(RunError, match="lesson"):
        train_generative(seeded(build, 0), IMAGES, CriticWithPenalty(), settings=SETTINGS, checkpoint=place)


def test_no_images_are_refused():
    build, lesson = KINDS["pixelcnn"]
    with pytest.raises(InputError, match="no images"):
        train_generative(build(), IMAGES[:0], lesson, settings=SETTINGS)
