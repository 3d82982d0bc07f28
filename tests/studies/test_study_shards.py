"""Shards of a study: each computes its cells, and there is no table before all are there."""

import pytest
from counting_study import Counting
from typer.testing import CliRunner

from brittle.cli import app
from brittle.errors import RunError
from brittle.report.study_page import write_study
from brittle.runs.read import read_manifest
from brittle.runs.result_manifests import StudyManifest
from brittle.studies import run_study


def lines():
    said = []
    return said, lambda line, fraction: said.append(line)


def test_shards_compute_the_cells_and_the_last_one_writes_the_table(counting, tmp_path):
    folder, (said, watch) = tmp_path / "counting", lines()
    first = run_study(counting.study(), tmp_path, shard="1/2", watch=watch)
    assert counting.done == ["first error", "second error"]
    assert (first.computed, first.reused, first.missing, first.left) == (2, 0, 2, 2)
    assert "counting: shard 1 of 2: its 2 of 4 parts are done; 2 are left for the others" in said
    assert sorted(path.name for path in folder.iterdir()) == ["cells", "manifest.json"]
    assert read_manifest(folder / "manifest.json", StudyManifest).status == "running"
    with pytest.raises(RunError, match=r"2 cells of .*counting are not there yet; run the other shards"):
        write_study(first)
    second = run_study(counting.study(), tmp_path, shard=(2, 2))
    assert second.left == 0
    whole = run_study(Counting().study(), tmp_path / "whole")
    assert second.entries == whole.entries
    assert (folder / "table.parquet").exists()
    assert read_manifest(folder / "manifest.json", StudyManifest).status == "finished"


def test_the_command_ends_without_a_table(own_study, tmp_path):
    result = CliRunner().invoke(app, ["study", own_study, "--shard", "2/2", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "rate" not in result.stdout
    assert not (tmp_path / "out" / "own" / "study.html").exists()
