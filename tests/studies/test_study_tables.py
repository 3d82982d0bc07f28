"""The table as text, Markdown and Parquet."""

import math
import re

import pyarrow.parquet as pq
import pytest

from brittle.cli.study import show_study
from brittle.errors import DataError
from brittle.metrics import Estimate, proportion
from brittle.studies import run_study, sheets
from brittle.studies.bench.kept import read_study
from brittle.studies.bench.tables import elsewhere, interval_text, markdown, number_text


def test_a_sheet_puts_measured_beside_published(counting, tmp_path):
    (sheet,) = sheets(run_study(counting.study(), tmp_path))
    assert sheet.heads == (
        ("test error", "measured"),
        ("test error", "published"),
        ("rho", "measured"),
        ("rho", "published"),
        ("by hand", "published"),
    )
    rows = dict(sheet.rows)
    assert [place.text for place in rows["first"]] == ["12.5 %", "25.0 %", "0.125", "0.2", "–"]
    assert list(rows) == ["first", "second"]
    assert rows["second"][4].text == "> 4"
    assert rows["first"][2].note == "(some were left out)"


def test_numbers_and_intervals():
    assert number_text(123.4, "number") == "123"
    assert number_text(12345.6, "number") == "12,346"
    assert number_text(math.inf, "ratio") == "∞"
    assert number_text(2.5, "seconds") == "2.50 s"
    assert interval_text(Estimate(0.002, 0.001, 0.004, 5), "seconds") == "1.00–4.00 ms"
    assert interval_text(Estimate(0.9, 0.5, 1.5, 5), "seconds") == "500 ms–1.50 s"
    assert interval_text(Estimate(0.9, -math.inf, math.inf, 1), "ratio") == "no interval"
    assert interval_text(Estimate(0.9, 0.5, math.inf, 9), "ratio") == "0.500–∞", "too few broken to know the upper end"


def test_markdown_has_the_shape_of_its_heads_whatever_the_names(counting, tmp_path):
    counting.rows = ("a|b", "<b>&", "third")
    text = markdown(run_study(counting.study(), tmp_path))
    table = [re.findall(r"(?<!\\)\|", line) for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 4
    assert {len(line) for line in table} == {4}
    assert "<b>" not in text
    assert "- 1 network is not here: see --data, --models and --scale (third)." in text


def test_parquet_keeps_numbers(counting, tmp_path):
    run_study(counting.study(), tmp_path)
    table = pq.read_table(tmp_path / "counting" / "table.parquet")
    rows = {(row["row"], row["column"]): row for row in table.to_pylist()}
    assert len(rows) == 9
    error = rows["first", "error"]
    assert (error["measured"], error["n"], error["published"]) == (0.125, 8, 0.25)
    assert error["low"] == pytest.approx(proportion(1, 8).low)
    assert rows["second", "old"]["published_text"] == "> 4"
    assert rows["second", "old"]["published"] is None
    assert rows["third", "rho"]["measured"] is None
    assert table.schema.metadata[b"study"] == b"counting"


def test_only_what_is_here_is_shown_and_the_rest_is_kept(counting, tmp_path, capsys):
    result = run_study(counting.study(), tmp_path)
    assert elsewhere(result).startswith("1 network is not here: see --data")
    show_study(result)
    said = capsys.readouterr()
    text = " ".join((said.out + said.err).split())
    assert "–" not in re.sub(r"\d–\d", "", text)
    assert text.count("third") == 1
    assert elsewhere(result) in text
    kept = read_study(tmp_path / "counting")
    assert [row.key for row in kept.rows] == ["first", "second", "third"]
    assert [row.here for row in kept.rows] == [True, True, False]
    assert "needs third.parquet" in kept.rows[2].notes[0]


def test_a_row_that_failed_otherwise_is_shown_with_its_reason(counting, tmp_path):
    counting.lacks = DataError
    result = run_study(counting.study(), tmp_path)
    assert elsewhere(result) == ""
    assert "third" in dict(sheets(result)[0].rows)
    assert "- third: needs third.parquet" in markdown(result)


def test_where_nothing_is_here_there_is_one_line_and_no_table(counting, tmp_path):
    counting.rows = ("third", "third too")
    result = run_study(counting.study(), tmp_path)
    assert sheets(result) == ()
    assert elsewhere(result).startswith("2 networks are not here")
    assert "|" not in markdown(result)
