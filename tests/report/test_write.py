"""`write_report`: every page again from what lies on disk, and one short line for everything else."""

import json
import os
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import save_file
from typer.testing import CliRunner

from brittle.cli import app
from brittle.errors import OverLimit, RunError
from brittle.evaluation.train import train
from brittle.evaluation.universal import universal
from brittle.limits import use_limits
from brittle.metrics import proportion
from brittle.report import write_report
from brittle.report.study_page import write_study
from brittle.report.training_page import write_training
from brittle.report.universal_page import write_universal
from brittle.runs.checkpoint import sealed
from brittle.runs.read import read_manifest
from brittle.studies import Cell, Column, Measured, Row, Study, run_study
from brittle.studies.bench.drawing import Curves, Graph, HeatMap, Picture, encoded

SHORT = 500
"""Most characters of a refusal."""


@pytest.fixture(scope="module")
def perturbation(tmp_path_factory):
    out = tmp_path_factory.mktemp("universal") / "v"
    return universal("digits-lenet", "digits", out, attack="ascent:passes=2", eps=77 / 255, max_images=40)


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    out = tmp_path_factory.mktemp("train") / "w"
    return train("digits-lenet", "digits:train", out, test="digits", attack="fgsm", eps=0.1, epochs=2, max_images=40)


def a_study():
    figures = (
        HeatMap("matrix", "c", ("a", "b"), ("a", "b"), ((1, None), (0.5, 2)), "percent"),
        Curves("lines", "c", "x", "y", {"one": ((1, 2), (0.1, 3))}, ("one",)),
        Picture("picture", "c", encoded(np.zeros((4, 4))), "black"),
        Graph("graph", "c", (("a", 1), ("b", 2.5)), ((0, 1, 3),)),
    )
    found = Measured({"rate": proportion(1, 8), "far": "never reached"}, {"rate": "few"}, "a remark", figures)
    return Study(
        "small",
        "A study",
        "A paper",
        lambda setting: [Cell("first", "work", lambda: found, lambda: {"seed": setting.seed})],
        (Row("first", "known"), Row("second")),
        (Column("rate", "rate", "percent", "One"), Column("far", "far", "ratio", "Two")),
        lambda row, column: {("first", "rate"): 25, ("second", "far"): "> 4"}.get((row, column)),
        ("A note.",),
        ("rate",),
    )


def refusal(path):
    with pytest.raises((RunError, OverLimit)) as caught:
        write_report(path)
    said = str(caught.value)
    assert len(said) <= SHORT
    assert said.isprintable(), "one line, no control characters"
    return said


def test_an_audit_is_written_again(make_run, tmp_path):
    run = make_run(images=12)
    page = write_report(run)
    before = page.read_bytes()
    page.unlink()
    assert write_report(run) == page
    assert page.read_bytes() == before
    assert write_report(run / "manifest.json", tmp_path / "again.html").read_bytes() == before


def test_a_study_is_written_again(tmp_path):
    before = write_study(run_study(a_study(), tmp_path)).read_bytes()
    for number, path in enumerate((tmp_path / "small", tmp_path / "small" / "study.json")):
        assert write_report(path, tmp_path / f"{number}.html").read_bytes() == before
    (tmp_path / "small" / "study.html").unlink()
    assert write_report(tmp_path / "small") == tmp_path / "small" / "study.html"
    assert (tmp_path / "small" / "study.html").read_bytes() == before
    assert b"never reached" in before


def test_a_study_of_another_number_of_cells_kept_has_the_same_table(tmp_path):
    run_study(a_study(), tmp_path)
    first = json.loads((tmp_path / "small" / "study.json").read_text())
    run_study(a_study(), tmp_path)
    second = json.loads((tmp_path / "small" / "study.json").read_text())
    assert (first.pop("computed"), first.pop("reused"), second.pop("computed"), second.pop("reused")) == (1, 0, 0, 1)
    assert first == second


