"""What a study of a user's own may get wrong is refused in a sentence."""

import math
from dataclasses import replace

import pytest

from brittle.errors import InputError
from brittle.registry import STUDIES
from brittle.studies import Cell, Measured, Order, run_study
from brittle.studies.bench.own_study import check_study


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".hidden"])
def test_a_name_cannot_lead_out_of_the_folder(counting, tmp_path, name):
    with pytest.raises(InputError, match="the study's name is"):
        run_study(replace(counting.study(), name=name), tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("figure", [math.nan, math.inf])
def test_a_published_figure_is_finite(counting, tmp_path, figure):
    study = replace(counting.study(), published=lambda row, column: figure if row == "second" else None)
    with pytest.raises(InputError, match="the published figure of row 'second', column 'error' is"):
        run_study(study, tmp_path)
    assert counting.done == []


@pytest.mark.parametrize("places", [(), (("first", "rho"),)])
def test_an_order_is_of_two_places(counting, tmp_path, places):
    with pytest.raises(InputError, match=r"the order 'a < b' names .*; expected two or more"):
        run_study(replace(counting.study(), orders=(Order("a < b", places),)), tmp_path)


def test_an_order_is_of_places_of_the_table(counting, tmp_path):
    order = Order("a < b", (("first", "rho"), ("secnd", "rho")))
    said = r"the order 'a < b' names \('secnd', 'rho'\), which is no \(row, column\) .*closest is \('second', 'rho'\)"
    with pytest.raises(InputError, match=said):
        run_study(replace(counting.study(), orders=(order,)), tmp_path)
    assert counting.done == []


def test_a_cell_of_a_row_that_is_not_there_is_refused_before_any_is_computed(counting, tmp_path):
    cells = lambda setting: [*counting.cells(setting), Cell("nobody", "rho", Measured, dict)]  # noqa: E731
    with pytest.raises(InputError, match="a cell is of row 'nobody'"):
        run_study(replace(counting.study(), cells=cells), tmp_path)
    assert counting.done == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "gave a NoneType; expected Measured"),
        (Measured({"rho": 0.5}), "gave a float for 'rho'; expected an Estimate"),
    ],
)
def test_what_a_cell_gives_wrongly_stands_in_its_row(counting, tmp_path, given, said):
    cells = lambda setting: [Cell("first", "rho", lambda: given, lambda: {"a": 1})]  # noqa: E731
    result = run_study(replace(counting.study(), cells=cells), tmp_path)
    assert said in " ".join(result.rows[0].notes)
    assert result.missing == 1


@pytest.mark.parametrize("option", ["data", "models"])
def test_a_folder_that_is_not_there_is_refused_at_once(counting, tmp_path, option):
    with pytest.raises(InputError, match=rf"there is no folder .*nowhere.*--{option}"):
        run_study(counting.study(), tmp_path / "out", **{option: tmp_path / "nowhere"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", list(STUDIES))
def test_no_study_that_comes_with_the_package_is_refused(name):
    check_study(STUDIES.find(name))
