"""Quasi-Newton steps in a box: the recursion against dense matrices, the steps against quadratics solved exactly."""

import pytest
import torch
from torch import Tensor

from brittle.maths.quasi_newton import ENOUGH, Pairs, boxed_step, shorter, two_loop


def quadratics(n: int, d: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Positive definite matrices (n, d, d) and vectors (n, d)."""
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(n, d, d, generator=generator, dtype=torch.float64)
    return root @ root.mT / d + 0.1 * torch.eye(d, dtype=torch.float64), torch.randn(
        n, d, generator=generator, dtype=torch.float64
    )


def no_pairs(n: int, d: int, size: int = 1, curvature: float = 0.0) -> Pairs:
    nothing = torch.zeros(n, size, d, dtype=torch.float64)
    count = torch.zeros(n, dtype=torch.int64)
    return Pairs(nothing, nothing, torch.zeros(n, size, dtype=torch.int64), count, nothing[:, 0, 0] + curvature)


def dense_inverse(moves: Tensor, changes: Tensor) -> Tensor:
    """BFGS by its definition (Nocedal and Wright 2006, equation 6.17), the oldest pair first."""
    d = moves.shape[1]
    matrix = torch.eye(d, dtype=moves.dtype) * (moves[-1] @ changes[-1]) / (changes[-1] @ changes[-1])
    for s, y in zip(moves, changes, strict=True):
        left = torch.eye(d, dtype=moves.dtype) - torch.outer(s, y) / (s @ y)
        matrix = left @ matrix @ left.T + torch.outer(s, s) / (s @ y)
    return matrix


def test_the_recursion_is_the_dense_update():
    hessian, gradient = quadratics(3, 6)
    moves = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    changes = moves @ hessian
    order = torch.tensor([[1, 0, 3, 2], [3, 2, 1, 0], [0, 3, 2, 1]])  # rings written to different places
    count = torch.tensor([4, 4, 2])
    found = two_loop(
        gradient, torch.ones_like(gradient, dtype=torch.bool), Pairs(moves, changes, order, count, count * 0.0)
    )
    for row, used in enumerate(count.tolist()):
        oldest_first = order[row, :used].flip(0)
        expected = dense_inverse(moves[row, oldest_first], changes[row, oldest_first]) @ gradient[row]
        torch.testing.assert_close(found[row], expected)


def test_known_curvature_is_added_and_fixed_entries_do_not_take_part():
    hessian, gradient = quadratics(1, 5)
    moves = torch.randn(1, 3, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    free, order = torch.tensor([[True, False, True, True, False]]), torch.tensor([[2, 1, 0]])
    pairs = Pairs(moves, moves @ hessian, order, torch.tensor([3]), torch.tensor([0.7], dtype=torch.float64))
    found = two_loop(gradient, free, pairs)
    assert (found[~free] == 0).all()
    inner = free[0]
    changes = (moves @ hessian + 0.7 * moves)[0][:, inner]
    torch.testing.assert_close(found[0, inner], dense_inverse(moves[0][:, inner], changes) @ gradient[0, inner])


def test_pairs_without_curvature_are_left_out():
    gradient = torch.tensor([[3.0, -4.0]], dtype=torch.float64)
    free, one = torch.ones_like(gradient, dtype=torch.bool), torch.ones(1, dtype=torch.int64)
    moves = torch.tensor([[[1.0, 0.0]]], dtype=torch.float64)
    bent = Pairs(moves, -moves, one[None] - 1, one, torch.zeros(1, dtype=torch.float64))
    torch.testing.assert_close(two_loop(gradient, free, bent), gradient)
    known = Pairs(moves, -moves, one[None] - 1, one, torch.full((1,), 0.5, dtype=torch.float64))
    torch.testing.assert_close(two_loop(gradient, free, known), gradient / 0.5)


@pytest.mark.parametrize("seed", range(3))
def test_every_step_stays_in_the_box_and_descends(seed):
    hessian, centre = quadratics(20, 8, seed)
    x = torch.rand(20, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).round(decimals=0)
    gradient = ((x - centre)[:, None] @ hessian)[:, 0]
    step = boxed_step(x, gradient, no_pairs(20, 8))
    assert ((x + step >= 0) & (x + step <= 1)).all()
    assert (step.norm(dim=1) <= 1 + 1e-12).all()
    assert (torch.linalg.vecdot(step, gradient) < 0).all()


def test_nothing_moves_where_every_entry_is_held_by_the_box():
    x = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    step = boxed_step(x, torch.tensor([[2.0, -1.0]], dtype=torch.float64), no_pairs(1, 2))
    assert (step == 0).all()


def test_a_projected_step_that_climbs_is_replaced_by_the_projected_gradient():
    """A strongly coupled pair of entries: with the first one at its bound, the Newton step of the other one climbs."""
    x = torch.tensor([[0.02, 0.5]], dtype=torch.float64)
    gradient = torch.tensor([[1.0, 0.5]], dtype=torch.float64)
    inverse = torch.tensor([[2.0, -1.9], [-1.9, 2.0]], dtype=torch.float64)
    moves = torch.eye(2, dtype=torch.float64)[None]
    order = torch.tensor([[1, 0]])
    conjugate = torch.stack([torch.tensor([1.0, 1.0]), torch.tensor([1.0, -1.0])]).double()
    pairs = Pairs(
        conjugate[None], (conjugate @ inverse.inverse())[None], order, torch.tensor([2]), torch.zeros(1).double()
    )
    newton = two_loop(gradient, torch.ones_like(moves[0, :1]).bool(), pairs)
    torch.testing.assert_close(newton, gradient @ inverse)
    bent = (x - newton).clamp(0, 1) - x
    assert (bent * gradient).sum() > 0
    step = boxed_step(x, gradient, pairs)
    assert (step * gradient).sum() < 0
    assert step[0, 1] < 0


@pytest.mark.parametrize("curvature", [0.0, 0.3])
def test_quadratics_in_a_box_are_minimised(curvature):
    """1/2 (x - centre)' H (x - centre) + curvature / 2 ||x||^2 in [0, 1]^d, until the projected gradient vanishes."""
    n, d, size = 30, 12, 5
    hessian, centre = quadratics(n, d)
    moves, changes = torch.zeros(2, n, size, d, dtype=torch.float64)
    x, count = torch.full((n, d), 0.5, dtype=torch.float64), 0

    def slope(x: Tensor) -> Tensor:
        return ((x - centre)[:, None] @ hessian)[:, 0]

    def value(x: Tensor) -> Tensor:
        return torch.linalg.vecdot(x - centre, slope(x)) / 2 + curvature / 2 * x.square().sum(1)

    for _ in range(60):
        order = (count - torch.arange(1, size + 1)).remainder(size).expand(n, size)
        seen = torch.full((n,), min(count, size))
        pairs = Pairs(moves, changes, order, seen, torch.full((n,), curvature, dtype=torch.float64))
        gradient = slope(x) + curvature * x
        step, stride = boxed_step(x, gradient, pairs), torch.ones(n, dtype=torch.float64)
        fall = torch.linalg.vecdot(step, gradient)
        for _ in range(12):
            rise = value(x + stride[:, None] * step) - value(x)
            stride = torch.where(rise <= ENOUGH * stride * fall + 1e-15, stride, shorter(stride, fall, rise))
        onward = x + stride[:, None] * step
        moves[:, count % size], changes[:, count % size] = onward - x, slope(onward) - slope(x)
        x, count = onward, count + 1
    left = x - (x - slope(x) - curvature * x).clamp(0, 1)
    assert left.abs().amax() < 1e-6
    assert ((x == 0) | (x == 1)).double().mean() > 0.2, "the box does not matter here"


def test_shortening_finds_the_minimum_of_a_parabola_within_its_limits():
    stride, slope = torch.tensor([1.0, 1.0, 2.0, 1.0]), torch.tensor([-1.0, -1.0, -1.0, -1.0])
    rise = torch.tensor([1.5, 1e6, 2.0, float("nan")])  # of -t + 2.5 t^2; far too long; of -t + t^2; not a number
    assert shorter(stride, slope, rise).tolist() == pytest.approx([0.2, 0.1, 0.5, 0.1])
