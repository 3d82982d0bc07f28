"""Local optimality against the areas under the curves, summed on a fine grid, and its extremes."""

import numpy as np
import pytest

from brittle.errors import InputError
from brittle.metrics import optimality


def area(sizes: np.ndarray, wrong: int, farthest: float) -> float:
    """Integrate the robust accuracy over the distance, with images that were wrong before at distance 0."""
    grid = np.linspace(0, farthest, 200_001)
    distances = np.sort(np.concatenate([np.zeros(wrong), np.minimum(sizes, farthest)]))
    robust = 1 - np.searchsorted(distances, grid, side="right") / len(distances)
    return float(np.trapezoid(robust, grid))


@pytest.mark.parametrize("wrong", [0, 7])
def test_it_is_the_share_of_the_area_between_the_useless_and_the_best_attack(wrong):
    generator = np.random.default_rng(0)
    sizes = {name: generator.gamma(2, size=50) for name in "abc"}
    sizes["c"][:9] = np.inf
    best = np.minimum.reduce(list(sizes.values()))
    farthest, clean = best.max(), 50 / (50 + wrong)
    for name, found in optimality(sizes, resamples=50).items():
        lost = area(sizes[name], wrong, farthest) - area(best, wrong, farthest)
        expected = 1 - lost / (clean * farthest - area(best, wrong, farthest))
        assert found.value == pytest.approx(expected, abs=1e-4)
        assert found.low <= found.value <= found.high
        assert found.n == 50


def test_the_best_has_one_and_the_useless_zero():
    best = np.array([1.0, 2.0, 4.0])
    found = optimality({"best": best, "useless": np.full(3, np.inf), "half": np.array([2.5, 3.0, 4.0])})
    assert found["best"].value == 1
    assert found["useless"].value == pytest.approx(0)
    assert found["half"].value == pytest.approx(1 - 2.5 / 5)


def test_images_that_nobody_broke_change_nothing_between_attacks():
    with_, without = (
        optimality({"a": np.array([1.0, 2.0, *more]), "b": np.array([1.5, 2.0, *more])})["b"].value
        for more in ([np.inf], [2.0])
    )
    assert with_ == pytest.approx(without)


def test_where_all_are_equally_far_the_question_is_whether_they_found_it():
    found = optimality({"a": np.ones(3), "b": np.ones(3)})
    assert (found["a"].value, found["b"].value) == (1, 1)


@pytest.mark.parametrize("sizes", [{}, {"a": np.ones(0)}, {"a": np.ones(2), "b": np.ones(3)}])
def test_what_cannot_be_compared_is_refused(sizes):
    with pytest.raises(InputError, match="expected the same number"):
        optimality(sizes)
