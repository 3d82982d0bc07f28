"""What of a published table was found again."""

import math

import pytest

from brittle.metrics import Estimate, without_interval
from brittle.report.study_page import render_study
from brittle.studies import Cell, Column, Measured, Order, Row, Study, run_study, sheets
from brittle.studies.bench.comparison import Comparison, Neighbours, order_of
from brittle.studies.bench.kept import read_study

ORDERS = (
    Order("The first is smaller than the second", (("a", "x"), ("b", "x")), "it is not so here"),
    Order("The second is smaller than the first", (("b", "x"), ("a", "x")), "the networks differ"),
    Order("The third is the largest", (("b", "x"), ("c", "x"))),
    Order("The fourth is there", (("a", "x"), ("d", "x"))),
)


def around(value, half=0.01):
    return Estimate(value, value - half, value + half, 100)


def study(values, published, rows=("a", "b", "c", "d"), unit="percent", orders=ORDERS, stands_for=""):
    """Two columns of one sheet; values by row and column."""

    def cells(setting):
        return [
            Cell(
                row, column, lambda value=value, column=column: Measured({column: value}), lambda row=row: {"row": row}
            )
            for (row, column), value in values.items()
        ]

    return Study(
        *("made-up", "Made up", "A paper", cells, tuple(Row(row, stands_for=stands_for) for row in rows)),
        (Column("x", "x", unit, "One"), Column("y", "y", unit, "One")),
        lambda row, column: published.get((row, column)),
        orders=orders,
    )


@pytest.fixture
def result(tmp_path):
    values = {("a", "x"): around(0.2), ("b", "x"): around(0.5), ("c", "x"): around(0.505), ("a", "y"): around(0.6)}
    published = {("a", "x"): 20.5, ("b", "x"): 40.0, ("c", "x"): 10.0, ("a", "y"): 60.0, ("d", "x"): 1.0}
    return run_study(study(values, published), tmp_path)


def test_a_figure_is_inside_its_interval_or_off_by_so_many_points(result):
    comparison = Comparison(result)
    assert comparison.verdict(("a", "x")) == "inside, order reversed", "c is published below a and measured above it"
    assert comparison.verdict(("b", "x")) == "off by +10.0 points, order kept"
    assert comparison.verdict(("c", "x")) == "off by +40.5 points, order reversed"
    assert comparison.verdict(("a", "y")) == "inside, order kept", "compared with the same row's figure of its sheet"
    assert comparison.verdict(("d", "x")) == comparison.verdict(("b", "y")) == ""


def test_figures_are_counted(result):
    comparison = Comparison(result)
    assert (len(comparison.published), len(comparison.beside), len(comparison.inside)) == (5, 4, 2)
    assert sorted(comparison.pairs.values()) == ["kept", "kept", "not told apart", "reversed"]
    assert comparison.ordered == {("b", "x"), ("a", "y")}
    lines = comparison.lines()
    assert lines[0] == (
        "Of 5 published figures 4 have a measured one beside them, 2 lie inside its interval, 2 keep the published "
        "order; the order of 4 pairs of them: 2 kept, 1 not told apart, 1 reversed."
    )


def test_declared_orders_are_judged_and_explained_where_they_fail(result):
    assert [Comparison(result).order(order) for order in ORDERS] == [
        *("kept", "reversed", "kept", "not measured"),
    ]
    assert Comparison(result).lines()[1:] == [
        "The first is smaller than the second: kept",
        "The second is smaller than the first: reversed (the networks differ)",
        "The third is the largest: kept",
        "The fourth is there: not measured",
    ]


def test_intervals_that_overlap_do_not_tell_an_order():
    one, other = Neighbours(around(3, 2), 1, "ratio"), Neighbours(around(2, 2), 5, "ratio")
    assert order_of(one, other) == order_of(other, one) == "not told apart"
    assert order_of(Neighbours(around(3, 0.1), 1, "ratio"), other) == "not told apart"
    assert order_of(Neighbours(around(9, 2), 1, "ratio"), other) == "reversed"
    assert order_of(Neighbours(around(9, 2), 7, "ratio"), other) == "kept"
    alike = Neighbours(around(2, 0), 1, "ratio")
    assert order_of(alike, Neighbours(around(2, 0), 5, "ratio")) == "not told apart", "equal figures have no order"


def test_what_has_no_interval_is_inside_nothing():
    assert not Neighbours(without_interval(0.2, 4), 0.2, "ratio").inside
    assert Neighbours(around(0.2), 0.2, "ratio").inside


@pytest.mark.parametrize(
    ("value", "published", "unit", "said"),
    [(30.0, 25.0, "percent", "+5.0 points"), (0.15, 0.2, "ratio", "-25 %"), (0.004, 0.0, "ratio", "+0.004")],
)
def test_distances_are_points_or_percent(value, published, unit, said):
    assert Neighbours(around(value), published, unit).off == said


@pytest.mark.parametrize(
    ("value", "published", "said"),
    [
        (0.4, "> 30 %", "within"),
        (0.2, "> 30 %", "beyond"),
        (0.02, "< 3", "within"),
        (0.4, ">= 30 %", "within"),
        (0.4, "≥30", "within"),
        (0.2, "< 1e-3", "beyond"),
        (0.2, "<= 2.2e1 %", "within"),
        (0.2, "< 20.5", "at the bound"),
        (0.5, "> 4 s", ""),
        (0.5, "many", ""),
    ],
)
def test_a_bound_is_kept_or_not(tmp_path, value, published, said):
    result = run_study(study({("a", "x"): around(value)}, {("a", "x"): published}, ("a",), orders=()), tmp_path)
    comparison = Comparison(result)
    assert comparison.verdict(("a", "x")) == said
    assert len(comparison.inside) == (said == "within")
    assert len(comparison.beside) == 1


def test_a_row_that_stands_for_another_has_its_figures(tmp_path):
    result = run_study(
        study({("a", "x"): around(0.2)}, {("VGG", "x"): 20.0}, ("a",), orders=(), stands_for="VGG"), tmp_path
    )
    assert result.entry("a", "x").published == 20.0
    assert Comparison(result).beside == {("VGG", "x")}
    assert sheets(result)[0].rows[0][0] == "a, beside VGG"
    assert "a, beside VGG" in render_study(result)


def test_a_figure_that_several_rows_stand_for_counts_once(tmp_path):
    values = {("a", "x"): around(0.2), ("b", "x"): around(0.5)}
    result = run_study(study(values, {("VGG", "x"): 20.0}, ("a", "b", "VGG"), orders=(), stands_for="VGG"), tmp_path)
    comparison = Comparison(result)
    assert (len(comparison.published), len(comparison.beside), len(comparison.inside)) == (1, 1, 1)


def test_what_is_kept_on_disk_compares_equally(result):
    kept = read_study(result.folder)
    assert Comparison(kept).lines() == Comparison(result).lines()
    assert [row.title for row in kept.rows] == [row.title for row in result.rows]
    assert math.isfinite(kept.seconds)
    assert "order of 4 pairs" in render_study(result)
