"""Keeping cells: nothing is done twice, nothing finished is lost, and what is missing is said."""

import dataclasses
import json
import os
import signal
import time
from functools import partial

import pytest
from counting_study import Counting
from forked import begun, ended, ending, kill

from brittle.errors import InputError, RunError
from brittle.evaluation.audit import audit
from brittle.metrics import Estimate, proportion
from brittle.report import write_report
from brittle.runs.read import read_manifest
from brittle.runs.result_manifests import StudyManifest
from brittle.runs.store import RunFolder
from brittle.studies import STUDIES, Column, Row, Study, run_study
from brittle.studies.bench.kept import read_study

ALL = ["first error", "first rho", "second error", "second rho"]
ASKED = ALL[:1]
"""Of the cells kept, the first one that is short is computed once more, to be compared."""


def test_the_second_run_computes_one_cell_to_compare_and_says_the_same(counting, tmp_path):
    first = run_study(counting.study(), tmp_path)
    assert counting.done == ALL
    assert (first.computed, first.reused, first.missing) == (4, 0, 2)
    page = (tmp_path / "counting" / "table.md").read_text()
    again = run_study(counting.study(), tmp_path)
    assert counting.done == ALL + ASKED
    assert (again.computed, again.reused, again.missing) == (0, 4, 2)
    assert again.entries == first.entries
    assert (tmp_path / "counting" / "table.md").read_text() == page


def test_the_folder_says_what_the_last_call_was(counting, tmp_path):
    folder = tmp_path / "counting"
    run_study(counting.study(), tmp_path)
    first = read_manifest(folder / "manifest.json", StudyManifest)
    assert (first.study, first.scale, first.seed, first.data) == ("counting", "small", 0, None)
    assert (first.status, first.finished is not None) == ("finished", True)
    run_study(counting.study(), tmp_path, seed=3, data=tmp_path)
    last = read_manifest(folder / "manifest.json", StudyManifest)
    assert first.differences(last) == [f"data: null, now {tmp_path}", "seed: 0, now 3"]
    assert last.command[:3] == ["brittle", "study", "counting"]
    assert write_report(folder).name == "study.html"
    for wrong in (RunFolder.open, lambda path: audit("digits-lenet", "digits", path, force=True)):
        with pytest.raises(RunError, match="is the folder of a study, not"):
            wrong(folder)


def test_another_seed_is_another_cell_and_the_old_one_stays(counting, tmp_path):
    run_study(counting.study(), tmp_path, seed=0)
    changed = run_study(counting.study(), tmp_path, seed=3)
    assert counting.done == ALL * 2
    assert changed.entry("first", "error").measured == proportion(4, 8)
    back = run_study(counting.study(), tmp_path, seed=0)
    assert back.computed == 0
    assert back.entry("first", "error").measured == proportion(1, 8)


def test_another_version_of_brittle_computes_anew(counting, tmp_path, monkeypatch):
    run_study(counting.study(), tmp_path)
    monkeypatch.setattr("brittle.studies.bench.cells.__version__", "999")
    assert run_study(counting.study(), tmp_path).computed == 4


def test_two_codes_of_brittle_never_mix_in_one_table(counting, tmp_path, monkeypatch):
    told = []
    run_study(counting.study(), tmp_path)
    before = {path: path.read_text() for path in (tmp_path / "counting" / "cells").iterdir()}
    monkeypatch.setattr("brittle.studies.bench.cells.own_digest", lambda: "a" * 64)
    mixed = run_study(counting.study(), tmp_path, watch=lambda line, fraction=None: told.append(line))
    assert (mixed.computed, mixed.reused) == (4, 0)
    assert sum("computed anew: brittle's code changed" in line for line in told) == 4
    assert all(path.read_text() == text for path, text in before.items()), "the old ones stay"
    monkeypatch.undo()
    assert run_study(counting.study(), tmp_path).computed == 0


def test_another_file_of_the_users_study_computes_anew(counting, tmp_path, monkeypatch):
    run_study(counting.study(), tmp_path)
    monkeypatch.setattr("brittle.studies.bench.cells.code_behind", lambda roots: {"counting_study.py": "b" * 64})
    assert run_study(counting.study(), tmp_path).computed == 4


def test_a_cell_that_comes_out_otherwise_refuses_all(counting, tmp_path):
    run_study(counting.study(), tmp_path)
    counting.hits = 7
    with pytest.raises(RunError, match=r"error: 0.125 kept, 0.875 now; something changed that no digest sees"):
        run_study(counting.study(), tmp_path)


def test_what_is_missing_is_said_and_the_others_go_on(counting, tmp_path):
    result = run_study(counting.study(), tmp_path)
    third = result.rows[2]
    assert third.notes == ("needs third.parquet: give the folder that holds it with --data",)
    assert result.entry("third", "error").measured is None
    assert isinstance(result.entry("second", "rho").measured, Estimate)
    assert result.entry("second", "old").published == "> 4"


def test_an_interrupted_study_goes_on(counting, tmp_path):
    counting.stop_at = "second error"
    with pytest.raises(KeyboardInterrupt):
        run_study(counting.study(), tmp_path)
    assert counting.done == ALL[:2]
    counting.stop_at = ""
    result = run_study(counting.study(), tmp_path)
    assert counting.done == [*ALL[:2], *ASKED, *ALL[2:]]
    assert (result.computed, result.reused) == (2, 2)


