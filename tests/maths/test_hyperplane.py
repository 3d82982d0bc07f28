"""The smallest step within a box, against general-purpose optimisers."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize

from brittle.maths import norms
from brittle.maths.hyperplane import smallest_step

SIZE, COUNT = 6, 8


def problems(seed: int, fraction: float):
    """Random normals and boxes, and a rise that is a fraction of what the box allows."""
    random = np.random.default_rng(seed)
    normal = random.normal(size=(COUNT, SIZE)) * (random.random((COUNT, SIZE)) > 0.2)
    normal[:, 0] = random.normal(size=COUNT) + 0.1
    lower, upper = -random.random((COUNT, SIZE)), random.random((COUNT, SIZE))
    lower[random.random(lower.shape) < 0.2] = 0
    most = np.maximum(normal * lower, normal * upper).sum(1)
    return normal, fraction * most, lower, upper


def optimum(normal, rise, p, lower, upper):
    """The size of the smallest step by scipy: a linear program for 1 and inf, quadratic programming for 2."""
    box = list(zip(lower, upper, strict=True))
    eye = np.eye(SIZE)
    if p == 2:
        start = np.where(normal > 0, upper, lower)
        found = minimize(
            lambda s: s @ s, start, jac=lambda s: 2 * s, bounds=box, method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 200},
            constraints={"type": "ineq", "fun": lambda s: normal @ s - rise, "jac": lambda s: normal},
        )  # fmt: skip
        return math.sqrt(found.fun)
    bounded = [np.hstack([eye, -eye]), np.hstack([-eye, -eye])]  # |s_i| <= t_i, and for inf all t_i are one t
    if p == math.inf:
        bounded = [np.hstack([eye, -np.ones((SIZE, 1))]), np.hstack([-eye, -np.ones((SIZE, 1))])]
    extra = bounded[0].shape[1] - SIZE
    gain = np.hstack([-normal, np.zeros(extra)])[None]
    found = linprog(
        np.r_[np.zeros(SIZE), np.ones(extra)], np.vstack([gain, *bounded]), np.r_[-rise, np.zeros(2 * SIZE)],
        bounds=[*box, *[(0, None)] * extra],
    )  # fmt: skip
    assert found.success
    return found.fun


@pytest.mark.parametrize("fraction", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("p", [1.0, 2.0, math.inf])
def test_is_the_smallest_there_is(p, fraction):
    normal, rise, lower, upper = problems(int(fraction * 100), fraction)
    step = smallest_step(*map(torch.from_numpy, (normal, rise)), p, *map(torch.from_numpy, (lower, upper))).numpy()
    assert (step >= lower - 1e-12).all()
    assert (step <= upper + 1e-12).all()
    assert ((normal * step).sum(1) >= rise * (1 - 1e-6) - 1e-12).all()
    expected = [optimum(*one[:2], p, *one[2:]) for one in zip(normal, rise, lower, upper, strict=True)]
    np.testing.assert_allclose(norms.size(torch.from_numpy(step), p), expected, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("p", [1.0, 2.0, math.inf])
def test_goes_to_the_best_corner_where_the_box_does_not_reach(p):
    normal, rise, lower, upper = problems(3, 1.5)
    step = smallest_step(*map(torch.from_numpy, (normal, rise)), p, *map(torch.from_numpy, (lower, upper))).numpy()
    corner = np.where(normal > 0, upper, np.where(normal < 0, lower, 0))
    np.testing.assert_allclose(step, corner, atol=1e-9)


@pytest.mark.parametrize("room", [1e3, math.inf])
@pytest.mark.parametrize("p", [1.0, 2.0, math.inf])
def test_without_a_box_it_is_the_closed_form(p, room):
    normal = torch.from_numpy(problems(4, 1.0)[0]).reshape(COUNT, 1, 2, 3)
    rise = torch.linspace(0, 3, COUNT, dtype=torch.float64)
    wide = torch.full_like(normal, room)
    step = smallest_step(normal, rise, p, -wide, wide)
    length = rise / norms.size(normal, norms.dual(p))
    torch.testing.assert_close(step, length.reshape(-1, 1, 1, 1) * norms.steepest(normal, p))


@pytest.mark.parametrize("p", [1.0, 2.0, math.inf])
def test_a_zero_normal_gives_no_step(p):
    zeros, wide = torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)
    assert not smallest_step(zeros, torch.tensor([0.0, 1.0]), p, -wide, wide).any()


@pytest.mark.parametrize("p", [2.0, math.inf])
def test_many_entries_that_fill_up_one_after_the_other_in_float32(p):
    slope = torch.logspace(3, -3, 400)[None]
    room = torch.logspace(-6, 0, 400)[None]
    rise = 0.95 * (slope * room).sum(1)
    step = smallest_step(slope, rise, p, -room, room)
    torch.testing.assert_close((slope * step).sum(1), rise, rtol=1e-5, atol=0)
