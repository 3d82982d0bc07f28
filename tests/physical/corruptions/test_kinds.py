"""Each kind does what its authors' description says, by references in other words."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from brittle.base.seeds import Streams
from brittle.physical.corruptions import blurs, digital, noise, weather
from brittle.physical.corruptions.frost import textures

PICTURES = torch.rand(2, 3, 24, 20, generator=torch.Generator().manual_seed(0))


def streams(count: int = 2) -> Streams:
    return Streams(0, torch.arange(count))


def test_shot_noise_has_the_variance_of_its_mean():
    grey = torch.full((8, 1, 64, 64), 0.4)
    found = noise.shot_noise(grey, streams(8), 25)
    assert float(found.mean()) == pytest.approx(0.4, rel=0.01)
    assert float(found.var()) == pytest.approx(0.4 / 25, rel=0.03)
    assert ((found * 25 - (found * 25).round()).abs() < 1e-4).all()


def test_impulse_noise_makes_as_much_salt_as_pepper():
    found = noise.impulse_noise(torch.full((8, 3, 64, 64), 0.4), streams(8), 0.2)
    for end in (0, 1):
        assert float((found == end).float().mean()) == pytest.approx(0.1, rel=0.05)
    assert (found[(found != 0) & (found != 1)] == 0.4).all()


def test_defocus_is_a_soft_disc():
    point = torch.zeros(1, 1, 41, 41)
    point[0, 0, 20, 20] = 1
    found = blurs.defocus_blur(point, streams(1), 6, 0.5)[0, 0]
    assert float(found.sum()) == pytest.approx(1, rel=1e-4)
    assert float(found[20, 14]) > 0.5 * float(found[20, 20])
    assert abs(float(found[20, 12])) < 1e-6
    torch.testing.assert_close(found, found.T)


def sequential(height: int, width: int, moves: np.ndarray, distance: int) -> np.ndarray:
    """Pixels copied one after the other, from the last one to the first."""
    places = np.arange(height * width).reshape(height, width)
    for row in range(height - distance, distance, -1):
        for column in range(width - distance, distance, -1):
            down, right = moves[:, row, column]
            places[row, column] = places[row + down, column + right]
    return places


@pytest.mark.parametrize("distance", [1, 2, 4])
def test_glass_ends_where_one_step_after_the_other_ends(distance):
    images = torch.zeros(2, 1, 24, 20)
    found = blurs._origins(images, streams(), distance)
    moves = (streams().uniform(torch.arange(2), (2, 24, 20)) * 2 * distance).floor().long().numpy() - distance
    for one, expected in zip(found, moves, strict=True):
        assert (one.reshape(24, 20).numpy() == sequential(24, 20, expected, distance)).all()


def test_glass_leaves_images_alone_that_are_too_small_for_it():
    tiny = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(blurs.glass_blur(tiny, streams(1), 0.0, 4, 2), tiny)


def test_motion_spreads_a_point_along_a_line():
    point = torch.zeros(2, 1, 21, 21)
    point[:, 0, 10, 10] = 1
    level, steep = blurs.along_a_line(point, torch.tensor([0.0, -90.0]), 4, 3)[:, 0]
    assert level[10].nonzero().flatten().tolist() == list(range(2, 11))
    assert steep[:, 10].nonzero().flatten().tolist() == list(range(10, 19))
    assert float(level.sum()) == pytest.approx(1)
    assert float(level[10, 10]) > float(level[10, 9]) > float(level[10, 3])


@pytest.mark.parametrize("factor", [1.0, 1.05, 1.26, 2.5, 4.5])
def test_enlargements_are_those_of_scipy(factor):
    square = PICTURES[:, :, :20]
    (part, start) = (side := int(np.ceil(20 / factor))), (20 - side) // 2
    middle = square[0, 0, start : start + part, start : start + part].numpy()
    large = ndimage.zoom(middle, factor, order=1)
    cut = (len(large) - 20) // 2
    expected = large[cut : cut + 20, cut : cut + 20]
    np.testing.assert_allclose(blurs.zoomed(square, factor)[0, 0].numpy(), expected, atol=1e-5)


def test_zoom_takes_the_mean_over_all_enlargements_and_the_image():
    flat = torch.full((1, 1, 16, 16), 0.3)
    torch.testing.assert_close(blurs.zoom_blur(flat, streams(1), 1.11, 0.01), flat)
    parts = [blurs.zoomed(PICTURES, factor) for factor in np.arange(1, 1.31, 0.03)]
    expected = torch.stack([PICTURES, *parts]).mean(0)
    torch.testing.assert_close(blurs.zoom_blur(PICTURES, streams(), 1.31, 0.03), expected)


def test_snow_whitens_and_falls():
    dark = torch.full((8, 3, 64, 64), 0.1)
    found = weather.snow(dark, streams(8), 0.1, 0.3, 1.0, 0.5, 2, 3, 0.8)
    without_flakes = 0.8 * 0.1 + 0.2 * (0.1 * 1.5 + 0.5)
    assert float(found.min()) == pytest.approx(without_flakes, abs=1e-5)
    assert float((found > without_flakes + 1e-4).float().mean()) > 0.02
    assert torch.equal(found[:, 0], found[:, 2])  # flakes are white


def test_clouds_are_rough_on_large_scales_and_fill_their_range():
    found = weather.clouds(torch.zeros(4, 1, 64, 50), streams(4), 2.0)
    assert found.shape == (4, 64, 64)
    assert found.amin((1, 2)).tolist() == [0] * 4
    assert found.amax((1, 2)).tolist() == [1] * 4
    near, far = ((found - found.roll(step, 1)).square().mean() for step in (1, 16))
    assert float(near) < 0.05 * float(far)
    rough = weather.clouds(torch.zeros(4, 1, 64, 50), streams(4), 1.4)
    assert float((rough - rough.roll(1, 1)).square().mean()) > 3 * float(near)


def test_fog_keeps_the_brightest_value_at_most():
    found = weather.fog(PICTURES, streams(), 1.5, 2)
    assert float(found.max()) <= float(PICTURES.max()) + 1e-6
    assert float(found.std()) < float(PICTURES.std())


def test_brightness_raises_the_value_and_keeps_hue_and_saturation():
    import colorsys

    pixels = torch.tensor([[0.2, 0.4, 0.1], [0.9, 0.85, 0.95], [0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    found = weather.brightness(pixels.T.reshape(1, 3, 1, 4), streams(1), 0.2).reshape(3, 4).T
    for before, after in zip(pixels.tolist(), found.tolist(), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        assert after == pytest.approx(colorsys.hsv_to_rgb(hue, saturation, min(value + 0.2, 1)), abs=1e-6)


def test_frost_has_the_colour_the_spread_and_the_grain_of_photographs():
    found = textures(torch.zeros(24, 3, 224, 224), streams(24), 1)
    assert found.mean((0, 2, 3)).tolist() == pytest.approx([0.57, 0.66, 0.70], abs=0.06)
    assert float(found.mean((1, 2, 3)).std()) == pytest.approx(0.13, abs=0.04)
    grey = found.mean(1)
    rest = grey - grey.mean((1, 2), keepdim=True)
    variance = float(rest.square().mean())
    assert variance**0.5 == pytest.approx(0.10, abs=0.01)
    correlations = [float((rest[:, :, :-step] * rest[:, :, step:]).mean()) / variance for step in (1, 4, 16)]
    assert correlations == pytest.approx([0.76, 0.48, 0.32], abs=0.06)


def test_frost_is_finer_where_photographs_were_reduced():
    coarse, fine = (textures(torch.zeros(4, 1, 64, 64), streams(4), reduction) for reduction in (1, 5))
    rough = [float((one - one.roll(2, 2)).square().mean()) for one in (coarse, fine)]
    assert rough[1] > rough[0]


@pytest.mark.parametrize(("edge", "mode"), [(False, "mirror"), (True, "reflect")])
def test_what_lies_beyond_the_border_is_mirrored_as_in_scipy(edge, mode):
    from brittle.maths.geometry import warp

    field = 25 * (torch.rand(2, 2, 24, 20, generator=torch.Generator().manual_seed(1)) - 0.5)
    found = warp(PICTURES, digital._folded(field, edge))
    places = (field[0] + digital._grid(field)).numpy()
    expected = ndimage.map_coordinates(PICTURES[0, 1].numpy(), places, order=1, mode=mode)
    np.testing.assert_allclose(found[0, 1].numpy(), expected, atol=2e-5)


def test_an_affine_map_shows_its_three_points_where_they_were_drawn():
    ramp = torch.stack(torch.meshgrid(torch.arange(24.0), torch.arange(20.0), indexing="ij"))[None]
    field = digital._affine(ramp, streams(1), 2.0)
    shift = 2.0 * (2 * streams(1).uniform(torch.arange(1), (3, 2)) - 1)[0]
    points = torch.tensor([[18.0, 16.0], [6.0, 16.0], [6.0, 4.0]])
    shown = points + shift
    origin = (field[0] + ramp[0]).numpy()  # an affine function of the place
    for point, place in zip(points.tolist(), shown.numpy(), strict=True):
        seen = [ndimage.map_coordinates(axis, place[:, None], order=1)[0] for axis in origin]
        assert seen == pytest.approx(point, abs=1e-3)


def test_elastic_fields_of_no_strength_change_nothing():
    torch.testing.assert_close(digital.elastic(PICTURES, streams(), 0, 0, 0), PICTURES, atol=1e-5, rtol=0)


@pytest.mark.parametrize("factor", [0.95, 0.75, 0.6, 0.3, 0.25])
def test_pixelation_is_that_of_pillow(factor):
    found = digital.pixelate(PICTURES, streams(), factor)[0, 0].numpy()
    picture = Image.fromarray(PICTURES[0, 0].numpy(), mode="F")
    small = picture.resize((int(20 * factor), int(24 * factor)), Image.Resampling.BOX)
    expected = np.asarray(small.resize((20, 24), Image.Resampling.BOX))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_contrast_keeps_the_mean_of_each_channel():
    found = digital.contrast(PICTURES, streams(), 0.2)
    torch.testing.assert_close(found.mean((2, 3)), PICTURES.mean((2, 3)))
    torch.testing.assert_close(found.std((2, 3)), 0.2 * PICTURES.std((2, 3)))
