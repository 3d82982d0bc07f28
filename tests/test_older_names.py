"""Names of the version before: taken for one version, with a warning, wherever they were public."""

import warnings

import pytest
import torch
from affine import affine
from typer.testing import CliRunner

import brittle
from brittle import InputError
from brittle.cli.app import app
from brittle.data import open_source
from brittle.evaluation.spec import parse_attack
from brittle.older_names import TODAY, by_todays_names, todays_option
from brittle.runs.older import with_todays_fields


@pytest.mark.parametrize(("old", "today"), TODAY.items())
def test_an_older_name_is_read_as_todays(old, today):
    with pytest.warns(DeprecationWarning, match=f"^{old} is called {today} now$"):
        assert by_todays_names({old: 1, "other": 2}, [today, "other"]) == {today: 1, "other": 2}
    assert with_todays_fields({old: 1}, [today]) == {today: 1}


@pytest.mark.filterwarnings("error")
def test_what_is_called_so_today_or_is_unknown_stays():
    assert by_todays_names({"draws": 3}, ["draws"]) == {"draws": 3}
    assert by_todays_names({"limit": 1, "max_images": 2}, ["max_images"]) == {"limit": 1, "max_images": 2}
    assert by_todays_names({"limit": 1}, ["size"]) == {"limit": 1}
    assert with_todays_fields([1], ["quantization"]) == [1]
    assert with_todays_fields({"limit": 1}, ["limit"]) == {"limit": 1}


def test_the_warning_points_to_the_callers_line():
    with warnings.catch_warnings(record=True, action="always") as seen:
        result = brittle.run(
            brittle.FGSM(), affine(), torch.full((1, 1, 3, 4), 0.5), threat=brittle.Lp(2, 1), lattice=9
        )
    assert [(str(one.message), one.filename) for one in seen] == [("lattice is called quantization now", __file__)]
    with pytest.warns(DeprecationWarning, match="quantization_cost"):
        torch.testing.assert_close(result.lattice_cost, result.quantization_cost, equal_nan=True)


def test_sources_settings_and_specs_take_them():
    with pytest.warns(DeprecationWarning, match="max_images"):
        assert len(open_source("digits", limit=3)) == 3
    with pytest.warns(DeprecationWarning, match="max_images"):
        folder = brittle.audit("digits-lenet", "digits", attacks=["fgsm"], eps=0.1, limit=3)
    assert folder.manifest.max_images == 3
    with pytest.warns(DeprecationWarning, match="fraction"):
        assert parse_attack("square:share=0.3").attack == brittle.Square(fraction=0.3)
    assert parse_attack("noise:draws=3").attack == brittle.RandomNoise(draws=3)
    with pytest.raises(TypeError, match="limmit"):
        open_source("digits", limmit=3)
    with pytest.raises(InputError, match="no field 'shares'"):
        parse_attack("square:shares=0.3")


def test_the_command_line_takes_them_with_a_note(tmp_path):
    words = [
        "audit",
        "digits-lenet",
        "--data",
        "digits",
        "--limit",
        "2",
        "--draws=1",
        "--attack",
        "noise:draws=2",
        "-q",
    ]
    result = CliRunner().invoke(app, [*words, "-q", "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("--limit is called --max-images now\n--draws is called --eot-samples now\n")
    assert [*map(todays_option, ("--share", "--limits", "limit", "--lattice=2"))] == [
        *("--fraction", "--limits", "limit", "--quantization=2")
    ]
