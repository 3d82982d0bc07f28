"""Parts that are damaged, missing or foreign: what the message advises mends them, in every state of a run."""

import json
import shutil
from functools import cache
from pathlib import Path

import pytest

from brittle.errors import RunError
from brittle.evaluation.audit import audit
from brittle.report import write_report
from brittle.runs.checkpoint import sealed
from brittle.runs.finding import Health
from brittle.runs.store import RunFolder

pytestmark = pytest.mark.usefixtures("few_checks")


@pytest.fixture(autouse=True)
def _light(monkeypatch):
    """Parts of few images, and no checks of the audit."""
    monkeypatch.setattr("brittle.evaluation.prepared.PARTS_OF", 4)
    monkeypatch.setattr("brittle.evaluation.audit.examine_run", unchecked)


def unchecked(folder, *_, **__):
    return Health(run=folder.manifest.identity, thorough=False, passes=0, fraction=0.0, findings=[])


def run_audit(out, **changes):
    choices = {"attacks": ["fgsm", "noise"], "eps": 0.1, "max_images": 8}
    return audit("digits-lenet", "digits", out, **(choices | changes))


MADE = []


@pytest.fixture
def finished(tmp_path, tmp_path_factory):
    """A run of two attacks and two blocks: made once, and copied for every test."""
    if not MADE:
        MADE.append(run_audit(tmp_path_factory.mktemp("made") / "run").path)
    return Path(shutil.copytree(MADE[0], tmp_path / "run"))


@pytest.fixture(params=["finished", "running"])
def run(request, finished):
    """That run; of the one that goes on, a part is not done yet."""
    if request.param == "running":
        manifest = json.loads((finished / "manifest.json").read_text())
        (finished / "manifest.json").write_text(json.dumps(sealed(manifest | {"status": "running", "finished": None})))
        (finished / "parts" / "noise" / "000001.parquet").unlink()
    return finished


def rows_of(path):
    return {key: table.drop_columns(["seconds"]) for key, table in RunFolder.open(path).tables().items()}


def damaged(run):
    part = run / "parts" / "fgsm" / "000000.parquet"
    part.write_bytes(part.read_bytes()[:-100])


@cache
def another():
    return run_audit(None, eps=0.2)


def of_another_run(run):
    shutil.copy(another().path / "parts" / "fgsm" / "000000.parquet", run / "parts" / "fgsm")


@pytest.mark.parametrize("harm", [damaged, of_another_run])
def test_the_advice_mends_a_part_that_is_none(run, harm):
    whole = rows_of(run)
    harm(run)
    with pytest.raises(RunError, match="run the audit again into this folder"):
        write_report(run)
    assert run_audit(run).manifest.status == "finished"
    assert write_report(run).exists()
    after = rows_of(run)
    assert after["fgsm"] == whole["fgsm"]
    assert after["noise"].num_rows == 8


def test_the_advice_mends_a_missing_part_of_a_finished_run(finished):
    run = finished
    whole = rows_of(run)
    (run / "parts" / "noise" / "000000.parquet").unlink()
    with pytest.raises(RunError, match=r"noise/000000.parquet is missing; run the audit again into this folder"):
        write_report(run)
    run_audit(run)
    assert write_report(run).exists()
    assert rows_of(run) == whole


def beyond_the_run(parts):
    shutil.copy(parts / "fgsm" / "000000.parquet", parts / "fgsm" / "000099.parquet")


def under_another_name(parts):
    for name in ("0", "00000000", "٠٠٠٠٠٠", "9" * 200, "copy of 000000", "-1"):
        shutil.copy(parts / "fgsm" / "000000.parquet", parts / "fgsm" / f"{name}.parquet")


def attack_of_another_run(parts):
    shutil.copytree(parts / "fgsm", parts / "pgd")


def no_parquet_at_all(parts):
    (parts / "fgsm" / "000077.parquet").write_text("<html>404</html>")
    (parts / "fgsm" / "notes.txt").write_text("mine")
    (parts / "notes.txt").write_text("mine")


@pytest.mark.parametrize("harm", [beyond_the_run, under_another_name, attack_of_another_run, no_parquet_at_all])
def test_files_that_are_no_part_of_the_run_change_nothing(run, harm):
    before = rows_of(run)
    page = write_report(run).read_bytes()
    harm(run / "parts")
    there = sorted((run / "parts").rglob("*"))
    assert rows_of(run) == before
    assert write_report(run).read_bytes() == page
    assert run_audit(run).manifest.status == "finished"
    assert write_report(run).exists()
    assert {*there} <= {*(run / "parts").rglob("*")}, "what is not brittle's stays"


def test_a_part_that_is_a_folder_is_said(finished):
    run = finished
    part = run / "parts" / "fgsm" / "000000.parquet"
    part.unlink()
    part.mkdir()
    with pytest.raises(RunError, match="it is a folder, not an ordinary file"):
        write_report(run)
    with pytest.raises(RunError, match="is a folder; give the name of a file"):
        run_audit(run)
    part.rmdir()
    run_audit(run)
    assert write_report(run).exists()
