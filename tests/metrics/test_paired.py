"""Two measurements of the same images: exact where mathematics is, and covering where it is not."""

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from brittle import InputError
from brittle.metrics import least_drop, most_drop, paired_rates, size_ratio


def split(n: int, lost: int, gained: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of which some change sides, half of the others stand in both."""
    before, after = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    before[:lost] = after[lost : lost + gained] = True
    both = (n - lost - gained) // 2
    before[n - both :] = after[n - both :] = True
    return before, after


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (1, 0), (5, 5), (12, 3), (3, 12), (0, 9)])
def test_the_chance_is_that_of_fair_coins(lost, gained):
    found = paired_rates(*split(100, lost, gained))
    flips, few = lost + gained, min(lost, gained)
    tails = 2 * sum(stats.binom.pmf(k, flips, 0.5) for k in range(few + 1))
    assert (found.lost, found.gained) == (lost, gained)
    assert found.chance == pytest.approx(min(1.0, tails))
    assert found.difference.value == pytest.approx((gained - lost) / 100)
    assert found.difference.value == pytest.approx(found.after.value - found.before.value)


def test_a_difference_is_known_better_than_either_rate_where_few_images_change_sides():
    found = paired_rates(*split(1000, 30, 10))
    width = found.difference.high - found.difference.low
    assert width < (found.before.high - found.before.low) / 2
    assert found.difference.high < 0
    assert found.before.low < found.after.value < found.before.high, "each rate alone would say nothing"


def test_where_nothing_changed_a_small_difference_is_still_possible():
    found = paired_rates(*split(200, 0, 0))
    exact = 1 - 0.025 ** (1 / 200)  # none of 200: Clopper and Pearson
    assert -found.difference.low == pytest.approx(exact, rel=0.1)
    assert found.difference.high == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize(("share", "drop"), [(0.02, 0.0), (0.1, 0.0), (0.1, 0.05), (0.3, 0.1)])
def test_both_ends_of_a_drop_hold_as_often_as_they_say(share, drop):
    n, runs = 100, 200
    drawn = np.random.default_rng(3).multinomial(n, [(share + drop) / 2, (share - drop) / 2, 1 - share], size=runs)
    above = below = 0
    for (lost, gained), times in Counter(map(tuple, drawn[:, :2].tolist())).items():
        sides = split(n, lost, gained)
        above += times * (least_drop(*sides) > drop)
        below += times * (most_drop(*sides) < drop)
    most = stats.binom.isf(0.001, runs, 0.05)
    assert above <= most
    assert below <= most


def test_a_drop_of_all_images_is_at_least_nearly_all():
    found = least_drop(np.ones(300, dtype=np.bool_), np.zeros(300, dtype=np.bool_))
    assert found == pytest.approx(2 * 0.05 ** (1 / 300) - 1, abs=2e-3), "Clopper and Pearson, from -1 to 1"


def test_the_factor_is_the_median_over_images_that_somebody_broke():
    infinite = np.inf
    found = size_ratio(np.array([1.0, 1.0, 1.0, 2.0, infinite]), np.array([0.5, infinite, 0.9, 1.0, infinite]))
    assert found is not None
    assert found.n == 4
    assert found.value == pytest.approx((0.5 + 0.9) / 2)
    newly = size_ratio(np.array([infinite, infinite, infinite]), np.array([0.1, 0.2, 0.3]))
    assert newly is not None
    assert newly.value == 0, "what could not be broken before falls to any size now"
    assert size_ratio(np.array([infinite]), np.array([infinite])) is None


def test_the_other_way_round_gives_the_same_ends():
    before, after = split(200, 30, 15)
    one, other = paired_rates(before, after).difference, paired_rates(after, before).difference
    assert (one.value, one.low, one.high) == (-other.value, -other.high, -other.low)
    assert least_drop(before, after) == -most_drop(after, before)
    same = paired_rates(before, before).difference
    assert same.low == -same.high < 0


def test_other_images_are_refused():
    with pytest.raises(InputError, match="3 images before and 2 after"):
        paired_rates(np.ones(3, dtype=np.bool_), np.ones(2, dtype=np.bool_))
