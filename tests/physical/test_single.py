"""Single transformations do what they are named after."""

import pytest
import torch

from brittle import InputError
from brittle.defences.jpeg import JPEG
from brittle.physical.blur import Blur
from brittle.physical.brightness import Brightness
from brittle.physical.colour_shift import ColourShift
from brittle.physical.contrast import Contrast
from brittle.physical.jpeg import JPEGFile
from brittle.physical.noise import Noise
from brittle.physical.resample import Resample
from brittle.physical.rotation import Rotation
from brittle.physical.scaling import Scaling
from brittle.physical.vignetting import Vignetting
from brittle.physical.warp import Warp

PICTURES = torch.rand(4, 3, 16, 14, generator=torch.Generator().manual_seed(0))
GREY = torch.full((64, 3, 16, 14), 0.5)


def variance(images):
    return float(images.var((2, 3)).mean())


def test_blur_halves_the_variance_it_should():
    """White noise keeps 1 / (4 pi sigma^2) of its variance, away from the border."""
    noise = torch.rand(1, 1, 200, 200, generator=torch.Generator().manual_seed(0))
    kept = variance(Blur(sigma=2)(noise)[:, :, 10:-10, 10:-10]) / variance(noise)
    assert kept == pytest.approx(1 / (4 * torch.pi * 4), rel=0.1)


def test_noise_has_its_deviation():
    assert float(Noise(sigma=0.1)(GREY).std()) == pytest.approx(0.1, rel=0.02)


def test_a_spread_is_uniform_about_the_strength():
    amounts = Brightness(amount=0.1, spread=0.2)(GREY)[:, 0, 0, 0] - 0.5
    assert float(amounts.min()) >= -0.1
    assert float(amounts.max()) <= 0.3
    assert float(amounts.mean()) == pytest.approx(0.1, abs=0.05)
    assert float(amounts.std()) == pytest.approx(0.2 / 3**0.5, rel=0.3)


def test_contrast_keeps_the_mean():
    found = Contrast(factor=0.3)(PICTURES)
    torch.testing.assert_close(found.mean((1, 2, 3)), PICTURES.mean((1, 2, 3)))
    assert variance(found) == pytest.approx(0.09 * variance(PICTURES), rel=0.02)


def test_a_turn_and_back_is_a_blur_at_most():
    smooth = Blur(sigma=3)(PICTURES)
    back = Rotation(degrees=-20)(Rotation(degrees=20)(smooth))
    assert float((back - smooth).abs()[:, :, 6:-6, 5:-5].max()) < 0.02


def test_scaling_keeps_what_is_flat_and_loses_what_is_fine():
    stripes = torch.tensor([0.0, 1.0]).repeat(8).expand(1, 1, 16, 16)
    assert torch.allclose(Scaling(factor=0.5)(stripes)[:, :, :, 3:-3], torch.tensor(0.5))
    assert torch.allclose(Scaling(factor=0.3)(GREY), GREY)
    assert variance(Scaling(factor=2)(PICTURES)) < variance(PICTURES)


def test_a_grid_of_its_own_blurs_each_image_by_another_amount():
    kept = Resample()(PICTURES[:1].expand(8, -1, -1, -1)).var((1, 2, 3)) / PICTURES[0].var()
    assert float(kept.max() - kept.min()) > 0.05
    assert float(kept.max()) <= 1


def test_colours_shift_by_channel_and_image():
    shifts = (ColourShift(gain=0, offset=0.1)(GREY) - 0.5).mean((2, 3))
    assert float(shifts.abs().max()) <= 0.1
    assert float(shifts.std()) == pytest.approx(0.1 / 3**0.5, rel=0.15)
    assert abs(float(torch.corrcoef(shifts.T)[0, 1])) < 0.3


def test_corners_are_darker_and_the_centre_is_not():
    found = Vignetting(amount=0.4)(torch.ones(1, 1, 5, 9))[0, 0]
    assert float(found[2, 4]) == 1
    assert found[[0, 0, 4, 4], [0, 8, 0, 8]].tolist() == pytest.approx([0.6] * 4)


def test_a_perspective_moves_corners_no_farther_than_it_says():
    ramp = torch.linspace(0, 1, 21).expand(16, 1, 21, 21)
    moved = (Warp(amount=0.1)(ramp) - ramp)[:, 0, [0, 0, 20, 20], [0, 20, 0, 20]].abs()
    assert 0.05 < float(moved.max()) <= 0.1 + 1e-6


@pytest.mark.parametrize("quality", [5, 75])
def test_the_defence_and_the_channel_are_one_codec(quality):
    assert torch.equal(JPEGFile(quality=quality)(PICTURES), JPEG(quality=quality).transform(PICTURES))


def test_ids_and_images_are_looked_at():
    with pytest.raises(InputError, match=r"ids are torch.int64 \(3,\); expected int64 \(4,\)"):
        Blur()(PICTURES, ids=torch.arange(3))
    with pytest.raises(InputError, match="images range from 0 to 2; expected values from 0 to 1"):
        Blur()(torch.tensor([0.0, 2.0]).reshape(1, 1, 1, 2))
    with pytest.raises(InputError, match=r"expected float \(n, c, h, w\)"):
        Blur()(PICTURES[0])
