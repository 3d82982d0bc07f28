"""Defense-GAN gives back what its own generator made, and moves everything else to the nearest such image."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from brittle import Classifier
from brittle.defences.defense_gan import DefenseGAN
from brittle.errors import InputError, ModelError
from brittle.models.generative import WGAN


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    """A generator of 6 x 5 images whose values depend strongly on the latents."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = WGAN(1, 6, 5, latent=3, features=4)
    with torch.no_grad():
        for weight in made.generator.parameters():
            weight *= 3
    path = tmp_path_factory.mktemp("generator") / "weights.safetensors"
    save_file(made.state_dict(), path, {"brittle": json.dumps({"architecture": "wgan", "design": made.design})})
    return str(path)


def own_images(defence: DefenseGAN, count: int = 3) -> torch.Tensor:
    latents = torch.randn((count, 3), generator=torch.Generator().manual_seed(5)) / 2
    with torch.no_grad():
        return defence.generator()(latents)


def drawn(seed: int):
    torch.manual_seed(seed)


def test_images_of_its_own_generator_come_back(weights: str):
    defence = DefenseGAN(weights=weights, steps=150, rate=1.0)
    images = own_images(defence)
    with torch.random.fork_rng():
        drawn(0)
        found = defence.transform(images)
    assert (found - images).abs().max() < 0.02


def test_more_steps_and_more_restarts_come_nearer(weights: str):
    images = torch.rand((4, 1, 6, 5), generator=torch.Generator().manual_seed(0))
    errors = []
    for steps, restarts in ((1, 1), (60, 1), (60, 8)):
        with torch.random.fork_rng():
            drawn(3)
            found = DefenseGAN(weights=weights, steps=steps, restarts=restarts, rate=1.0).transform(images)
        errors.append((found - images).square().mean((1, 2, 3)))
    assert (errors[1] < errors[0]).all()
    assert (errors[2] <= errors[1] + 1e-6).all()
    assert errors[2].sum() < errors[1].sum()


def test_a_step_is_one_of_descent_with_momentum_and_late_steps_are_a_tenth(weights: str):
    defence = DefenseGAN(weights=weights, steps=5, restarts=1, rate=2.0, momentum=0.5)
    image, generator = own_images(defence)[:1].clone() * 0.5, defence.generator()
    with torch.random.fork_rng():
        drawn(4)
        found = defence.latents(image)
        drawn(4)
        latents, speed = torch.randn(1, 3) / 3**0.5, torch.zeros(1, 3)
    for step in range(5):
        latents = latents.detach().requires_grad_()
        (slope,) = torch.autograd.grad((generator(latents) - image).square().mean(), latents)
        speed = 0.5 * speed + slope
        latents = latents - (0.2 if step == 4 else 2.0) * speed
    torch.testing.assert_close(found, latents.detach())


def test_its_latents_are_those_of_its_images(weights: str):
    defence = DefenseGAN(weights=weights, steps=10)
    images = own_images(defence)
    with torch.random.fork_rng():
        drawn(0)
        latents = defence.latents(images)
        drawn(0)
        seen = defence.transform(images)
    with torch.no_grad():
        torch.testing.assert_close(defence.generator()(latents), seen)


def test_a_careless_gradient_is_none_and_the_adaptive_one_that_of_the_image_seen(weights: str):
    defence = DefenseGAN(weights=weights, steps=3)
    classifier = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(30, 2)))
    slopes = []
    for behind in (defence.protect(classifier), defence.adaptive(classifier).classifier):
        images = own_images(defence).requires_grad_()
        with torch.random.fork_rng():
            slopes.append(torch.autograd.grad(behind.logits(images)[:, 0].sum(), images)[0])
    assert not slopes[0].any()
    torch.testing.assert_close(slopes[1].flatten(1), classifier.module[1].weight[:1].detach().expand(3, -1))


def test_float64_images_leave_the_shared_generator_as_it_is(weights: str):
    defence = DefenseGAN(weights=weights, steps=2)
    assert defence.transform(own_images(defence).double()).dtype == torch.float64
    assert defence.generator().first.weight.dtype == torch.float32


def test_images_of_another_size_are_refused(weights: str):
    defence = DefenseGAN(weights=weights)
    with pytest.raises(InputError, match="makes images of 1x6x5"):
        defence.transform(torch.rand(1, 1, 28, 28))
    with pytest.raises(InputError, match="makes images of 1x6x5"):
        defence.image_shape((3, 6, 5))
    assert defence.image_shape(None) == (1, 6, 5)


def test_weights_that_are_none_are_refused(tmp_path):
    with pytest.raises(ModelError, match="expected wgan-digits, wgan-mnist, or"):
        DefenseGAN(weights="nowhere")
    with pytest.raises(ModelError, match="holds a pixelcnn"):
        DefenseGAN(weights="pixelcnn-digits")
    strange = tmp_path / "strange.safetensors"
    save_file({"a": torch.zeros(1)}, strange)
    with pytest.raises(ModelError, match="not the file of a trained wgan"):
        DefenseGAN(weights=str(strange))


def test_a_file_that_speaks_of_more_than_it_holds_is_refused(tmp_path):
    large = {"channels": 3, "height": 4096, "width": 4096, "latent": 4096, "features": 4096}
    for number, design in enumerate((large, {**large, "latent": 10**9}, {"channels": 1}, {"channels": "1"})):
        path = tmp_path / f"{number}.safetensors"
        save_file({"a": torch.zeros(1)}, path, {"brittle": json.dumps({"architecture": "wgan", "design": design})})
        with pytest.raises(ModelError, match=r"speaks of weights|expected 1 to|does not describe"):
            DefenseGAN(weights=str(path))
