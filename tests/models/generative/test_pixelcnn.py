"""A PixelCNN sees nothing that comes later, and its probabilities add up to one."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from brittle.errors import InputError
from brittle.models.generative import PixelCNN
from brittle.models.generative.logistic_mixture import LogisticMixture
from brittle.models.generative.raster import RasterPass


def model_of(channels: int, **sizes: int) -> PixelCNN:
    with torch.random.fork_rng():
        torch.manual_seed(channels)
        model = PixelCNN(channels, **{"width": 6, "depth": 2, **sizes}).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight *= 2  # so that a distribution depends on what is before it
    return model


def images_of(channels: int, height: int = 7, width: int = 6, count: int = 2) -> Tensor:
    return torch.rand((count, channels, height, width), generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("pixel", [(0, 0), (2, 3), (4, 0), (6, 5)])
def test_a_pixel_depends_on_those_before_it_alone(channels: int, pixel: tuple[int, int]):
    images = images_of(channels).requires_grad_()
    outputs = model_of(channels)(images)[:, pixel[0], pixel[1]]
    (slope,) = torch.autograd.grad(outputs.square().sum(), images)
    seen = (slope != 0).any(1).flatten(1)
    place = pixel[0] * images.shape[3] + pixel[1]
    assert not seen[:, place:].any()


def test_a_pixel_sees_both_sides_of_the_rows_above_and_what_is_on_its_left():
    images = images_of(1).requires_grad_()
    (slope,) = torch.autograd.grad(model_of(1)(images)[0, 4, 3].sum(), images)
    seen = slope[0, 0] != 0
    assert seen[4, :3].all()
    assert seen[2:4].all()  # no blind spot on the right


@pytest.mark.parametrize("channels", [1, 2])
def test_the_probabilities_of_all_small_images_add_up_to_one(channels: int):
    model = model_of(channels, levels=3)
    values = itertools.product((0.0, 0.5, 1.0), repeat=2 * channels * (3 - channels))
    images = torch.tensor(list(values), dtype=torch.float64).reshape(-1, channels, 2, 3 - channels)
    assert model.log_likelihood(images).exp().sum().item() == pytest.approx(1)


@pytest.mark.parametrize("scale", [-7.0, -2.0, 1.0])
def test_a_channels_levels_add_up_to_one_given_those_before(scale: float):
    parameters = torch.randn((5, 30), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mixture = LogisticMixture.of(parameters, 3, 256)
    mixture = LogisticMixture(mixture.weights, mixture.means * 3, mixture.log_scales * 0 + scale, mixture.slopes, 256)
    levels = torch.arange(256, dtype=torch.float64).expand(5, 256)
    earlier = [torch.full((5,), 0.3, dtype=torch.float64)] * 2
    found = mixture.components(2, levels, mixture.means_given(2, earlier)).exp().sum(1)
    torch.testing.assert_close(found, torch.ones_like(found))


def test_a_component_is_the_logistic_distribution_of_a_level():
    weights, scales = torch.zeros(1, dtype=torch.float64), torch.tensor([[-1.0]], dtype=torch.float64)
    mixture = LogisticMixture(weights, torch.tensor([[0.2]], dtype=torch.float64), scales, torch.zeros(0, 1), 5)
    (found,) = (
        mixture.components(0, torch.tensor([3.0], dtype=torch.float64), mixture.means[0]).flatten().exp().tolist()
    )
    upper, lower = (1 / (1 + math.exp(-(end - 0.2) * math.e)) for end in (0.75, 0.25))  # level 3 of 5 is 0.5
    assert found == pytest.approx(upper - lower)


def test_levels_far_from_every_mean_stay_in_order():
    mixture = LogisticMixture(
        *(torch.zeros(1), torch.full((1, 1), 3.0), torch.full((1, 1), -7.0), torch.zeros(0, 1)), 256
    )
    found = mixture.components(0, torch.arange(255.0), mixture.means[0]).flatten()
    assert torch.isfinite(found).all()
    assert (found.diff() > 0).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(7, 6), (1, 4), (4, 1)])
def test_a_raster_pass_says_what_a_forward_pass_says(channels: int, height: int, width: int):
    model, images = model_of(channels), images_of(channels, height, width)
    whole, walk = model.mixture(images), RasterPass(model, 2, height, width)
    for row, column in itertools.product(range(height), range(width)):
        found = walk.mixture(row, column)
        for name in ("weights", "means", "log_scales", "slopes"):
            torch.testing.assert_close(getattr(found, name), getattr(whole, name)[:, row, column])
        walk.fill(row, column, images[:, :, row, column] * 2 - 1)


@pytest.mark.parametrize("sizes", [{"width": 0}, {"depth": 0}, {"levels": 1}, {"mixtures": 0}, {"reach": 0}])
def test_sizes_that_are_none_are_refused(sizes: dict[str, int]):
    with pytest.raises(InputError, match=next(iter(sizes))):
        PixelCNN(1, **sizes)


def test_images_with_another_number_of_channels_are_refused():
    with pytest.raises(InputError, match="takes images with 1 channels"):
        PixelCNN(1, width=2, depth=1)(torch.rand(1, 3, 4, 4))
