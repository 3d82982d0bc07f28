"""Estimates against figures from the literature, closed forms and each other; how often they cover is tested beside."""

import math

import numpy as np
import pytest

from brittle import metrics
from brittle.errors import InputError
from brittle.metrics import Estimate, jackknife, proportion, quantile, without_interval


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2527, 0.3676),  # Newcombe 1998, table I, method 5 (Clopper-Pearson)
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
        (29, 29, 1 - 0.1194, 1.0),  # the mirror image of 0 of 29
    ],
)
def test_a_proportion_has_the_published_interval(successes, n, low, high):
    estimate = proportion(successes, n)
    assert estimate.value == successes / n
    assert (round(estimate.low, 4), round(estimate.high, 4)) == (low, high)
    assert estimate.n == n


def test_a_proportion_mirrors_and_widens():
    one, other = proportion(3, 10), proportion(7, 10)
    assert one.low == pytest.approx(1 - other.high)
    assert proportion(3, 10, level=0.99).high > one.high


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_a_proportion_refuses_what_cannot_be(successes, n):
    with pytest.raises(InputError):
        proportion(successes, n)


def test_nothing_measured_is_no_estimate():
    with pytest.raises(InputError, match="n = 0"):
        Estimate(0.0, 0.0, 1.0, 0)
    none = np.array([])
    for empty in (
        lambda: metrics.mean(none),
        lambda: metrics.mean(none, bounds=(0, 1)),
        lambda: jackknife(none, mean),
        lambda: quantile(none, 0.5),
        lambda: without_interval(1.0, 0),
    ):
        with pytest.raises(InputError, match="n = 0"):
            empty()


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_is_between_0_and_1(level):
    values = np.arange(9.0)
    for asked in (
        lambda: proportion(1, 2, level=level),
        lambda: metrics.mean(values, level=level),
        lambda: jackknife(values, mean, level=level),
        lambda: quantile(values, 0.5, level=level),
    ):
        with pytest.raises(InputError, match="level"):
            asked()


def mean(samples):
    return samples.mean(axis=1)


def test_the_interval_of_a_mean_is_its_standard_error_where_there_are_many():
    values = np.random.default_rng(1).normal(10, 2, 400)
    estimate = metrics.mean(values, seed=3)
    reach = 1.96 * values.std() / math.sqrt(400)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.high - estimate.low == pytest.approx(2 * reach, rel=0.1)
    assert estimate.low < estimate.value < estimate.high
    assert metrics.mean(values, seed=3) == estimate


def test_the_interval_of_a_skewed_mean_reaches_farther_where_the_tail_is():
    estimate = metrics.mean(np.random.default_rng(0).lognormal(0, 1, 30))
    assert estimate.high - estimate.value > 1.3 * (estimate.value - estimate.low)


def test_a_bounded_mean_of_hits_is_a_proportion():
    hits = np.repeat([1.0, 0.0], [7, 33])
    bounded, rate = metrics.mean(hits, bounds=(0, 1)), proportion(7, 40)
    assert (bounded.value, bounded.low, bounded.high) == pytest.approx((rate.value, rate.low, rate.high), abs=0.01)
    scaled = metrics.mean(10 * hits - 3, bounds=(-3, 7))
    assert (scaled.low, scaled.high) == pytest.approx((10 * bounded.low - 3, 10 * bounded.high - 3))
    with pytest.raises(InputError, match="exceed the bounds 0, 1"):
        metrics.mean(2 * hits, bounds=(0, 1))


def test_the_jackknife_of_a_mean_is_the_mean():
    values = np.random.default_rng(2).exponential(size=25)
    direct, left_out = metrics.mean(values), jackknife(values, mean)
    assert (left_out.value, left_out.low, left_out.high) == pytest.approx((direct.value, direct.low, direct.high))


def test_results_do_not_depend_on_how_draws_are_cut(monkeypatch):
    values = np.random.default_rng(0).exponential(size=50)
    whole = metrics.mean(values), jackknife(values, mean)
    monkeypatch.setattr("brittle.maths.intervals._CHUNK", 350)
    monkeypatch.setattr("brittle.metrics.estimate._CHUNK", 350)
    cut = metrics.mean(values), jackknife(values, mean)
    for one, other in zip(whole, cut, strict=True):
        assert (one.low, one.high) == pytest.approx((other.low, other.high))


@pytest.mark.parametrize(
    ("what", "estimate"),
    [
        ("one value", lambda: metrics.mean(np.array([4.0]))),
        ("seven values", lambda: metrics.mean(np.arange(7.0))),
        ("equal values", lambda: metrics.mean(np.full(40, 3.0))),
        ("equal values that are not whole", lambda: metrics.mean(np.full(40, 0.1))),
        ("an infinite mean", lambda: metrics.mean(np.append(np.arange(20.0), math.inf))),
        ("seven left out in turn", lambda: jackknife(np.arange(7.0), mean)),
        ("the median of five", lambda: quantile(np.arange(5.0), 0.5)),
        ("the upper tail of 30", lambda: quantile(np.arange(30.0), 0.9)),
        ("a greatest value", lambda: quantile(np.arange(30.0), 1.0)),
        ("told so", lambda: without_interval(0.5, 10)),
    ],
)
def test_where_nothing_covers_there_is_no_interval(what, estimate):
    found = estimate()
    assert not found.has_interval, what
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_where_there_is_an_interval_it_says_so():
    for found in (
        proportion(0, 1),
        metrics.mean(np.arange(8.0)),
        quantile(np.arange(6.0), 0.5),
        quantile(np.full(9, math.inf), 0.5),
    ):
        assert found.has_interval


@pytest.mark.parametrize("q", [0, 0.1, 0.25, 0.5, 0.9, 1])
@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_quantiles_interpolate(q, n):
    values = np.random.default_rng(n).exponential(size=n)
    assert quantile(values, q).value == pytest.approx(np.quantile(values, q))


def test_the_interval_of_a_median_lies_between_two_of_the_values():
    values = np.random.default_rng(0).permutation(np.arange(1.0, 101.0))
    estimate = quantile(values, 0.5)
    assert (estimate.value, estimate.low, estimate.high) == (50.5, 40, 61), "Conover 1999, table of signs"
    assert quantile(np.arange(1.0, 7.0), 0.5) == Estimate(3.5, 1, 6, 6)


def test_quantiles_with_infinities():
    values = np.array([1.0, 2.0, math.inf, math.inf])
    assert quantile(values, 0).value == 1
    assert quantile(values, 1 / 3).value == 2
    assert quantile(values, 0.5).value == math.inf, "between a finite and an infinite one"
    assert quantile(values, 1).value == math.inf
    surely = quantile(np.append(np.ones(61), np.full(39, np.inf)), 0.5)
    assert (surely.value, surely.low, surely.high) == (1, 1, 1)
    half = quantile(np.append(np.ones(60), np.full(40, np.inf)), 0.5)
    assert (half.value, half.low, half.high) == (1, 1, math.inf)


def test_a_quantile_is_between_0_and_1():
    with pytest.raises(InputError, match="not between 0 and 1"):
        quantile(np.ones(3), 50)
