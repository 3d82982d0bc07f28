"""Closed forms at their edges: no or one value, ties, the last one that still counts and the first that does not."""

import math

import numpy as np
import pytest

from brittle import metrics
from brittle.errors import InputError
from brittle.metrics import Estimate, Outcome, Pair, quantile
from brittle.metrics.depth import THRESHOLD, depth_errors
from brittle.metrics.optimality import FEWEST, optimality
from brittle.metrics.segmentation import intersection_over_union, mean_iou, pixel_confusion

INF = math.inf


@pytest.mark.parametrize("ratio", [1.0, THRESHOLD, THRESHOLD**2, THRESHOLD**3])
@pytest.mark.parametrize("beside", [1 - 1e-9, 1 + 1e-9])
def test_depths_are_within_powers_of_five_quarters(ratio, beside):
    assert THRESHOLD == 1.25
    true, guess = np.full((1, 1, 1), 2.0), np.full((1, 1, 1), 2.0 * ratio * beside)
    expected = [max(ratio * beside, 1 / (ratio * beside)) < 1.25**power for power in (1, 2, 3)]
    for found in (depth_errors(true, guess), depth_errors(guess, true)):
        assert found.within.tolist() == [expected]


def test_a_depth_of_the_threshold_itself_is_not_within():
    found = depth_errors(np.full((1, 1, 1), 4.0), np.full((1, 1, 1), 5.0))
    assert found.within.tolist() == [[0, 1, 1]]


@pytest.mark.parametrize(("least", "expected"), [(None, 1e-3), (0.5, 0.5)])
def test_depths_that_are_too_small_are_raised(least, expected):
    options = {} if least is None else {"least": least}
    found = depth_errors(np.ones((1, 1, 2)), np.array([[[-3.0, 1.0]]]), **options)
    assert found.absolute.tolist() == pytest.approx([(1 - expected) / 2])
    assert found.log_rmse.tolist() == pytest.approx([math.sqrt(math.log(expected) ** 2 / 2)])


def test_depths_that_cannot_be_measured_are_refused():
    one = np.ones((2, 1, 2))
    for true, guess, message in (
        (one, one[:1], r"expected \(n, h, w\)"),
        (one[0], one[0], r"expected \(n, h, w\)"),
        (one, np.full_like(one, np.nan), "there are NaN"),
        (np.stack([one[0], -one[0]]), one, "image 1 has no pixel with a true depth above 0"),
        (np.stack([np.full((1, 2), np.nan), one[0]]), one, "image 0 has no pixel"),
    ):
        with pytest.raises(InputError, match=message):
            depth_errors(true, guess)


def test_classes_of_pixels_are_from_0_to_the_last():
    assert pixel_confusion(np.array([0, 1]), np.array([1, 0]), 2).tolist() == [[0, 1], [1, 0]]
    assert pixel_confusion(np.array([7]), np.array([0]), 1, ignored=7).tolist() == [[0]]
    assert pixel_confusion(np.zeros(0, int), np.zeros(0, int), 3).tolist() == [[0] * 3] * 3
    for wrong in (-1, 2):
        for pair in (([wrong], [0]), ([0], [wrong])):
            with pytest.raises(InputError, match=f"the labels reach from {wrong} to {wrong}; expected 0 to 1"):
                pixel_confusion(*map(np.array, pair), 2)


def test_a_class_that_is_only_given_has_no_share_in_the_mean():
    counts = np.array([[2, 2], [0, 0]])
    assert intersection_over_union(counts).tolist() == [0.5, 0]
    assert mean_iou(counts) == 0.5
    assert np.isnan(intersection_over_union(np.array([[1, 0], [0, 0]]))[1])


@pytest.mark.parametrize(("images", "has"), [(FEWEST, False), (FEWEST + 1, True)])
def test_optimality_has_an_interval_from_four_images_beside_the_farthest_on(images, has):
    assert FEWEST == 4
    sizes = np.arange(1.0, images + 1)
    found = optimality({"best": sizes, "other": sizes + 0.5})
    assert found["other"].has_interval is has
    assert found["best"].value == 1
    if has:
        assert found["other"].low <= found["other"].value <= found["other"].high


