"""Sizes, projections and steepest directions, against their definitions."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brittle.maths import norms

quick = settings(deadline=None, derandomize=True, max_examples=15)
numbers = st.floats(-5, 5, allow_subnormal=False, width=32)
changes = arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(1, 2), st.integers(1, 3), st.integers(1, 3)), elements=numbers
)
exponents = st.sampled_from([1.0, 2.0, math.inf])


@quick
@given(changes, st.sampled_from([0.0, 1.0, 2.0, math.inf]))
def test_sizes_are_numpys(array, p):
    expected = [np.linalg.norm(row.ravel(), p) for row in array]
    np.testing.assert_allclose(norms.size(torch.from_numpy(array), p), expected, rtol=1e-12)


@pytest.mark.parametrize("p", [1.0, 2.0])
@pytest.mark.parametrize("entries", [3_072, 4_096, 8_191, 8_192, 3 * 224 * 224, 3 * 512 * 512])
def test_sizes_of_large_images_are_exact_but_for_rounding(entries, p):
    """A change at its radius must be within it by other code in float64, up to the tolerance of 1e-6."""
    change = torch.rand((2, entries), generator=torch.Generator().manual_seed(0))
    exact = np.linalg.norm(change.double().numpy(), p, axis=1)
    np.testing.assert_allclose(norms.size(change.clone(), p).numpy(), exact, rtol=3e-7)
    projected = norms.project(change, p, float(exact.min()) / 10).double().numpy()
    np.testing.assert_allclose(np.linalg.norm(projected, p, axis=1), exact.min() / 10, rtol=5e-7)
    longest = norms.steepest(change, 2).double().numpy()
    np.testing.assert_allclose(np.linalg.norm(longest, axis=1), 1, rtol=3e-7)


def test_size_of_nothing_is_nothing():
    assert norms.size(torch.zeros(0, 1, 2, 2), math.inf).shape == (0,)
    assert norms.size(torch.zeros(3, 0), math.inf).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("p", "q"), [(1, math.inf), (2, 2), (math.inf, 1), (4, 4 / 3)])
def test_dual(p, q):
    assert norms.dual(p) == pytest.approx(q)


@quick
@given(changes, changes, exponents)
def test_hoelders_inequality(first, second, p):
    flat = torch.from_numpy(np.resize(second, first.shape))
    product = (torch.from_numpy(first) * flat).flatten(1).sum(1).abs()
    bound = norms.size(torch.from_numpy(first), p) * norms.size(flat, norms.dual(p))
    assert (product <= bound * (1 + 1e-9) + 1e-9).all()


@quick
@given(changes, st.sampled_from([0.0, 1.0, 2.0, math.inf]), st.floats(0, 6))
def test_projection_is_inside_idempotent_and_leaves_what_is_inside(array, p, radius):
    change = torch.from_numpy(array)
    once = norms.project(change, p, radius)
    limit = math.ceil(radius) if p == 0 else radius
    assert (norms.size(once, p) <= limit * (1 + 1e-9)).all()
    torch.testing.assert_close(norms.project(once, p, radius), once)
    inside = norms.size(change, p) <= radius
    torch.testing.assert_close(once[inside], change[inside])
    assert torch.equal(norms.project(change, p, math.inf), change)


@quick
@given(changes, exponents, st.floats(0.125, 4), st.integers(0, 100))
def test_no_random_point_of_the_ball_is_nearer(array, p, radius, seed):
    change = torch.from_numpy(array)
    generator = torch.Generator().manual_seed(seed)
    others = torch.randn(20, *change.shape, dtype=torch.float64, generator=generator)
    scale = radius * torch.rand(20, len(change), generator=generator, dtype=torch.float64)
    others = others * (scale / torch.stack([norms.size(other, p) for other in others])).reshape(20, -1, 1, 1, 1)
    projected = norms.project(change, p, radius)
    near = norms.size(projected - change, 2)
    for other in torch.cat(
        [others, projected + 0.05 * (others - projected)]
    ):  # the ball is convex: these are inside too
        assert (norms.size(other - change, 2) >= near - 1e-9).all()


def test_projection_takes_one_radius_per_image():
    change = torch.tensor([[3.0, 4.0], [3.0, 4.0]])
    projected = norms.project(change, 2, torch.tensor([5.0, 1.0]))
    torch.testing.assert_close(projected, torch.tensor([[3.0, 4.0], [0.6, 0.8]]))
    assert norms.project(change, 0, torch.tensor([1.0, 0.0])).tolist() == [[0, 4], [0, 0]]


def test_projection_on_the_l1_ball_by_hand():
    assert norms.project(torch.tensor([[3.0, -1.0, 0.5]]), 1, 2.0).tolist() == [[2, 0, 0]]
    torch.testing.assert_close(norms.project(torch.tensor([[3.0, -2.0]]), 1, 2.0), torch.tensor([[1.5, -0.5]]))


@quick
@given(changes, exponents)
def test_the_steepest_direction_attains_the_dual_norm(array, p):
    gradient = torch.from_numpy(array)
    direction = norms.steepest(gradient, p)
    steep = norms.size(gradient, norms.dual(p))
    torch.testing.assert_close((gradient * direction).flatten(1).sum(1), steep)
    torch.testing.assert_close(norms.size(direction, p), (steep > 0).double())


@pytest.mark.parametrize("p", [1.0, 2.0, math.inf])
def test_the_steepest_direction_of_a_vanishing_gradient_still_has_size_one(p):
    """A saturated softmax leaves gradients whose squares underflow; the direction must not blow up."""
    direction = norms.steepest(torch.full((1, 3, 4, 4), 1e-25), p)
    torch.testing.assert_close(norms.size(direction, p), torch.ones(1))
    assert not norms.steepest(torch.zeros(1, 3, 4, 4), p).any()


@quick
@given(changes, st.floats(0, 6), st.integers(0, 10_000))
def test_projection_on_the_l1_ball_and_a_box_is_the_nearest_point_of_both(array, radius, seed):
    """Optimal by its conditions: within both sets, and no allowed point of many has a smaller angle to the rest."""
    change = torch.from_numpy(array)
    generator = torch.Generator().manual_seed(seed)
    upper = torch.rand(change.shape, generator=generator, dtype=change.dtype) * 3
    lower = -torch.rand(change.shape, generator=generator, dtype=change.dtype) * 3
    found = norms.project_l1_in_box(change, radius, lower, upper)
    assert (found >= lower - 1e-12).all()
    assert (found <= upper + 1e-12).all()
    assert (norms.size(found, 1) <= radius + 1e-9).all()
    rest = change - found
    for _ in range(20):
        other = torch.rand(change.shape, generator=generator, dtype=change.dtype) * (upper - lower) + lower
        other = other * (radius / norms.size(other, 1).clamp_min(1e-12)).clamp_max(1).reshape(-1, 1, 1, 1)
        assert ((rest * (other - found)).flatten(1).sum(1) <= 1e-9).all()  # the variational inequality of projections


def test_projection_on_the_l1_ball_in_a_wide_box_is_that_on_the_ball_alone():
    change, room = torch.randn(5, 3, 4, 4), torch.full((5, 3, 4, 4), 99.0)
    radii = torch.tensor([0.0, 0.5, 2.0, 10.0, 1000.0])
    torch.testing.assert_close(
        norms.project_l1_in_box(change, radii, -room, room), norms.project(change, 1, radii), rtol=0, atol=1e-5
    )
