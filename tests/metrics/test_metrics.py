"""Rates, sizes, curves, classes and confusion of tables small enough to check by hand."""

import math

import numpy as np
import pytest

from brittle import metrics
from brittle.errors import InputError
from brittle.metrics import Outcome, Pair

INF = math.inf


def test_rates(minimum, fixed):
    assert metrics.clean_accuracy(minimum).value == 5 / 6
    assert metrics.robust_accuracy([minimum]).value == 1 / 6
    assert metrics.robust_accuracy([fixed]).value == 3 / 6
    worst = metrics.robust_accuracy([minimum, fixed])
    assert (worst.value, worst.n) == (0, 6), "image 5 falls to the second attack only"
    assert metrics.success_rate(minimum).value == 4 / 5
    assert metrics.success_rate(minimum).n == 5, "of the images right before"
    assert metrics.rounded_success_rate(minimum).value == 3 / 5
    assert metrics.rounding_survival(minimum).value == 3 / 4
    assert metrics.rounding_survival(minimum).n == 4


def test_a_change_larger_than_asked_about_does_not_count(minimum, fixed):
    assert metrics.broken(minimum, "2", 2.0).tolist() == [True, True, False, False, False, False]
    assert metrics.success_rate(minimum, "2", 2.0).value == 2 / 5
    assert metrics.robust_accuracy([minimum], "2", 2.0).value == 3 / 6
    assert metrics.robust_accuracy([minimum, fixed], "2", 2.0).value == 2 / 6
    assert metrics.robust_accuracy([minimum], "2", 2.0 - 1e-7).value == 3 / 6, "float tolerance"
    assert metrics.robust_accuracy([minimum], "2", 2.0 - 1e-4).value == 4 / 6
    assert metrics.robust_accuracy([minimum], "2").value == 1 / 6


def test_sizes_are_judged_in_the_norm_of_the_question(table):
    rows = table(correct=[True], size=[3.0], l2=[3.0], linf=[0.01])
    assert metrics.robust_accuracy([rows], "inf", 0.02).value == 0
    assert metrics.robust_accuracy([rows], "2", 0.02).value == 1
    with pytest.raises(InputError, match="no norm '3'"):
        metrics.robust_accuracy([rows], "3", 0.02)


def test_no_images_is_an_error_not_a_rate(table):
    none = table(correct=[])
    wrong = table(correct=[False, False])
    for call in (metrics.clean_accuracy, metrics.success_rate, lambda rows: metrics.robust_accuracy([rows])):
        with pytest.raises(InputError):
            call(none)
    for call in (metrics.success_rate, metrics.rounded_success_rate, metrics.rounding_survival, metrics.median_size):
        with pytest.raises(InputError):
            call(wrong)
    assert metrics.clean_accuracy(wrong).value == 0
    with pytest.raises(InputError, match="at least one attack"):
        metrics.robust_accuracy([])


def test_tables_of_other_runs_are_not_mixed(table):
    one = table(correct=[True, True])
    with pytest.raises(InputError, match="disagree about 'correct'"):
        metrics.robust_accuracy([one, table(correct=[True, False])])
    with pytest.raises(InputError, match="disagree about 'label'"):
        metrics.robust_accuracy([one, table(correct=[True, True], label=[1, 1])])
    with pytest.raises(InputError, match="twice"):
        metrics.robust_accuracy([table(correct=[True, True], index=[4, 4])])


def test_an_unfinished_attack_counts_for_the_images_it_has_done(minimum, fixed):
    assert metrics.robust_accuracy([minimum, fixed.slice(0, 2)]).n == 2
    apart = fixed.slice(0, 1), minimum.slice(0, 1)
    with pytest.raises(InputError):
        metrics.robust_accuracy(apart)