def test_where_all_are_equally_far_optimality_is_the_share_that_was_found():
    found = optimality({"all": np.full(4, 2.0), "some": np.array([2.0, 3.0, INF, 2.0])})
    assert found["all"] == metrics.proportion(4, 4)
    assert found["some"] == metrics.proportion(2, 4)
    narrow = optimality({"all": np.full(4, 2.0), "some": np.array([2.0, 3.0, INF, 2.0])}, level=0.5)["some"]
    assert narrow == metrics.proportion(2, 4, level=0.5)


def test_optimality_has_a_level_and_a_seed():
    generator = np.random.default_rng(0)
    sizes = {"one": generator.exponential(size=30), "other": generator.exponential(size=30)}
    usual = optimality(sizes)["one"]
    assert usual == optimality(sizes, level=0.95, seed=0)["one"] != optimality(sizes, seed=1)["one"]
    narrow = optimality(sizes, level=0.5)["one"]
    assert usual.low < narrow.low < narrow.value < narrow.high < usual.high
    assert usual.n == 30


@pytest.mark.parametrize(("n", "has"), [(7, False), (8, True)])
def test_a_mean_has_an_interval_from_eight_values_on(n, has):
    values = np.arange(float(n))
    assert metrics.mean(values).has_interval is has
    assert metrics.jackknife(values, lambda samples: samples.mean(axis=1)).has_interval is has


def test_a_bounded_mean_may_lie_on_its_bounds():
    for value in (0.0, 1.0):
        found = metrics.mean(np.full(5, value), bounds=(0, 1))
        assert found.value == value
        assert found.has_interval
    for values in ([-1e-9, 1.0], [0.0, 1 + 1e-9]):
        with pytest.raises(InputError, match="exceed the bounds"):
            metrics.mean(np.array(values), bounds=(0, 1))


def test_bounded_means_have_a_level_and_a_seed():
    values = np.random.default_rng(0).random(20)
    usual = metrics.mean(values, bounds=(0, 1))
    assert usual == metrics.mean(values, (0, 1), 0.95, 0) != metrics.mean(values, (0, 1), 0.95, 1)
    narrow = metrics.mean(values, (0, 1), 0.5)
    assert usual.low < narrow.low < narrow.high < usual.high
    left = metrics.jackknife(values, lambda samples: samples.mean(axis=1))
    again = metrics.jackknife(values, lambda samples: samples.mean(axis=1), level=0.5, seed=1)
    assert left.low < again.low < again.high < left.high


@pytest.mark.parametrize("q", [-1e-9, 1 + 1e-9])
def test_a_quantile_beyond_the_ends_is_refused(q):
    with pytest.raises(InputError, match="not between 0 and 1"):
        quantile(np.ones(3), q)


def test_a_quantile_of_one_value_is_it():
    for q in (0, 0.3, 1):
        assert quantile(np.array([7.0]), q).value == 7
    assert quantile(np.array([1.0, INF]), 0).value == 1
    assert quantile(np.array([INF, INF]), 0.5).value == INF


@pytest.mark.parametrize(
    ("low", "high", "has"),
    [(-INF, INF, False), (-INF, 1.0, True), (0.0, INF, True), (0.0, 1.0, True), (INF, INF, True)],
)
def test_an_estimate_without_an_interval_is_infinite_on_both_sides(low, high, has):
    assert Estimate(0.5, low, high, 3).has_interval is has


def test_an_estimate_of_one_image_is_one():
    assert Estimate(0.5, 0, 1, 1).n == 1
    for n in (0, -1):
        with pytest.raises(InputError, match=f"n = {n}"):
            Estimate(0.5, 0, 1, n)


def test_pairs_are_ordered_by_count_then_by_labels(table):
    rows = table(correct=[True] * 6, label=[2, 1, 1, 0, 0, 3], prediction=[0, 2, 0, 1, 1, 0])
    assert metrics.label_pairs(rows) == [Pair(0, 1, 2), Pair(1, 0, 1), Pair(1, 2, 1), Pair(2, 0, 1), Pair(3, 0, 1)]
    with pytest.raises(InputError, match=r"the pair 3 -> 0 is not among the labels \[0, 1, 2\]"):
        metrics.confusion_matrix(metrics.label_pairs(rows), [0, 1, 2])
    with pytest.raises(InputError, match="the pair 0 -> 9"):
        metrics.confusion_matrix([Pair(0, 9, 1)], [0])


def test_a_curve_of_few_sizes_keeps_them_all(table):
    for count in (1, 199, 200):
        sizes = [float(size) for size in range(1, count)]
        rows = table(correct=[True] * len(sizes), size=sizes) if sizes else table(correct=[False])
        assert metrics.security_curve([Outcome(rows)], "2").radii.tolist() == [0.0, *sizes]


