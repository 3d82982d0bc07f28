"""Programmes against closed forms, against each other, and against every point that might be smaller."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from brittle.maths.concave_programme import Concave, smallest_change
from brittle.maths.hyperplane import smallest_step

NORMS = [1.0, 2.0, np.inf]


def function(values: int = 6, bends: int = 5, seed: int = 0) -> Concave:
    draws = np.random.default_rng(seed)
    return Concave(
        draws.normal(size=values) / 10,
        -1.0,
        draws.normal(size=values),
        draws.normal(size=(bends, values)),
        draws.random(bends) / 4,
        draws.random(bends),
    )


def value(f: Concave, d: np.ndarray) -> float:
    moved = d - f.at
    beyond = (-(f.slack + f.rows @ moved)).clip(min=0)
    return f.height + float(f.gradient @ moved) - float(f.costs @ beyond)


@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize("seed", range(4))
def test_without_bends_it_is_the_closed_form(p, seed):
    f = replace(function(bends=0, seed=seed), at=np.zeros(6), height=-0.3)
    lower, upper = -np.linspace(0.1, 0.4, 6), np.linspace(0.5, 0.2, 6)
    found = smallest_change(f, 0.0, p, lower, upper)
    wide = torch.from_numpy(np.stack([f.gradient, lower, upper]))
    expected = smallest_step(wide[:1], torch.tensor([0.3], dtype=torch.float64), p, wide[1:2], wide[2:])[0].numpy()
    assert np.linalg.norm(found, p) == pytest.approx(np.linalg.norm(expected, p), rel=1e-6)
    assert value(f, found) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize("seed", range(4))
def test_with_bends_it_is_enough_and_nothing_near_by_is_smaller(p, seed):
    """The function is concave, so what is smallest near by is smallest."""
    f, limit = function(seed=seed), np.full(6, 2.0)
    found = smallest_change(f, 0.0, p, -limit, limit)
    assert value(f, found) == pytest.approx(0, abs=1e-6)
    tangent = smallest_change(
        Concave(f.at, f.height, f.gradient, f.rows[:0], f.slack[:0], f.costs[:0]), 0.0, p, -limit, limit
    )
    assert np.linalg.norm(found, p) > np.linalg.norm(tangent, p) - 1e-9
    draws = np.random.default_rng(seed)
    for scale in (1e-3, 1e-2, 0.1, 1.0):
        tried = found + scale * draws.normal(size=(2000, 6))
        smaller = np.linalg.norm(tried, p, axis=1) < np.linalg.norm(found, p) - 1e-5
        assert not any(value(f, d) > 1e-6 for d in tried[smaller])


@pytest.mark.parametrize("p", NORMS)
def test_where_the_box_is_too_small_there_is_none(p):
    f = function(bends=2)
    assert smallest_change(f, 0.0, p, np.full(6, -0.01), np.full(6, 0.01)) is None


@pytest.mark.parametrize("p", NORMS)
def test_a_box_that_leaves_out_nothing_is_kept_to(p):
    f = function()
    low, high = np.full(6, 0.2), np.full(6, 1.5)
    found = smallest_change(f, -2.0, p, low, high)
    assert (found >= low - 1e-6).all()
    assert (found <= high + 1e-6).all()
