"""Directions within a box."""

import torch

from brittle.maths.box import can_follow, feasible

X = torch.tensor([[0.0, 0.0, 1.0, 1.0, 0.3, 0.3]])
DIRECTION = torch.tensor([[-1.0, 1.0, -1.0, 1.0, -9.0, 9.0]])


def test_entries_at_a_bound_follow_inwards_alone():
    assert can_follow(X, DIRECTION, 0.0, 1.0).tolist() == [[False, True, True, False, True, True]]
    assert feasible(DIRECTION, X, 0.0, 1.0).tolist() == [[0.0, 1.0, -1.0, 0.0, -9.0, 9.0]]


def test_the_bounds_are_those_given():
    assert can_follow(X, DIRECTION, -1.0, 2.0).all()
    assert can_follow(X, DIRECTION, 0.0, 0.3).tolist() == [[False, True, True, False, True, False]]


def test_a_small_step_along_a_feasible_direction_stays_in_the_box():
    points = torch.rand(50, 9, generator=torch.Generator().manual_seed(0)).mul(3).sub(1).clamp(0, 1)
    direction = torch.randn(50, 9, generator=torch.Generator().manual_seed(1))
    inside = points[(points > 0) & (points < 1)]
    room = float(torch.minimum(inside, 1 - inside).min()) / float(direction.abs().max())
    moved = points + room * feasible(direction, points, 0.0, 1.0)
    assert ((moved >= 0) & (moved <= 1)).all()
    assert not ((points + room * direction).clamp(0, 1) == points + room * direction).all()
