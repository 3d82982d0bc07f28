"""Matrices, curves and pictures: kept with their cell, read back, and drawn on the study's page."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from brittle.errors import InputError
from brittle.report.drawings import drawing_figures
from brittle.report.study_page import render_study
from brittle.studies import Cell, Column, Measured, Row, Study, run_study
from brittle.studies.bench.drawing import Curves, Graph, HeatMap, Picture, drawn, encoded, plain

MATRIX = HeatMap("Success", "Row to column.", ("a", "b"), ("c", "d"), ((0.5, None), (1.0, 0.0)), unit="percent")
LINES = Curves(
    "Growth", "Up.", "size", "fraction", {"ours": ((0, 1), (0.25, 0.75)), "paper": ((0, 1), (0, 1))}, ("paper",)
)
SHEET = Picture("Sheet", "Two pixels.", encoded(np.array([[0.0, 1.0]]), scale=3), "black and white")
NET = Graph("Net", "Follow the arrows.", [("a<b>", 0.0), ("b", 2.0), ("c", 0.0)], [(0, 1, 3), (2, 1, 1)], "led here")


def test_a_picture_holds_the_pixels():
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(SHEET.png))))
    assert pixels.shape == (3, 6)
    assert pixels[:, :3].max() == 0
    assert pixels[:, 3:].min() == 255


@pytest.mark.parametrize("drawing", [MATRIX, LINES, SHEET, NET], ids=lambda one: one.kind)
def test_drawings_survive_json(drawing):
    text = json.dumps(plain(drawing))
    assert json.dumps(plain(drawn(json.loads(text)))) == text


def test_a_matrix_with_a_wrong_shape_is_refused():
    with pytest.raises(InputError, match="needs 2 rows of 1"):
        HeatMap("x", "", ("a", "b"), ("c",), ((1.0,),))


def test_a_graph_with_an_edge_to_nowhere_is_refused():
    with pytest.raises(InputError, match="has 1 nodes"):
        Graph("x", "", (("a", 1.0),), ((0, 1, 1),))
    with pytest.raises(InputError, match="negative weight"):
        Graph("x", "", (("a", -1.0),), ())


def test_figures_of_cells_stand_on_the_page_also_when_kept_from_before(tmp_path):
    done = []

    def compute():
        done.append(1)
        return Measured({"n": "3"}, figures=(MATRIX, LINES, SHEET, NET))

    cells = (Cell("one", "work", compute, lambda: {"a": 1}),)
    column = Column("n", "images", "number", "Table")
    study = Study("drawn", "Drawn", "A paper", lambda _: cells, (Row("one"),), (column,), lambda *_: None, of="Pair")
    first, again = run_study(study, tmp_path), run_study(study, tmp_path)
    assert done == [1, 1], "a kept cell that was cheap is computed anew and compared"
    for result in (first, again):
        page = render_study(result)
        figures = drawing_figures(result.figures)
        assert figures["drawing-0"]["data"][0]["z"] == [[0.5, None], [1.0, 0.0]]
        assert [trace["line"]["dash"] for trace in figures["drawing-1"]["data"]] == ["solid", "dot"]
        assert 'id="plot-drawing-1"' in page
        assert f"data:image/png;base64,{SHEET.png}" in page
        arrows, nodes = figures["drawing-3"]["data"]
        names = [one["text"] for one in figures["drawing-3"]["layout"]["annotations"]]
        assert names == ["b", "a<b>", "c"]
        assert nodes["customdata"][:2] == ["a<b><br>0 led here<br>→ b (3)", "b<br>2 led here"]
        assert arrows["x"] == [nodes["x"][0], nodes["x"][1], None, nodes["x"][2], nodes["x"][1], None]
        assert 'id="plot-drawing-3"' in page
        assert "<title>a&lt;b&gt;\n0 led here\n→ b (3)</title>" in page
        assert "a<b>" not in page
        assert 'id="plot-drawing-2"' not in page
        assert "Pair</th>" in page