def test_sizes(minimum):
    assert metrics.minimal_sizes(minimum).tolist() == [1, 2, 3, 4, INF]
    assert metrics.minimal_sizes(minimum, "2").tolist() == [1, 2, 3, 4, INF], "an unsuccessful change has no size"
    median = metrics.median_size(minimum)
    assert (median.value, median.n) == (3, 5)
    assert not median.has_interval, "five sizes are too few for an interval of a median"
    quantiles = metrics.size_quantiles(minimum, (0.25, 0.75, 0.9))
    assert [estimate.value for estimate in quantiles.values()] == [2, 4, INF]
    mean = metrics.mean_size(minimum)
    assert (mean.value, mean.n) == (2.5, 4)


def test_rho_is_the_mean_of_relative_sizes(minimum, table):
    found = metrics.rho_adv(minimum, found_only=True)
    assert found.value == pytest.approx((0.1 + 0.2 + 0.3 + 0.2) / 4)
    assert found.n == 4
    assert metrics.rho_adv(minimum).value == INF
    with pytest.raises(InputError, match="meaning for '0'"):
        metrics.rho_adv(minimum, "0")
    with pytest.raises(InputError, match="black"):
        metrics.rho_adv(table(correct=[True], image_l2=[0.0]))


def values(curve):
    return [round(estimate.value * 6) for estimate in curve.accuracy]


def test_the_curve_of_a_minimum_norm_attack_steps_at_its_sizes(minimum):
    curve = metrics.security_curve([Outcome(minimum)], "2")
    assert curve.radii.tolist() == [0, 1, 2, 3, 4]
    assert values(curve) == [5, 4, 3, 2, 1]
    assert curve.accuracy[0] == metrics.clean_accuracy(minimum)


def test_the_curve_of_a_fixed_attack_has_one_step_at_its_radius(fixed):
    curve = metrics.security_curve([Outcome(fixed, 2.0)], "2")
    assert curve.radii.tolist() == [0, 2]
    assert values(curve) == [5, 3]


def test_the_worst_case_curve_agrees_with_robust_accuracy(minimum, fixed):
    outcomes = [Outcome(minimum), Outcome(fixed, 2.0)]
    curve = metrics.security_curve(outcomes, "2", radii=[3.0, 0.0, 0.5, 2.0])
    assert curve.radii.tolist() == [0, 0.5, 2, 3]
    assert values(curve) == [5, 5, 2, 1]
    assert curve.accuracy[2] == metrics.robust_accuracy([minimum, fixed], "2", 2.0)


def test_a_long_curve_is_thinned_but_keeps_its_ends(table):
    sizes = np.linspace(0.001, 1, 1000).tolist()
    curve = metrics.security_curve([Outcome(table(correct=[True] * 1000, size=sizes))], "2")
    assert len(curve.radii) == 200
    assert (curve.radii[0], curve.radii[-1]) == (0, 1)
    assert (curve.accuracy[0].value, curve.accuracy[-1].value) == (1, 0)
    assert np.all(np.diff([estimate.value for estimate in curve.accuracy]) < 0)


def test_a_curve_of_no_images_is_an_error(table):
    with pytest.raises(InputError, match="no points"):
        metrics.security_curve([Outcome(table(correct=[]))], "2")


def test_classes(minimum, fixed):
    zero, one = metrics.per_class([Outcome(minimum), Outcome(fixed, 2.0)], "2", 2.0)
    assert (zero.label, zero.n, zero.clean.value, zero.robust.value) == (0, 3, 2 / 3, 0)
    assert (one.label, one.n, one.clean.value, one.robust.value) == (1, 3, 1, 2 / 3)
    assert zero.median is not None
    assert one.median is not None
    assert (zero.median.value, one.median.value) == (1.5, 4)
    (only, _) = metrics.per_class([Outcome(fixed, 2.0)], "2", 2.0)
    assert only.median is None, "no attack searched for the smallest change"
    (row,) = metrics.per_class([Outcome(minimum.slice(2, 1))], "2")
    assert row.median is None, "no image of the class was right before"


