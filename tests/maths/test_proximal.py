"""Proximal operators against brute force, and against what makes a minimum of a convex function."""

import math

import pytest
import torch
from torch import Tensor

from brittle.maths import norms
from brittle.maths.proximal import proximal

VALUES = torch.tensor([-3.0, -1.2, -0.4, -0.05, 0.0, 0.01, 0.3, 0.9, 1.5, 4.0], dtype=torch.float64)


def objective(change: Tensor, aim: Tensor, p: float, weight: float) -> Tensor:
    size = change.abs().pow(p).sum(1) if 0 < p < 1 else norms.size(change, p)
    return 0.5 * (change - aim).square().flatten(1).sum(1) + weight * size


@pytest.mark.parametrize("weight", [1e-3, 0.2, 1.0])
@pytest.mark.parametrize("p", [0.0, 2 / 3, 1.0])
def test_value_by_value_nothing_on_a_fine_grid_is_better(p, weight):
    found = proximal(VALUES[:, None], p, weight)
    grid = torch.linspace(-4.5, 4.5, 90_001, dtype=torch.float64)[:, None]
    for value, mine in zip(VALUES, found, strict=True):
        every = objective(grid, value, p, weight)
        least = torch.minimum(every.min(), objective(torch.zeros(1, 1).double(), value, p, weight)[0])
        assert float(objective(mine[None], value, p, weight)) <= float(least) + 1e-9
        assert abs(float(mine)) <= abs(float(value))


@pytest.mark.parametrize("weight", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("p", [1.0, 2.0, math.inf])
def test_no_step_away_is_better(p, weight):
    generator = torch.Generator().manual_seed(0)
    aim = torch.randn(5, 1, 2, 3, generator=generator, dtype=torch.float64)
    found = proximal(aim, p, weight)
    best = objective(found, aim, p, weight)
    for scale in (1e-5, 1e-2, 0.5):
        for _ in range(300):
            near = found + scale * torch.randn(found.shape, generator=generator, dtype=torch.float64)
            assert (objective(near, aim, p, weight) >= best - 1e-12).all()


@pytest.mark.parametrize("p", [0.0, 2 / 3, 1.0, 2.0, math.inf])
def test_weights_are_per_image_and_their_ends_are_safe(p):
    aim = torch.tensor([[0.3, -0.7], [0.3, -0.7], [0.3, -0.7], [0.0, 0.0]])
    found = proximal(aim, p, torch.tensor([0.0, 0.05, 1e9, 0.1]))
    torch.testing.assert_close(found[0], aim[0])
    torch.testing.assert_close(found[1], proximal(aim[:1], p, 0.05)[0])
    assert (found[2:] == 0).all()
    assert torch.isfinite(proximal(aim * 1e-20, p, 1e-12)).all()
    assert torch.isfinite(proximal(aim * 1e15, p, 1e-30)).all()


def test_another_exponent_is_refused():
    with pytest.raises(ValueError, match=r"expected 0, 2/3, 1, 2 or inf"):
        proximal(VALUES[None], 0.5, 1.0)