def undated(page):
    """Leave out the date, which stands in the manifest of the folder alone."""
    dated, count = re.subn(rb" \xc2\xb7 <time .*?</time>", b"", page)
    assert count == 1
    return dated


def test_a_training_is_written_again_from_its_folder_or_a_file_in_it(training, tmp_path):
    before = write_training(training.folder, tmp_path / "at-the-time.html").read_bytes()
    for number, path in enumerate((training.folder, training.course, training.path, training.folder / "manifest.json")):
        assert write_report(path, tmp_path / f"{number}.html").read_bytes() == before
    assert write_report(training.folder) == training.folder / "report.html"
    other = tmp_path / "renamed.json"
    shutil.copy(training.course, other)
    assert write_report(other).read_bytes() == undated(before)


def test_a_perturbation_is_written_again_from_its_folder_or_a_file_in_it(perturbation, tmp_path):
    before = write_universal(perturbation.folder, tmp_path / "at-the-time.html").read_bytes()
    for number, path in enumerate((perturbation.folder, perturbation.path, perturbation.rows)):
        assert write_report(path, tmp_path / f"{number}.html").read_bytes() == before
    assert write_report(perturbation.folder, tmp_path) == tmp_path / "report.html"
    assert (tmp_path / "report.html").read_bytes() == before


def test_how_a_perturbation_was_made_is_told_in_words(perturbation):
    page = write_report(perturbation.folder).read_text()
    told = page[page.index("How it was made") :]
    assert "<dt>its settings</dt><dd>passes 2, " in told
    assert [
        word for word in ("None", "<dt>said</dt>", "UniversalAscent", "brittle&#39;s code</dt>") if word in told
    ] == []
    assert "--eps 77/255 " in told, "a radius as somebody types it"


@pytest.fixture
def of_yesterday(perturbation, training, tmp_path):
    """What version 0.1 left: files that belong together by a common id, and by their names."""
    rows = pq.read_table(perturbation.rows)
    about = {**(rows.schema.metadata or {}), b"brittle.id": perturbation.perturbation.id.encode()}
    pq.write_table(rows.replace_schema_metadata(about), tmp_path / "v.rows.parquet")
    shutil.copy(perturbation.path, tmp_path / "v.safetensors")
    shutil.copy(training.path, tmp_path / "w.safetensors")
    shutil.copy(training.course, tmp_path / "w.training.json")
    return tmp_path


def test_files_of_yesterday_are_reported_as_they_were(of_yesterday, perturbation, training):
    for name in ("v.safetensors", "v.rows.parquet"):
        page = write_report(of_yesterday / name)
        assert page == of_yesterday / "v.html"
        assert page.read_bytes() == undated(write_report(perturbation.folder).read_bytes())
    for name in ("w.safetensors", "w.training.json"):
        page = write_report(of_yesterday / name)
        assert page == of_yesterday / "w.html"
        assert page.read_bytes() == undated(write_report(training.folder).read_bytes())


def test_rows_of_another_perturbation_of_yesterday_are_refused(of_yesterday):
    rows = pq.read_table(of_yesterday / "v.rows.parquet")
    other = rows.replace_schema_metadata({**(rows.schema.metadata or {}), b"brittle.id": b"another"})
    pq.write_table(other, of_yesterday / "v.rows.parquet")
    assert "holds the rows of another perturbation" in refusal(of_yesterday / "v.safetensors")


