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
    for name, found in optimality(sizes).items():
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
    attacks = {
        "best": np.ones(4),
        "useless": np.full(4, np.inf),
        "too far": np.full(4, 1.5),
        "most": np.array([1.0, 1.0, 1.0, np.inf]),
    }
    assert {name: fraction.value for name, fraction in optimality(attacks).items()} == {
        "best": 1,
        "useless": 0,
        "too far": 0,
        "most": 0.75,
    }


def test_equally_far_is_the_limit_of_nearly_equally_far():
    for most in ([1, 1, np.inf, np.inf], [1, 2, 1, 1]):
        sizes = np.array([*most, 1.0])
        equal = optimality({"best": np.ones(5), "own": sizes})["own"].value
        best = np.append(np.ones(5), 1 + 1e-9)
        nearly = optimality({"best": best, "own": np.append(sizes, 1 + 1e-9)})["own"].value
        assert nearly == pytest.approx(equal, abs=1e-5)


def test_an_attack_that_found_nothing_has_nothing():
    generator = np.random.default_rng(0)
    for best in (generator.random(30), np.array([0.3]), np.full(12, 0.2), np.append(np.full(5, 0.2), np.inf)):
        found = optimality({"best": best, "useless": np.full(len(best), np.inf)})
        assert found["useless"].value == pytest.approx(0, abs=1e-12)
        assert found["best"].value == 1


def test_a_single_size_that_is_shared_counts_the_images_with_it():
    found = optimality({"a": np.ones(40), "b": np.append(np.ones(30), np.full(10, 2.0))})["b"]
    assert (found.value, found.low, found.high) == pytest.approx((0.75, 0.588, 0.873), abs=1e-3)


def test_with_a_handful_of_images_there_is_no_interval():
    sizes = {"a": np.array([1.0, 2.0, 3.0]), "b": np.array([1.5, 2.0, 3.0])}
    assert not optimality(sizes)["b"].has_interval


def test_nothing_broken_is_nothing_to_compare():
    with pytest.raises(InputError, match="no attack broke any of the 3 images"):
        optimality({"a": np.full(3, np.inf), "b": np.full(3, np.inf)})


def test_the_perfect_attack_keeps_an_interval_of_what_might_have_been():
    best = np.random.default_rng(0).random(100)
    found = optimality({"best": best, "other": 2 * best})["best"]
    assert (found.value, found.high) == (1, 1)
    assert 0.85 < found.low < 1


@pytest.mark.parametrize("sizes", [{}, {"a": np.ones(0)}, {"a": np.ones(2), "b": np.ones(3)}])
def test_what_cannot_be_compared_is_refused(sizes):
    with pytest.raises(InputError, match="expected the same number"):
        optimality(sizes)
