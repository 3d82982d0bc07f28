"""Intervals against figures from the literature and against plain resampling."""

import math

import numpy as np
import pytest

from brittle import metrics
from brittle.errors import InputError
from brittle.metrics import Estimate, bootstrap, wilson
from brittle.metrics.estimate import quantile


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 1 - 0.1170, 1.0),  # the mirror image of 0 of 29
    ],
)
def test_wilson_gives_the_published_intervals(successes, n, low, high):
    estimate = wilson(successes, n)
    assert estimate.value == successes / n
    assert (round(estimate.low, 4), round(estimate.high, 4)) == (low, high)
    assert estimate.n == n


def test_wilson_mirrors_and_widens():
    one, other = wilson(3, 10), wilson(7, 10)
    assert one.low == pytest.approx(1 - other.high)
    assert wilson(3, 10, level=0.99).high > one.high


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_cannot_be(successes, n):
    with pytest.raises(InputError):
        wilson(successes, n)


def test_nothing_measured_is_no_estimate():
    with pytest.raises(InputError, match="n = 0"):
        Estimate(0.0, 0.0, 1.0, 0)
    for empty in (lambda: bootstrap(np.array([]), mean), lambda: quantile(np.array([]), 0.5)):
        with pytest.raises(InputError, match="n = 0"):
            empty()


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_is_between_0_and_1(level):
    with pytest.raises(InputError, match="level"):
        wilson(1, 2, level=level)


def mean(samples):
    return samples.mean(axis=1)


def test_the_bootstrap_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(1).normal(10, 2, 400)
    estimate = bootstrap(values, mean, seed=3)
    reach = 1.96 * values.std() / math.sqrt(400)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.high - estimate.low == pytest.approx(2 * reach, rel=0.1)
    assert bootstrap(values, mean, seed=3) == estimate
    assert bootstrap(values, mean, seed=4) != estimate


def test_the_mean_is_the_bootstrap_of_the_mean():
    values = np.array([1.0, 2.0, 6.0])
    assert metrics.mean(values, seed=5, level=0.5) == bootstrap(values, mean, seed=5, level=0.5)
    assert metrics.mean(values).value == 3


def test_the_bootstrap_does_not_depend_on_how_it_is_cut(monkeypatch):
    values = np.arange(50.0)
    whole = bootstrap(values, mean, resamples=100)
    monkeypatch.setattr("brittle.metrics.estimate._CHUNK", 350)
    assert bootstrap(values, mean, resamples=100) == whole


def test_one_value_says_nothing_about_the_spread():
    assert bootstrap(np.array([4.0]), mean) == Estimate(4.0, -math.inf, math.inf, 1)
    assert quantile(np.array([4.0]), 0.5) == Estimate(4.0, 0.0, math.inf, 1)


@pytest.mark.parametrize("q", [0, 0.1, 0.25, 0.5, 0.9, 1])
@pytest.mark.parametrize("n", [2, 7, 60])
def test_quantiles_agree_with_plain_resampling(q, n):
    generator = np.random.default_rng(n)
    values = generator.exponential(size=n)
    estimate = quantile(values, q, resamples=5_000)
    assert estimate.value == pytest.approx(np.quantile(values, q))
    drawn = np.quantile(values[generator.integers(n, size=(5_000, n))], q, axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    spread = values.max() - values.min()
    assert estimate.low == pytest.approx(low, abs=0.05 * spread)
    assert estimate.high == pytest.approx(high, abs=0.05 * spread)


def test_quantiles_with_infinities():
    values = np.array([1.0, 2.0, math.inf, math.inf])
    assert quantile(values, 0).value == 1
    assert quantile(values, 1 / 3).value == 2
    assert quantile(values, 0.5).value == math.inf, "between a finite and an infinite one"
    assert quantile(values, 1).value == math.inf
    half = quantile(np.append(np.ones(60), np.full(40, np.inf)), 0.5)
    assert (half.value, half.low, half.high) == (1, 1, math.inf)


def test_a_quantile_is_between_0_and_1():
    with pytest.raises(InputError, match="not between 0 and 1"):
        quantile(np.ones(3), 50)