def test_what_is_not_finished_has_no_page(training, tmp_path):
    content = json.loads((training.folder / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(sealed({**content, "status": "running"})))
    assert "holds a training that is not finished" in refusal(tmp_path)


def test_the_commands_page_is_the_one_that_report_writes(tmp_path):
    out, run = tmp_path / "v", CliRunner().invoke
    words = ["universal", "digits-lenet", "--data", "digits", "--max-images", "20", "--attack", "ascent:passes=1"]
    assert run(app, [*words, "--out", str(out), "--quiet"]).exit_code == 0
    before = (out / "report.html").read_bytes()
    assert run(app, ["report", str(out)]).output.strip().endswith("v/report.html")
    assert (out / "report.html").read_bytes() == before


def picture(path):
    Image.new("L", (2, 2)).save(path, "PNG")


def large_json(path):
    path.write_text(json.dumps({f"key {number}": "value" * 10 for number in range(20_000)}))


def json_with_escapes(path):
    path.write_text(json.dumps({"epochs": "\x1b[31m" * 100_000, "architecture": "x" * 1_000_000}))


def bytes_named_course(path):
    path.with_name("x.training.json").write_bytes(b"\xff" * 1_000_000)
    return path.with_name("x.training.json")


def of_others(path):
    pq.write_table(pa.table({"a": [1]}), path)


def weights(path):
    save_file({"layer": np.zeros(2, np.float32)}, path)


def pipe(path):
    os.mkfifo(path)


def empty_folder(path):
    path.mkdir()


def foreign_manifest(path):
    path.mkdir()
    (path / "manifest.json").write_text(json.dumps({"name\x1b[31m" + "x" * 1_000_000: "an app", "icons": []}))


def manifest_is_a_pipe(path):
    path.mkdir()
    os.mkfifo(path / "manifest.json")


def foreign_study(path):
    path.mkdir()
    (path / "study.json").write_text('{"title": "mine"}')


def old_study(path):
    (path / "cells").mkdir(parents=True)
    (path / "table.md").write_text("|")


def deep_brackets(path):
    path.write_text("[" * 100_000)


@pytest.mark.parametrize(
    ("make", "seen"),
    [
        (picture, "is a PNG picture; expected"),
        (large_json, "is a JSON file of something else; expected"),
        (json_with_escapes, "is not the course of a training"),
        (bytes_named_course, "is not the course of a training"),
        (of_others, "is a Parquet file; expected"),
        (weights, "is a safetensors file that holds no training and no perturbation of brittle; expected"),
        (lambda path: path.touch(), "is an empty file; expected"),
        (lambda path: path.write_bytes(b"\x00\x01"), "is a file of another kind; expected"),
        (deep_brackets, "--limits depth="),
        (pipe, "is a pipe, a device or a socket; expected"),
        (lambda path: path.symlink_to("/dev/zero"), "is a pipe, a device or a socket; expected"),
        (lambda path: path.symlink_to("nowhere"), "there is nothing at"),
        (lambda path: None, "there is nothing at"),
        (empty_folder, "is an empty folder"),
        (foreign_manifest, "is no manifest of brittle, but of something else"),
        (manifest_is_a_pipe, "it is a named pipe, not an ordinary file"),
        (foreign_study, "is not the table of a study"),
        (old_study, "run it again: its cells are kept"),
    ],
)
def test_what_is_none_of_ours_gets_one_short_line(tmp_path, make, seen):
    path = tmp_path / "thing"
    path = make(path) or path
    path = path if hasattr(path, "name") else tmp_path / "thing"
    assert seen in refusal(path)
    answer = CliRunner().invoke(app, ["report", str(path)])
    assert isinstance(answer.exception, RunError | OverLimit), "which the command ends with 2"


def test_names_that_no_file_can_have(tmp_path):
    assert "cannot be read" in refusal(tmp_path / ("x" * 300))
    assert "there is nothing at" in refusal(tmp_path / "a\x1b[31m")


def test_files_that_belong_beside_are_named(perturbation, training, tmp_path):
    alone = tmp_path / "v.safetensors"
    shutil.copy(perturbation.path, alone)
    assert "v.rows.parquet" in refusal(alone)
    shutil.copy(training.path, tmp_path / "w.safetensors")
    assert "w.training.json, does not lie beside" in refusal(tmp_path / "w.safetensors")
    shutil.copy(perturbation.rows, tmp_path / "u.rows.parquet")
    assert "no perturbation" in refusal(tmp_path / "u.rows.parquet")


HOSTILE = [None, -1, 10**12, 10**400, 1e308, float("nan"), "", "\x1b[31m\u202e</script><b>", [], {}, [1], "y" * 100_000]
"""Values that may stand in a file in place of those that were meant."""

EVERY = pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.slow)])
"""One or two of these for each place, or all of them."""


