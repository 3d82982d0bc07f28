"""Which sizes count, and whose: tolerance, images that were wrong before, and ties."""

import math

import numpy as np
import pytest

from brittle import metrics
from brittle.metrics import Outcome
from brittle.metrics.curves import on_common_images
from brittle.metrics.rows import within

INF = math.inf


@pytest.mark.parametrize(
    ("radius", "size", "allowed"),
    [
        (0.5, 0.5 + 0.9e-6, True),
        (0.5, 0.5 + 1.1e-6, False),
        (4.0, 4 + 3.9e-6, True),
        (4.0, 4 + 4.1e-6, False),
        (0.0, 0.0, True),
        (0.0, 1.1e-6, False),
        (0.5, INF, False),
        (None, 1e30, True),
        (None, INF, False),
        (0.5, math.nan, False),
        (None, math.nan, False),
    ],
)
def test_a_size_is_within_a_radius_up_to_the_tolerance(radius, size, allowed):
    assert within(np.array([size]), radius).tolist() == [allowed]


def test_images_that_were_wrong_have_size_0_and_are_reported_apart(minimum, fixed):
    """0 and not infinite: they are broken at every radius, and no search has to answer for them."""
    assert metrics.smallest_sizes([Outcome(minimum)], "2").tolist() == [1, 2, 0, 3, 4, INF]
    (aligned,) = on_common_images([Outcome(fixed, 2.0)])
    assert (aligned.radius, aligned.table["index"].to_pylist()) == (2.0, [0, 1, 2, 3, 4, 5])
    assert metrics.smallest_sizes([aligned], "2").tolist() == [2, INF, 0, INF, INF, 2]
    assert metrics.smallest_sizes([Outcome(minimum), aligned], "2").tolist() == [1, 2, 0, 3, 4, 2]
    assert len(metrics.minimal_sizes(minimum)) == metrics.success_rate(minimum).n == 5
    assert metrics.broken(minimum).tolist() == [True, True, False, True, True, False]


def test_whatever_the_rows_of_a_wrong_image_hold_moves_no_figure_of_the_others(minimum, table):
    """The row of the image that was wrong before says success, and a size that no other has."""
    columns = minimum.to_pydict()
    for name, value in (("success", True), ("rounded_success", True), ("size", 77.0), ("l2", 77.0), ("prediction", 9)):
        columns[name][2] = value
    odd = table(**columns)
    for figure in (
        metrics.clean_accuracy,
        metrics.success_rate,
        metrics.rounded_success_rate,
        metrics.rounding_survival,
        metrics.median_size,
        metrics.size_quantiles,
        metrics.mean_size,
        metrics.label_pairs,
        lambda rows: metrics.rho_adv(rows, found_only=True),
        lambda rows: metrics.robust_accuracy([rows], "2", 2.0),
        lambda rows: metrics.security_curve([Outcome(rows)], "2").accuracy,
        lambda rows: metrics.median_smallest([Outcome(rows)], "2"),
        lambda rows: metrics.per_class([Outcome(rows)], "2", 2.0),
    ):
        assert figure(odd) == figure(minimum)


def test_a_rate_needs_a_success_that_was_rounded(table):
    rows = table(correct=[True] * 4, success=[True, True, False, True], rounded_success=[True, False, True, True])
    assert metrics.rounded_success_rate(rows).value == 2 / 4, "what was no success survives nothing"
    assert metrics.rounding_survival(rows).value == 2 / 3


def test_a_fixed_attack_breaks_from_its_own_radius_on(table):
    """In the norm of the curve its changes count with their own size where they are larger than the radius there."""
    rows = table(correct=[True] * 4, success=[True, True, True, False], size=[0.1, 0.2, 0.3, 0.1])
    sizes = metrics.smallest_sizes([Outcome(rows, 0.2)], "2").tolist()
    assert sizes == [0.2, 0.2, 0.3, INF]
    assert metrics.smallest_sizes([Outcome(rows, 0.2 - 0.9e-6)], "2").tolist()[1] == 0.2 - 0.9e-6
    assert metrics.smallest_sizes([Outcome(rows, 0.2 - 1.1e-6)], "2").tolist()[1] == 0.2


def test_the_nearest_of_equal_examples_is_the_first_attacks(table):
    one = table(correct=[True] * 3, success=[True, True, False], size=[1.0, 1.0, 0.1], prediction=[1, 1, 1])
    two = table(correct=[True] * 3, success=[True, True, True], size=[1.0, 0.5, 2.0], prediction=[2, 2, 2])
    near = metrics.nearest_examples([one, two], "2")
    assert near["prediction"].to_pylist() == [1, 2, 2]
    assert near["index"].to_pylist() == [0, 1, 2]


