"""Figures as SVG: what stands where, round numbers along the axes, and what is said under the pointer."""

import math
import re
from itertools import pairwise
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest

from brittle.report.drawings import drawing_figures
from brittle.report.svg import drawing
from brittle.report.svg_axes import TICKS, axis_of, round_ticks
from brittle.studies.bench.drawing import Curves, Graph, HeatMap

LINE = {"type": "scatter", "mode": "lines", "name": "one", "line": {"color": "@ink", "width": 2, "shape": "hv"}}


def figure(*traces, x=None, y=None):
    return {"data": list(traces), "layout": {"height": 270, "xaxis": x or {}, "yaxis": y or {}}}


def tree(of):
    """The drawing as elements; what is no well-formed markup fails here."""
    return fromstring(str(drawing(of, "one", "what it shows")))


def texts(of, tag="text"):
    return [one.text for one in tree(of).iter(tag)]


@pytest.mark.parametrize("scale", [1e-9, 0.003, 1.0, 7.3, 4096.0, 1e12])
def test_ticks_are_few_round_and_evenly_spaced(scale):
    ticks = round_ticks(-0.3 * scale, scale)
    values = [value for value, _ in ticks]
    steps = np.diff(values)
    assert TICKS / 3 <= len(values) <= TICKS + 2
    assert steps == pytest.approx(steps[0])
    assert steps[0] / 10 ** math.floor(math.log10(steps[0] * (1 + 1e-9))) == pytest.approx(1) or any(
        steps[0] / 10.0 ** math.floor(math.log10(steps[0])) == pytest.approx(one) for one in (2, 5, 10)
    )
    assert 0 in values
    assert len({text for _, text in ticks}) == len(ticks), "neighbours are told apart"


def test_what_is_counted_has_no_halves():
    assert [text for _, text in axis_of({}, [0, 1, 2]).ticks] == ["0", "1", "2"]
    assert "0.5" in [text for _, text in axis_of({}, [0.0, 1.0, 2.0]).ticks]
    assert [text for _, text in axis_of({}, [0, 12_000]).ticks][-1] == "10,000"


def test_equal_ratios_are_equally_far_on_a_logarithmic_axis():
    axis = axis_of({"type": "log"}, [0.001, 10.0])
    places = [axis.place(value) for value in (0.001, 0.01, 0.1, 1.0, 10.0)]
    assert np.diff(places) == pytest.approx(np.full(4, places[1] - places[0]))
    assert 0 < places[0] < places[-1] < 1
    assert [text for _, text in axis.ticks] == ["0.001", "0.01", "0.1", "1", "10"]


def test_an_axis_may_run_the_other_way():
    axis = axis_of({"range": [2.5, -0.5], "tickvals": [0, 1, 2], "ticktext": ["a", "b", "c"]}, [0, 2])
    assert [axis.place(value) for value in (-0.5, 1, 2.5)] == [1, 0.5, 0]


def test_steps_go_across_before_they_go_down():
    of = figure(LINE | {"x": [0.0, 1.0, 2.0], "y": [1.0, 0.5, 0.0]}, x={"range": [0, 2]}, y={"range": [0, 1]})
    (path,) = (one.get("d") for one in tree(of).iter("path"))
    assert path == "M0 0H500V100H1000V200", "thousandths of the width, pixels of 200"


def test_a_line_is_broken_where_nothing_was_measured():
    straight = LINE | {"x": [0.0, 1.0, 2.0, 3.0], "y": [1.0, None, 0.5, 0.0], "line": {"color": "@ink"}}
    (path,) = (one.get("d") for one in tree(figure(straight, x={"range": [0, 4]}, y={"range": [0, 1]})).iter("path"))
    assert path == "M0 0M500 100L750 200"


def test_a_band_encloses_what_lies_between_its_edges():
    low = LINE | {"x": [0.0, 1.0, 2.0], "y": [0.0, 0.0, 0.0], "line": {"color": "@ink", "width": 0, "shape": "hv"}}
    high = low | {"y": [1.0, 0.5, 0.5], "fill": "tonexty", "fillcolor": "@band"}
    of = figure(low, high, x={"range": [0, 2]}, y={"range": [0, 1]})
    (band,) = tree(of).iter("path")
    assert band.get("d") == "M0 200H500V200H1000V200L1000 100V100H500V0H0Z"
    assert band.get("style") == "fill:var(--band)"


