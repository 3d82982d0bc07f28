"""Plane perspective, against maps that are known."""

import numpy as np
import pytest

from brittle.errors import InputError
from brittle.physical.perspective import moved, perspective_map

KNOWN = np.array([[1.1, 0.2, 30.0], [-0.1, 0.9, 12.0], [0.0004, -0.0002, 1.0]])


def test_the_map_behind_points_is_found():
    points = np.random.default_rng(0).uniform(0, 500, (12, 2))
    assert perspective_map(points, moved(KNOWN, points)) == pytest.approx(KNOWN, abs=1e-9)


def test_four_points_are_met_exactly():
    square, seen = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]), np.array([[3.0, 4], [90, 9], [70, 80], [8, 66]])
    assert moved(perspective_map(square, seen), square) == pytest.approx(seen, abs=1e-9)


def test_of_noisy_points_the_middle_way_is_taken():
    generator = np.random.default_rng(0)
    points = generator.uniform(0, 500, (400, 2))
    found = perspective_map(points, moved(KNOWN, points) + generator.normal(0, 0.5, points.shape))
    assert np.abs(moved(found, points) - moved(KNOWN, points)).max() < 0.5


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (np.zeros((3, 2)), "at least 4"),
        (np.zeros((4, 2)), "all the same"),
        (np.array([[0.0, 0], [1, 1], [2, 2], [3, 3], [4, 4]]), "on one line"),
        (np.array([[0.0, 0], [1, 0], [1, np.inf], [0, 1]]), "not finite"),
    ],
)
def test_points_that_determine_nothing_are_refused(points: np.ndarray, said: str):
    with pytest.raises(InputError, match=said):
        perspective_map(points, points)