def test_the_cost_of_a_lattice_is_of_images_that_were_right_and_found_a_change(table):
    rows = table(
        correct=[True, True, True, True, False],
        success=[True, True, True, True, True],
        size=[1.5, 9.0, 9.0, 9.0, 9.0],
        size_unrounded=[1.0, INF, math.nan, 0.0, 1.0],
    )
    cost = metrics.quantization_cost(rows)
    assert (cost.value, cost.n) == (0.5, 1)


def test_rows_of_a_single_attack_come_in_the_order_of_the_images_too(fixed):
    assert metrics.common_images([fixed])[0]["index"].to_pylist() == [0, 1, 2, 3, 4, 5]


def test_intervals_are_drawn_from_the_seed_and_of_the_level_asked_for(table):
    rows = table(correct=[True] * 12, size=[float(size) for size in np.random.default_rng(0).exponential(size=12)])
    for figure in (metrics.mean_size, metrics.rho_adv):
        assert figure(rows, seed=3) == figure(rows, seed=3) != figure(rows, seed=4)
        assert figure(rows, seed=0) == figure(rows)
    some = table(correct=[True] * 24, success=[True, False] * 12, size=[float(size) for size in range(1, 25)])
    for figure in (
        metrics.clean_accuracy,
        metrics.success_rate,
        metrics.rounded_success_rate,
        metrics.rounding_survival,
        metrics.median_size,
        metrics.mean_size,
        lambda rows, **options: metrics.rho_adv(rows, found_only=True, **options),
        lambda rows, **options: metrics.size_quantiles(rows, (0.5,), **options)[0.5],
        lambda rows, **options: metrics.robust_accuracy([rows], **options),
        lambda rows, **options: metrics.security_curve([Outcome(rows)], "2", **options).accuracy[1],
        lambda rows, **options: metrics.median_smallest([Outcome(rows)], "2", **options),
        lambda rows, **options: metrics.per_class([Outcome(rows)], "2", **options)[0].robust,
        lambda rows, **options: metrics.per_class([Outcome(rows)], "2", **options)[0].clean,
        lambda rows, **options: metrics.per_class([Outcome(rows)], "2", **options)[0].median,
    ):
        wide, narrow = figure(some, level=0.95), figure(some, level=0.5)
        assert figure(some) == wide
        assert (wide.low, wide.high) != (narrow.low, narrow.high)
        assert wide.low <= narrow.low
        assert narrow.high <= wide.high


def test_the_cost_of_a_lattice_has_a_level(table):
    sizes, before = [1.0 + 0.1 * row for row in range(20)], [1.0] * 20
    rows = table(correct=[True] * 20, size=sizes, size_unrounded=before)
    wide, narrow = metrics.quantization_cost(rows), metrics.quantization_cost(rows, level=0.5)
    assert wide == metrics.quantization_cost(rows, level=0.95)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_two_perturbations_are_enough_to_compare():
    assert metrics.largest_inner_product(np.array([[1.0, -0.25], [-0.25, 1.0]])) == 0.25


def test_what_may_be_taken_from_the_package_by_name():
    assert all(hasattr(metrics, name) for name in metrics.__all__)
    assert len(set(metrics.__all__)) == len(metrics.__all__)


def test_radii_are_numbers_with_a_fraction_however_they_are_given(minimum):
    curve = metrics.security_curve([Outcome(minimum)], "2", radii=[2, 0])
    assert curve.radii.dtype == np.float64
    assert curve.radii.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("p", "column"),
    [("0", "l0"), ("1", "l1"), ("2", "l2"), ("inf", "linf"), ("pixels", "pixels"), ("flow", "flow")],
)
def test_each_way_to_measure_has_its_column(p, column, table):
    columns = {name: [float(place)] for place, name in enumerate(("l0", "l1", "l2", "linf", "pixels", "flow"))}
    rows = table(correct=[True], **columns)
    assert metrics.smallest_sizes([Outcome(rows)], p).tolist() == columns[column]


def test_the_jackknife_of_a_square_has_the_interval_of_its_contributions_moved_to_its_value():
    values = np.random.default_rng(0).exponential(size=25)
    found = metrics.jackknife(values, lambda samples: samples.mean(axis=1) ** 2)
    without = np.array([np.delete(values, place).mean() ** 2 for place in range(25)])
    contributions = metrics.mean(25 * found.value - 24 * without)
    shift = found.value - contributions.value
    assert abs(shift) > 1e-3
    assert (found.low, found.high) == pytest.approx((contributions.low + shift, contributions.high + shift))