def test_the_curve_has_a_level(table):
    rows = table(correct=[True] * 9)
    wide, narrow = (metrics.security_curve([Outcome(rows)], "2", [0.1], level).accuracy[0] for level in (0.95, 0.5))
    assert wide == metrics.proportion(9, 9)
    assert narrow == metrics.proportion(9, 9, 0.5)


@pytest.mark.parametrize(
    ("p", "column"), [("l1", "image_l1"), ("1", "image_l1"), ("2", "image_l2"), ("linf", "image_linf")]
)
def test_a_change_is_relative_to_the_image_in_the_same_norm(p, column, table):
    others = {name: [1000.0] for name in ("image_l1", "image_l2", "image_linf") if name != column}
    rows = table(correct=[True], l1=[0.5], l2=[0.5], linf=[0.5], **{**others, column: [2.0]})
    assert metrics.rho_adv(rows, p).value == 0.25


def test_a_table_of_other_threats_has_their_sizes(table):
    rows = table(correct=[True], size=[3.0], l2=[1.0])
    assert metrics.smallest_sizes([Outcome(rows)], "2").tolist() == [1]
    with pytest.raises(InputError, match="no norm 'l3'; known are l0, l1, l2, linf, pixels, flow, and threats"):
        metrics.smallest_sizes([Outcome(rows)], "l3")


@pytest.mark.parametrize(
    ("fraction", "count"), [(0.25, 1), (0.2500001, 2), (0.5, 2), (0.75, 3), (0.7500001, 4), (1.0, 4), (1e-9, 1)]
)
def test_dimensions_of_equal_values(fraction, count):
    assert metrics.dimensions(np.full(4, 0.1), fraction) == count
    assert metrics.dimensions(np.append(np.full(4, 0.1), np.zeros(3)), fraction) == count


@pytest.mark.parametrize("fraction", [-0.1, 0, 1.0000001])
def test_a_share_beyond_all_is_refused(fraction):
    with pytest.raises(InputError, match="expected a number above 0, at most 1"):
        metrics.dimensions(np.ones(2), fraction)


def test_most_is_more_than_half_and_a_class_has_enough_images():
    clean, moved = np.array([0] * 4 + [1] * 3), np.array([5, 5, 0, 0, 5, 5, 1])
    assert [(one.source, one.led, one.images) for one in metrics.label_graph(clean, moved).edges] == [(1, 2, 3)]
    assert metrics.label_graph(clean, moved, least=3).edges
    assert not metrics.label_graph(clean, moved, least=4).edges
    with pytest.raises(InputError, match="expected as many of both"):
        metrics.label_graph(clean, moved[:2])


@pytest.mark.parametrize(("n", "fine"), [(3, False), (4, True)])
def test_a_correlation_needs_four_pairs(n, fine):
    values = np.arange(float(n))
    if fine:
        assert metrics.correlation(values, 2 * values).value == 1
    else:
        with pytest.raises(InputError, match="there are 3"):
            metrics.correlation(values, values)


@pytest.mark.parametrize("labels", [[-1, 0], [0, 2]])
def test_pairs_of_classes_that_do_not_exist_are_refused(labels):
    fine, values = np.array([0, 1]), np.ones(2)
    for pair in ((np.array(labels), fine), (fine, np.array(labels))):
        with pytest.raises(InputError, match=f"class lies outside 0 to 1: {min(labels)} to {max(labels)}"):
            metrics.pair_means(*pair, values, 2)
    assert np.isnan(metrics.pair_means(fine[:0], fine[:0], values[:0], 2)).all()


def test_hardness_needs_two_limits():
    two = np.array([0.0, 1.0])
    assert float(metrics.hardness(two, np.array([0.1, 0.3]))) == pytest.approx(0.2)
    with pytest.raises(InputError, match="m >= 2"):
        metrics.hardness(two[:1], two[:1])


@pytest.mark.parametrize("seed", range(20))
def test_no_rounding_carries_a_correlation_beyond_one(seed):
    """Without a limit every fourth of these lies beyond by a last digit."""
    values = np.random.default_rng(seed).normal(size=7)
    assert 1 - 1e-12 < metrics.correlation(values, 3 * values).value <= 1
    assert -1 <= metrics.correlation(values, -3 * values).value < -1 + 1e-12