def places(value, at=()):
    """Every place of a JSON value, of lists the first entry alone."""
    if at:
        yield at
    if isinstance(value, dict):
        for key in list(value):
            yield from places(value[key], (*at, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*at, 0))


def changed(content, at, value):
    content = json.loads(json.dumps(content))
    inner = content
    for step in at[:-1]:
        inner = inner[step]
    inner[at[-1]] = value
    return content


def shown_or_refused(path, out):
    """Write a page of a file with odd content, or be refused in a short line."""
    try:
        page, refused = write_report(path, out, force=True).read_text(), ""
    except RunError as error:
        page, refused = "<script", str(error)
    assert len(refused) <= SHORT
    assert not refused or refused.isprintable()
    assert page.count("<script") == 1
    assert "</script><b>" not in page
    assert not {"\x1b", "\u202e"} & {*page}
    assert len(page) < 4_000_000


@EVERY
def test_a_course_with_odd_values(step, training, tmp_path):
    course, content = tmp_path / "odd.training.json", json.loads(training.course.read_text())
    for number, at in enumerate(places(content)):
        for value in HOSTILE[number % step :: step]:
            course.write_text(json.dumps(changed(content, at, value)))
            shown_or_refused(course, tmp_path / "page.html")


@EVERY
def test_a_study_with_odd_values(step, tmp_path):
    run_study(a_study(), tmp_path)
    path = tmp_path / "small" / "study.json"
    content = json.loads(path.read_text())
    for number, at in enumerate(places(content)):
        for value in HOSTILE[number % step :: step]:
            path.write_text(json.dumps(changed(content, at, value)))
            shown_or_refused(path.parent, tmp_path / "page.html")


@EVERY
def test_a_manifest_with_odd_values(step, make_run, tmp_path):
    run = make_run(images=4, block=2)
    content = json.loads((run / "manifest.json").read_text()) | {"status": "running"}
    for number, at in enumerate(places(content)):
        for value in HOSTILE[number % step :: step]:
            odd = changed(content, at, value)
            (run / "manifest.json").write_text(
                json.dumps(sealed(odd if at == ("identity",) else odd | {"identity": ""}))
            )
            stamp(run)
            shown_or_refused(run, tmp_path / "page.html")


def stamp(run):
    """Make the parts those of the changed manifest, so that what is in it comes to be used."""
    try:
        identity = read_manifest(run / "manifest.json").identity
    except RunError:
        return
    for part in (run / "parts").rglob("*.parquet"):
        table = pq.read_table(part)
        pq.write_table(table.replace_schema_metadata({**table.schema.metadata, "brittle.identity": identity}), part)


def test_a_manifest_of_too_many_attacks_is_refused(make_run):
    run = make_run(images=4)
    content = json.loads((run / "manifest.json").read_text())
    one = content["attacks"][0]
    content["attacks"] = [one | {"key": f"k{number}"} for number in range(1_001)]
    (run / "manifest.json").write_text(json.dumps(sealed(content)))
    assert "attacks: List should have at most 1000 items" in refusal(run)


def test_texts_beyond_any_of_ours_are_not_read(make_run, training, monkeypatch, tmp_path):
    run, course = make_run(images=4), tmp_path / "large.training.json"
    for path in (run / "manifest.json", course):
        with path.open("wb") as file:
            file.truncate(65_000_000)  # a hole: it takes no room
    assert "--limits text=" in refusal(run)
    assert "--limits text=" in refusal(course)


def test_rows_that_unpack_to_too_much_are_not_read(make_run, perturbation, tmp_path):
    run = make_run(images=4)
    with use_limits(cell=100):
        assert "--limits cell=" in refusal(run)
        assert "--limits cell=" in refusal(perturbation.path)


def test_pictures_of_too_many_pixels_are_not_unpacked(perturbation):
    with use_limits(pixels=10):
        assert "--limits pixels=" in refusal(perturbation.path)