def test_confusion(minimum):
    pairs = metrics.label_pairs(minimum)
    assert pairs == [Pair(0, 1, 2), Pair(1, 0, 1), Pair(1, 2, 1)]
    assert metrics.confusion_matrix(pairs, [0, 1, 2]).tolist() == [[0, 2, 0], [1, 0, 1], [0, 0, 0]]
    with pytest.raises(InputError, match="1 -> 2"):
        metrics.confusion_matrix(pairs, [0, 1])


def test_the_nearest_example_of_each_image(minimum, fixed):
    extra = {name for name in minimum.column_names} & set(fixed.column_names)
    near = metrics.nearest_examples([minimum.select(sorted(extra)), fixed.select(sorted(extra))], "2")
    assert near["index"].to_pylist() == [0, 1, 3, 4, 5]
    assert near["l2"].to_pylist() == [1, 2, 3, 4, 1.9]
    assert near["prediction"].to_pylist() == [1, 1, 0, 2, 0]


def test_the_cost_of_a_lattice_is_that_of_the_images_it_left_broken(table):
    """Costs of 10 %, 50 % and -20 %; one image was wrong before, one was lost, one was never broken."""
    rows = table(
        correct=[True, True, True, False, True, True],
        success=[True, True, True, False, False, False],
        size=[1.1, 3.0, 0.8, 0.0, INF, INF],
        size_unrounded=[1.0, 2.0, 1.0, 0.0, 4.0, INF],
    )
    cost = metrics.quantization_cost(rows)
    assert (cost.value, cost.n) == (pytest.approx(0.1), 3)
    assert not cost.has_interval
    with pytest.raises(InputError):
        metrics.quantization_cost(table(correct=[True], success=[False], size=[INF], size_unrounded=[2.0]))


def test_the_cost_of_a_lattice_has_the_interval_of_a_median(table):
    sizes, before = [1.1, 3.0, 0.8, 1.2, 1.3, 1.4], [1.0, 2.0, 1.0, 1.0, 1.0, 1.0]
    cost = metrics.quantization_cost(table(correct=[True] * 6, size=sizes, size_unrounded=before))
    assert (cost.value, cost.low, cost.high) == pytest.approx((0.25, -0.2, 0.5))


def test_the_median_is_of_the_smallest_change_of_each_image(table):
    """Two searches, each good on the images that the other one is bad at: the median of either is 3."""
    one = table(correct=[True] * 8, size=[1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 3.0, 3.0])
    two = table(correct=[True] * 8, size=[3.0, 1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 3.0])
    outcomes = [Outcome(one), Outcome(two)]
    assert [metrics.median_size(rows).value for rows in (one, two)] == [3, 3]
    median = metrics.median_smallest(outcomes, "2")
    assert (median.value, median.low, median.high, median.n) == (1, 1, 3, 8)
    (row,) = metrics.per_class(outcomes, "2")
    assert row.median == median
    curve = metrics.security_curve(outcomes, "2", radii=[0.9, median.value])
    assert [estimate.value for estimate in curve.accuracy] == [1, 0.25], "the curve falls below half at the median"


def test_a_median_needs_a_search_and_an_image_that_was_right(minimum, fixed, table):
    assert metrics.median_smallest([Outcome(fixed, 2.0)], "2") is None
    assert metrics.median_smallest([Outcome(table(correct=[False, False]))], "2") is None
    alone = metrics.median_smallest([Outcome(minimum)], "2")
    assert alone == metrics.median_smallest([Outcome(fixed, 2.0), Outcome(minimum)], "2"), "at a radius is no search"
    assert alone.value == metrics.median_size(minimum, "2").value


def test_wrong_images_do_not_move_the_median(table):
    rows = table(correct=[True, False, True, False], size=[2.0, 0.0, 4.0, 0.0])
    median = metrics.median_smallest([Outcome(rows)], "2")
    assert (median.value, median.n) == (3, 2)