def test_a_point_stands_in_its_place_with_its_interval():
    error = {"array": [0.25], "arrayminus": [0.5], "color": "@ink", "thickness": 1, "width": 5}
    point = {"type": "scatter", "mode": "markers", "name": "fgsm", "x": [1.0], "y": [0.5], "error_y": error}
    point |= {"marker": {"color": "@series0"}, "hovertemplate": "at %{x:.3g}: %{y:.1%}"}
    found = tree(figure(point, x={"range": [0, 4]}, y={"range": [0, 1]}))
    places = [(one.get("x"), one.get("y")) for one in found.iter("svg") if one.get("class") == "at"]
    assert places == [("25%", "0"), ("25%", "100")]
    bar = next(one for one in found.iter("svg") if one.get("class") == "at")[0]
    assert (bar.get("y1"), bar.get("y2")) == ("200", "50")
    assert [one.text for one in found.iter("title")] == ["fgsm\nat 1: 50.0%"]


def test_the_pointer_reads_all_lines_at_once():
    of = figure(
        LINE | {"x": [0.0, 2.0], "y": [1.0, 0.25]}, LINE | {"name": "two", "x": [0.0, 1.0], "y": [0.5, 0.125]},
        x={"range": [0, 4]}, y={"range": [0, 1], "tickformat": ".0%"},
    )  # fmt: skip
    assert texts(of, "title") == [
        "0\none: 100.0%\ntwo: 50.0%",
        "1\none: 100.0%\ntwo: 12.5%",
        "2\none: 25.0%\ntwo: 12.5%",
    ]
    strips = [(float(one.get("x")[:-1]), float(one.get("width")[:-1])) for one in tree(of).iter("rect")]
    assert all(begin + width == pytest.approx(then) for (begin, width), (then, _) in pairwise(strips))
    assert sum(strips[-1]) == 100


def test_a_matrix_is_the_darker_the_more_and_has_a_hole_where_nothing_is():
    heat = HeatMap("t", "c", ["a", "b"], ["long name", "<d>"], [[0.5, None], [1.0, 0.0]], "percent", "from", "to")
    of = drawing_figures((heat,))["drawing-0"]
    cells = list(tree(of).iter("rect"))
    assert [(cell.get("x"), cell.get("y")) for cell in cells] == [("0%", "1"), ("0%", "31"), ("50%", "31")]
    shades = [float(cell.get("fill-opacity")) for cell in cells]
    assert shades[1] == 1 > shades[0] > shades[2] > 0
    assert texts(of) == ["long name", "<d>", "a", "b", "50%", "100%", "0%"]
    assert texts(of, "p") == ["from ↓, to →"]
    assert "<d>" not in drawing(of, "one", "one")


def test_arrows_end_at_the_rim_of_their_nodes():
    of = drawing_figures((Graph("t", "c", [("a", 0), ("b", 4)], [(0, 1, 1)]),))["drawing-0"]
    found = tree(of)
    (arrow,) = found.iter("line")
    discs = [[float(one.get(name)) for name in ("cx", "cy", "r")] for one in found.iter("circle")]
    begin, end = [[float(arrow.get(f"{side}{number}")) for side in "xy"] for number in (1, 2)]
    assert begin == pytest.approx(discs[0][:2])
    assert math.dist(end, discs[1][:2]) == pytest.approx(discs[1][2], abs=0.15)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_has_no_place_is_refused(value):
    with pytest.raises(ValueError, match="not finite"):
        tree(figure(LINE | {"x": [0.0, 1.0], "y": [1.0, value]}))


def test_nothing_and_a_single_point_have_a_figure_too():
    assert texts(figure(LINE | {"x": [], "y": []}))
    of = drawing_figures((Curves("t", "c", "x", "y", {"only": ([3], [3])}),))["drawing-0"]
    assert "3" in texts(of)
    assert not re.search("nan|inf", drawing(of, "one", "one"))
