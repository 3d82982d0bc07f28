"""Adam's steps against torch's Adam, and the two published forms against each other."""

import pytest
import torch

from brittle.maths import adam

SHAPE = (3, 1, 2, 2)


def gradients(count: int) -> torch.Tensor:
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def means(some: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    first = second = torch.zeros(SHAPE, dtype=torch.float64)
    for gradient in some:
        first, second = adam.with_gradient(first, second, gradient)
    return first, second


@pytest.mark.parametrize("count", [1, 7])
def test_the_steps_of_algorithm_1_are_those_of_torch(count: int):
    some = gradients(count)
    leaf = torch.zeros(SHAPE, dtype=torch.float64, requires_grad=True)
    optimiser, before = torch.optim.Adam([leaf], lr=0.1), leaf.detach().clone()
    for gradient in some:
        before, leaf.grad = leaf.detach().clone(), gradient
        optimiser.step()
    expected, (first, second) = before - leaf.detach(), means(some)
    torch.testing.assert_close(0.1 * adam.direction(first, second, count), expected, atol=1e-12, rtol=0)
    ages = torch.full((3, 1, 1, 1), count)
    torch.testing.assert_close(adam.step(first, second, ages, 0.1), expected, atol=1e-12, rtol=0)


def test_each_image_has_the_age_that_it_says():
    some = gradients(5)
    first, second = (torch.cat([old[:1], new[1:]]) for old, new in zip(means(some[:2]), means(some), strict=True))
    moved = adam.step(first, second, torch.tensor([2, 5, 5]).reshape(3, 1, 1, 1), 0.1)
    torch.testing.assert_close(moved[0], 0.1 * adam.direction(*means(some[:2]), 2)[0])
    torch.testing.assert_close(moved[1:], 0.1 * adam.direction(*means(some), 5)[1:])


def test_epsilon_hat_is_epsilon_times_the_root_of_what_the_mean_square_falls_short_of():
    first, second = means(gradients(3))
    first, second = first * 1e-8, second * 1e-16  # gradients as small as epsilon, which then matters
    short = (1 - adam.SECOND_DECAY**3) ** 0.5
    same = adam.step_with_epsilon_hat(first, second, 3, 0.1, adam.TINY * short)
    torch.testing.assert_close(same, 0.1 * adam.direction(first, second, 3))
    assert (adam.step_with_epsilon_hat(first, second, 3, 0.1).abs() < 0.2 * same.abs()).all()


def test_no_slope_is_no_step():
    nothing = torch.zeros(SHAPE)
    assert (adam.direction(nothing, nothing, 1) == 0).all()
    assert (adam.step_with_epsilon_hat(nothing, nothing, 1, 0.1) == 0).all()
