"""The estimate of local intrinsic dimensionality, against points whose dimension is known and a slow sum."""

import math

import pytest
import torch

from brittle.maths.intrinsic_dimensionality import LARGEST, local_intrinsic_dimensionality


@pytest.mark.parametrize("dimension", [1, 2, 5, 12])
def test_points_that_fill_a_ball_have_its_dimension(dimension: int):
    """The k - 1 logarithms are exponential with rate d, so that the mean of the estimate is d k / (k - 2)."""
    k, trials, points = 20, 600, 400
    generator = torch.Generator().manual_seed(dimension)
    radii = torch.rand((trials, points), generator=generator, dtype=torch.float64) ** (1 / dimension)
    mean = float(local_intrinsic_dimensionality(radii, k).mean())
    assert mean == pytest.approx(dimension * k / (k - 2), rel=0.05)


def test_a_plane_in_a_space_of_more_dimensions_has_two():
    generator = torch.Generator().manual_seed(0)
    flat = torch.rand((2000, 2), generator=generator, dtype=torch.float64) @ torch.randn(
        (2, 50), generator=generator, dtype=torch.float64
    )
    distances = torch.cdist(flat[:200], flat[200:])
    assert float(local_intrinsic_dimensionality(distances, 20).median()) == pytest.approx(2.1, abs=0.4)


def test_it_is_the_published_sum():
    distances = torch.tensor([[3.0, 0.5, 7.0, 2.0, 5.0, 1.0]], dtype=torch.float64)
    near = [0.5, 1.0, 2.0, 3.0]
    slow = -1 / (sum(math.log(one / near[-1]) for one in near) / 4)
    assert float(local_intrinsic_dimensionality(distances, 4)) == pytest.approx(slow, rel=1e-12)
    assert float(local_intrinsic_dimensionality(9 * distances, 4)) == pytest.approx(slow, rel=1e-12), "no unit"


def test_equal_distances_and_none_give_numbers_with_a_slope():
    for row in ([1.0] * 5, [0.0] * 5, [0.0, 1.0, 2.0, 3.0, 4.0]):
        distances = torch.tensor([row], dtype=torch.float64, requires_grad=True)
        found = local_intrinsic_dimensionality(distances, 4)
        assert 0 < float(found.detach()) <= LARGEST * (1 + 1e-9)
        (slope,) = torch.autograd.grad(found.sum(), distances)
        assert torch.isfinite(slope).all()