class Fatal(Counting):
    """Its third cell is the end of its process."""

    def cells(self, setting):
        found = super().cells(setting)
        object.__setattr__(found[2], "compute", kill)
        return found


def test_a_study_killed_at_once_goes_on(counting, tmp_path):
    assert ending(lambda: run_study(Fatal().study(), tmp_path)) == -signal.SIGKILL
    assert len(list((tmp_path / "counting" / "cells").glob("*.json"))) == 2
    result = run_study(counting.study(), tmp_path)
    assert counting.done == [*ASKED, *ALL[2:]]
    assert (result.computed, result.reused) == (2, 2)


@pytest.mark.parametrize("damage", ["", "{", '{"key": 3}', "[]"])
def test_a_damaged_cell_is_computed_anew(counting, tmp_path, damage):
    before = run_study(counting.study(), tmp_path)
    path = next((tmp_path / "counting" / "cells").glob("first-rho-*.json"))
    path.write_text(damage)
    counting.done.clear()
    assert run_study(counting.study(), tmp_path).entries == before.entries
    assert counting.done == [*ASKED, "first rho"]


def test_a_cell_says_how_it_came_about(counting, tmp_path):
    run_study(counting.study(), tmp_path, seed=2, scale="paper")
    content = json.loads(next((tmp_path / "counting" / "cells").glob("first-error-*.json")).read_text())
    assert content["identity"] == {"seed": 2, "row": "first"}
    assert content["values"]["error"]["n"] == 8
    assert content["scale"] == "paper"
    assert {"brittle", "torch", "machine", "seconds", "finished"} <= content.keys()


def test_progress_is_told_as_a_growing_fraction(counting, tmp_path):
    told = []
    run_study(counting.study(), tmp_path, watch=lambda line, fraction=None: told.append((line, fraction)))
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0, 1)
    assert any("second: rho" in line for line, _ in told)


def test_a_folder_that_cannot_be_written_stops_the_study(counting, tmp_path):
    (tmp_path / "counting").write_text("a file, not a folder")
    with pytest.raises(RunError, match=r"is no folder but a file.*give a new or an empty folder"):
        run_study(counting.study(), tmp_path)


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(
        InputError,
        match=r"there is no study 'deepfool' \(did you mean 'deepfool-\S+'\?\); there are .*deepfool-robustness",
    ):
        run_study("deepfool", tmp_path)
    with pytest.raises(InputError, match="expected small, full, paper"):
        run_study("deepfool-robustness", tmp_path, scale="large")
    assert not list(tmp_path.iterdir())
    assert all(name == study.name for name, study in STUDIES.items())


def test_rows_and_columns_must_differ():
    column = Column("error", "error", "percent", "Sizes")
    with pytest.raises(InputError, match="columns"):
        Study("s", "t", "p", lambda _: [], (Row("a"),), (column, column), lambda row, column: None)


@pytest.mark.parametrize(("before", "after"), [('"value": 0.125', '"value": 0.625'), ('"n": 8', '"n": 9')])
def test_a_cell_that_was_harmed_is_computed_again_and_said_so(counting, tmp_path, before, after):
    run_study(counting.study(), tmp_path)
    (path,) = (tmp_path / "counting" / "cells").glob("first-error-*.json")
    whole = path.read_text()
    assert before in whole
    path.write_text(whole.replace(before, after))
    told = []
    again = run_study(counting.study(), tmp_path, watch=lambda line, fraction=None: told.append(line))
    assert again.entry("first", "error").measured.value == 0.125
    assert any("computed anew: the kept cell is damaged" in line for line in told)
    assert json.loads(path.read_text())["values"] == json.loads(whole)["values"]


def test_two_processes_share_the_cells_of_a_study(tmp_path):
    """Each waits for the other in its first cell, so that none can do them all."""

    def work():
        counting = Counting()
        before = counting.cells

        def slowly(setting):
            def compute(cell):
                (tmp_path / f"{os.getpid()} {cell.row} {cell.column}").touch()
                ends = time.monotonic() + 20
                while len({path.name.split()[0] for path in tmp_path.glob("* *")}) < 2 and time.monotonic() < ends:
                    time.sleep(0.01)
                return cell.compute()

            return [dataclasses.replace(cell, compute=partial(compute, cell)) for cell in before(setting)]

        run_study(dataclasses.replace(counting.study(), cells=slowly), tmp_path / "out")

    copies = [begun(work), begun(work)]
    assert [ended(copy) for copy in copies] == [0, 0]
    done = [path.name.split() for path in tmp_path.glob("* *")]
    assert sorted(cell for _, *cell in done) == [
        [row, name] for row in ("first", "second") for name in ("error", "rho")
    ]
    assert len({process for process, *_ in done}) == 2
    both = read_study(tmp_path / "out" / "counting")
    alone = run_study(Counting().study(), tmp_path / "alone")
    assert both.entries == alone.entries
    assert both.computed + both.reused == alone.computed == 4
