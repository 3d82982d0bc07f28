"""Warps against closed forms, scipy and finite differences."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from brittle.maths import geometry

SHAPES = [(1, 1, 7), (1, 6, 1), (3, 5, 8), (2, 9, 4), (1, 1, 1)]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def constant(down: float, right: float, images: Tensor) -> Tensor:
    ones = torch.ones_like(images[:, 0])
    return torch.stack([down * ones, right * ones], 1)


def by_scipy(images: Tensor, field: Tensor) -> Tensor:
    """The same deformation by scipy, plane by plane."""
    grid = np.stack(np.meshgrid(*map(np.arange, images.shape[2:]), indexing="ij")).astype(float)
    planes = [
        [ndimage.map_coordinates(plane, grid + by, order=1, mode="nearest") for plane in image]
        for image, by in zip(images.numpy(), field.numpy(), strict=True)
    ]
    return torch.from_numpy(np.array(planes))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_deformation_is_the_identity_bit_for_bit(shape, dtype):
    """With values such as those of 8-bit files: left + 1 (right - left) is not always right."""
    images = ((noise(40, *shape) * 100).round() / 255).to(dtype)
    assert torch.equal(geometry.warp(images, torch.zeros(40, 2, *shape[1:], dtype=dtype)), images)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("strength", [0.3, 2.0, 20.0])
def test_a_warp_is_what_scipy_makes_of_it(shape, strength):
    images, field = noise(4, *shape), strength * noise(4, 2, *shape[1:], seed=1)
    torch.testing.assert_close(geometry.warp(images, field), by_scipy(images, field), atol=1e-12, rtol=0)


def test_whole_pixels_are_slices_and_half_ones_means_of_neighbours():
    images = noise(2, 3, 6, 9)
    moved = geometry.warp(images, constant(2, -3, images))
    assert torch.equal(moved[:, :, :-2, 3:], images[:, :, 2:, :-3])
    assert torch.equal(moved[:, :, :-2, :3], images[:, :, 2:, :1].expand(-1, -1, -1, 3))
    assert torch.equal(moved[:, :, -2:, 3:], images[:, :, -1:, :-3].expand(-1, -1, 2, -1))
    halves = geometry.warp(images, constant(0, 0.5, images))
    torch.testing.assert_close(halves[..., :-1], (images[..., :-1] + images[..., 1:]) / 2)
    assert torch.equal(halves[..., -1], images[..., -1])


def test_the_border_is_sub_pixel_accurate():
    """On a ramp the value is the place, up to the border and no farther."""
    ramp = torch.arange(5, dtype=torch.float64).reshape(1, 1, 1, 5)
    for by in (-0.25, 0.25, 0.99, -3.7, 4.2):
        expected = (torch.arange(5, dtype=torch.float64) + by).clamp(0, 4)
        torch.testing.assert_close(geometry.warp(ramp, constant(0, by, ramp))[0, 0, 0], expected)


@pytest.mark.parametrize(("angle", "turns"), [(90.0, 1), (-90.0, -1), (180.0, 2), (360.0, 0)])
@pytest.mark.parametrize("side", [6, 7])
def test_right_angles_are_exact(angle, turns, side):
    images = noise(2, 3, side, side)
    field = geometry.rigid(images.new_full((2,), angle), images.new_zeros(2, 2), side, side)
    expected = torch.rot90(images, turns, (2, 3))
    torch.testing.assert_close(geometry.warp(images, field), expected, atol=1e-12, rtol=0)


def test_what_is_seen_moves_by_the_shift_after_it_was_turned():
    images = noise(1, 1, 7, 7)
    field = geometry.rigid(images.new_tensor([90.0]), images.new_tensor([[2.0, -1.0]]), 7, 7)
    moved, turned = geometry.warp(images, field), torch.rot90(images, 1, (2, 3))
    torch.testing.assert_close(moved[..., 2:, :-1], turned[..., :-2, 1:])


def test_a_rigid_field_is_longest_in_a_corner():
    angles, shifts = 40 * noise(60), 4 * noise(60, 2)
    for height, width in ((9, 14), (1, 6), (1, 1)):
        fields = geometry.rigid(angles, shifts, height, width)
        lengths = geometry.rigid_length(angles, shifts, height, width)
        torch.testing.assert_close(lengths, geometry.longest(fields), atol=1e-12, rtol=0)


@pytest.mark.parametrize("shape", [(1, 1, 4), (1, 3, 1), (3, 2, 3)])
def test_gradients_by_finite_differences(shape):
    images, field = noise(2, *shape), (0.4 * noise(2, 2, *shape[1:], seed=3)).requires_grad_()
    assert torch.autograd.gradcheck(lambda field: geometry.warp(images, field), field)
    weights = noise(2, *shape, seed=4)
    pulled, small = geometry.pulled_back(images, field.detach(), weights), 1e-6
    for place in (0, field[0].numel() - 1, field.numel() // 2):
        nudge = torch.zeros(field.numel(), dtype=torch.float64).index_fill(0, torch.tensor(place), small)
        after, before = (
            (weights * geometry.warp(images, field.detach() + sign * nudge.reshape(field.shape))).sum()
            for sign in (1, -1)
        )
        assert float((after - before) / (2 * small)) == pytest.approx(float(pulled.flatten()[place]), abs=1e-7)


def test_beyond_the_border_nothing_pulls_outwards():
    images = noise(1, 1, 4, 4)
    pulled = geometry.pulled_back(images, constant(-9, 9, images), torch.ones_like(images))
    assert torch.equal(pulled, torch.zeros_like(pulled))


def test_a_vector_that_is_no_number_shows_none_and_spoils_nothing_else():
    images, field = noise(2, 1, 3, 3), torch.zeros(2, 2, 3, 3, dtype=torch.float64)
    field[0, 0, 1, 1] = math.nan
    moved = geometry.warp(images, field)
    assert moved[0, 0, 1, 1].isnan()
    assert int(moved.isnan().sum()) == 1


def test_lengths_and_the_nearest_shorter_field():
    field = 2 * noise(5, 2, 4, 3)
    assert torch.equal(geometry.longest(field), torch.hypot(field[:, 0], field[:, 1]).amax((1, 2)))
    radius = torch.tensor([0.0, 0.5, 1.0, math.inf, 2.0], dtype=torch.float64)[:, None, None, None]
    short = geometry.shortened_to(field, radius)
    assert (geometry.longest(short) <= radius.flatten() * (1 + 1e-12)).all()
    assert torch.equal(short[3], field[3])
    within = geometry.shortened_to(3 * noise(200, 2, 4, 3, seed=2), radius[2:3])
    for row in (1, 2, 4):  # of a convex set: the way to the nearest point has no component towards any other
        inner = ((field[row] - short[row]) * (radius[row] * within - short[row])).flatten(1).sum(1)
        assert (inner <= 1e-9).all()
    assert torch.equal(geometry.shortened_to(torch.zeros_like(field), radius), torch.zeros_like(field))


@pytest.mark.parametrize("shape", SHAPES)
def test_slopes_are_exact_on_planes_and_zero_where_there_is_no_axis(shape):
    down, right = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in shape[1:]), indexing="ij")
    images = (2 * down - 3 * right).expand(2, *shape)
    by_rows, by_columns = geometry.slopes(images)
    assert torch.allclose(by_rows, torch.full_like(images, 2.0 if shape[1] > 1 else 0.0))
    assert torch.allclose(by_columns, torch.full_like(images, -3.0 if shape[2] > 1 else 0.0))


def test_slopes_are_central_inside_and_one_sided_at_the_border():
    images = noise(2, 3, 5, 6)
    for axis, slope in zip((2, 3), geometry.slopes(images), strict=True):
        expected = np.gradient(images.numpy(), axis=axis)
        torch.testing.assert_close(slope, torch.from_numpy(expected))


@pytest.mark.parametrize("deviation", [0.5, 1.0, 2.3])
def test_smoothing_is_scipys_and_its_own_transpose(deviation):
    one, other = noise(3, 2, 9, 7), noise(3, 2, 9, 7, seed=1)
    ours = geometry.smoothed(one, deviation)
    theirs = ndimage.gaussian_filter(one.numpy(), (0, 0, deviation, deviation), mode="constant", truncate=4)
    torch.testing.assert_close(ours, torch.from_numpy(theirs))
    torch.testing.assert_close((ours * other).sum(), (one * geometry.smoothed(other, deviation)).sum())
    assert torch.equal(geometry.smoothed(one, 0.0), one)


def test_variation_counts_every_pair_of_neighbours_twice():
    field, total = noise(2, 2, 4, 3), torch.zeros(2, dtype=torch.float64)
    for row in range(4):
        for column in range(3):
            for near, by in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                if 0 <= near < 4 and 0 <= by < 3:
                    total += (field[:, :, row, column] - field[:, :, near, by]).norm(dim=1)
    torch.testing.assert_close(geometry.variation(field), total)
    assert (geometry.variation(field, 0.1) < total).all()
    torch.testing.assert_close(geometry.variation(field, 1e-6), total, atol=1e-3, rtol=0)


@pytest.mark.parametrize("softness", [0.0, 0.1])
def test_variation_has_its_derivative_and_none_where_nothing_varies(softness):
    field = noise(2, 2, 4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda field: geometry.variation(field, softness), field)
    alike = torch.full((2, 2, 3, 5), 1.5, requires_grad=True)
    value = geometry.variation(alike, softness)
    (slope,) = torch.autograd.grad(value.sum(), alike)
    assert torch.equal(value.detach(), torch.zeros(2))
    assert torch.equal(slope, torch.zeros_like(slope))
