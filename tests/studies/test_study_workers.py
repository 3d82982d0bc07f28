"""Cells of a study computed by workers: the same table, wherever they are."""

import re

import pytest
from crew_work import Posted
from typer.testing import CliRunner

from brittle.cli import app
from brittle.engine.process_engine import ProcessEngine
from brittle.errors import InputError, RunError
from brittle.processes import child
from brittle.studies import run_studies, run_study


def outcome(result):
    return result.entries, [row.notes for row in result.rows], result.computed, result.missing


@pytest.mark.parametrize("sees", [True, False], ids=["in the folder of the study", "in a folder of its own"])
def test_a_worker_gives_the_table_of_this_process(own_study, tmp_path, sees):
    whole = run_study(own_study, tmp_path / "whole", seed=3)
    engine, said = Posted(sees), []
    found = run_study(own_study, tmp_path / "sent", seed=3, engine=engine, watch=lambda line, _: said.append(line))
    assert outcome(found) == outcome(whole)
    assert [one.content is None for one in engine.sent] == [sees, sees, True]
    assert [one.error is None for one in engine.sent] == [True, True, False]
    assert "a: rate, done by a worker" in said
    assert "c: c lacks images" in said
    names = [{path.name for path in (tmp_path / where / "own" / "cells").iterdir()} for where in ("whole", "sent")]
    assert names[0] == names[1]
    again = run_study(own_study, tmp_path / "sent", seed=3)
    assert (again.reused, again.missing) == (2, 1)


def test_a_worker_that_makes_other_cells_is_refused(own_study, tmp_path):
    def changed(recipe):
        path = tmp_path / "own.py"
        path.write_text(path.read_text().replace("hits, 8", "hits, 9"))
        return recipe

    with pytest.raises(RunError, match=r"^a worker makes no cell a-rate-.* of this study: its images"):
        run_study(own_study, tmp_path / "out", engine=Posted(before=changed))
    assert not [*(tmp_path / "out" / "own" / "cells").iterdir()]


def test_a_study_that_cannot_be_sent_is_named(counting, tmp_path):
    with pytest.raises(InputError, match=r"^the study \(Study\) cannot be sent to workers: .*; give .* FILE.py:NAME"):
        run_study(counting.study(), tmp_path, engine=ProcessEngine(1))


def test_processes_compute_the_cells_of_the_command(own_study, tmp_path, monkeypatch):
    monkeypatch.setattr(child, "START", "fork")
    words = ["study", own_study, "--engine", "processes", "--workers", "2", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert re.search(r"own: 2 computed, 0 kept from before, 1 not possible", result.output)
    assert (tmp_path / "out" / "own" / "study.html").exists()


def test_all_studies_are_given_the_engine(own_study, tmp_path):
    engine = Posted()
    run_studies(tmp_path, names=[own_study], engine=engine)
    assert len(engine.sent) == 3
