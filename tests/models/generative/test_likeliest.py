"""The likeliest image near another one: by the cached pass as by asking the whole network anew at every pixel."""

import itertools

import pytest
import torch
from torch import Tensor

from brittle.models.generative import PixelCNN
from brittle.models.generative.likeliest import likeliest_near, log_likelihoods
from brittle.models.generative.logistic_mixture import LogisticMixture

LEVELS = 16


def model_of(channels: int) -> PixelCNN:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = PixelCNN(channels, width=6, depth=2, levels=LEVELS).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight *= 2
    return model


def images_of(channels: int, count: int = 3) -> Tensor:
    return torch.rand((count, channels, 5, 4), generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def slowly(model: PixelCNN, images: Tensor, radius: float) -> Tensor:
    """Algorithm 1 of Song et al. word by word: image by image, a whole forward pass for every value."""
    images, top = images.clone(), LEVELS - 1
    for image in images:
        _, channels, height, width = image[None].shape
        for row, column, channel in itertools.product(range(height), range(width), range(channels)):
            given = float(image[channel, row, column]) * top
            levels = [level for level in range(LEVELS) if abs(level - given) <= radius * top]
            mixture = LogisticMixture.of(model(image[None])[0, row, column], channels, LEVELS)
            weights, earlier = mixture.weights, list[Tensor]()
            for before in range(channel):
                value = image[before, row, column]
                means = mixture.means_given(before, earlier)
                weights = weights + mixture.components(before, (value * top).round()[None], means)[0]
                earlier.append(value * 2 - 1)
            means = mixture.means_given(channel, earlier)
            chances = [
                float(
                    (weights + mixture.components(channel, torch.tensor([float(level)]).double(), means)[0]).logsumexp(
                        0
                    )
                )
                for level in levels
            ]
            if levels:
                image[channel, row, column] = levels[chances.index(max(chances))] / top
    return images


@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_what_asking_the_whole_network_for_every_value_gives(channels: int):
    model, images = model_of(channels), images_of(channels)
    with torch.no_grad():
        torch.testing.assert_close(likeliest_near(model, images, 0.2), slowly(model, images, 0.2))


@pytest.mark.parametrize("radius", [0.07, 0.2, 1.0])
def test_no_value_leaves_the_radius_and_all_lie_on_levels(radius: float):
    images = images_of(3)
    found = likeliest_near(model_of(3), images, radius)
    assert float((found - images).abs().max()) <= radius + 1e-5
    torch.testing.assert_close((found * (LEVELS - 1)).round() / (LEVELS - 1), found)


def test_no_value_becomes_less_likely_given_those_before_it():
    model = model_of(3)
    images = (images_of(3) * (LEVELS - 1)).round() / (LEVELS - 1)
    found = likeliest_near(model, images, 0.2)
    mixture, now, before = model.mixture(found), *((one * (LEVELS - 1)).round() for one in (found, images))
    for row, column in itertools.product(range(5), range(4)):
        here = LogisticMixture(*(getattr(mixture, name)[:, row, column] for name in FIELDS), LEVELS)
        chosen = now[:, :, row, column].unbind(1)
        for channel in range(3):
            kept = [*chosen[:channel], before[:, channel, row, column]]
            assert (log_likelihoods(here, chosen)[channel] >= log_likelihoods(here, kept)[channel]).all()


FIELDS = ("weights", "means", "log_scales", "slopes")


def test_a_value_between_two_levels_that_are_both_too_far_becomes_the_nearest():
    images = torch.full((1, 1, 3, 3), 0.49 / (LEVELS - 1), dtype=torch.float64)
    assert not likeliest_near(model_of(1), images, 0.001).any()


def test_rounding_to_float32_moves_no_level_out_of_reach():
    images = (torch.arange(LEVELS) / (LEVELS - 1)).reshape(1, 1, 4, 4).float()
    found = likeliest_near(model_of(1), images, 2 / (LEVELS - 1)).double()
    again = likeliest_near(model_of(1), (torch.arange(LEVELS).double() / (LEVELS - 1)).reshape(1, 1, 4, 4), 2 / 15)
    torch.testing.assert_close(found, again, atol=1e-6, rtol=0)


def test_no_images_give_none():
    assert likeliest_near(model_of(1), torch.empty(0, 1, 4, 4), 0.1).shape == (0, 1, 4, 4)
