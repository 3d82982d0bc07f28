"""What an audit comes to, line by line, and the files for machines that are made of it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from brittle import RunError
from brittle.cli import app
from brittle.evaluation.audit import audit
from brittle.evaluation.defence import audit_defence
from brittle.evaluation.gate import Gate
from brittle.evaluation.verdicts import verdicts_in
from brittle.runs.store import RunFolder
from brittle.runs.summary import summarise

NET = "from brittle.models import open_network\n\n\ndef make():\n    return open_network('digits-lenet').module\n"
OPTIONS: dict[str, Any] = {"eps": 0.1, "max_images": 20}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("audited")
    (folder / "net.py").write_text(NET)
    attacks = ["fgsm", "pgd:steps=5", "fgsm"]
    words = ["brittle", "audit", f"{folder}/net.py:make", f"--out={folder}/run"]
    with pytest.MonkeyPatch.context() as patch:  # an attack twice, as older versions let it
        patch.setattr("brittle.evaluation.prepared.refuse_twice", lambda planned: None)
        return audit(f"{folder}/net.py:make", "digits", folder / "run", attacks=attacks, command=words, **OPTIONS)


def test_there_is_a_line_for_the_gate_every_check_and_every_attack(run: RunFolder):
    health = run.health()
    assert health is not None
    found = verdicts_in(run.path, Gate.of(summarise(run), 0.9))
    assert found.lines[0].verdict == "failed"
    assert found.exit_code == 1
    ends = {"passed": "pass", "warned": "warn", "failed": "fail", "skipped": "skipped"}
    checks = {line.name: ends[line.verdict] for line in found.lines if line.group == "health"}
    assert checks == {one.check: one.status for one in health.findings}
    attacks = [line.name for line in found.lines if line.group == "attack"]
    assert (attacks[1], len({*attacks})) == ("pgd:steps=5", 3), "two that are written alike are told apart"
    assert found.figures["seed"] == 0
    assert found.figures["version_torch"]


def test_without_a_gate_there_is_no_line_for_it(run: RunFolder):
    found = verdicts_in(run.path)
    assert {line.group for line in found.lines} == {"health", "attack"}
    assert found.exit_code == 0


def test_an_unreliable_gate_has_the_remedy_of_the_check_that_failed(tmp_path: Path):
    alone = audit("digits-lenet", "digits", tmp_path / "run", attacks=["fgsm"], **OPTIONS)
    line = verdicts_in(alone.path, Gate.of(summarise(alone), 0.01)).lines[0]
    assert line.verdict == "failed"
    assert line.remedy.startswith("Add attacks")


def test_of_a_defended_network_the_adaptive_audit_counts(tmp_path: Path):
    made = audit_defence(
        "digits-lenet", "digits", tmp_path / "run", defence="bit-depth:bits=2", attacks=["fgsm"], **OPTIONS
    )
    found = verdicts_in(made.path)
    assert found.figures["robust_accuracy"] == summarise(made.adaptive).robust
    assert found.figures["naive_robust_accuracy"] == summarise(made.naive).robust


def test_a_run_that_is_not_finished_has_no_verdict(tmp_path: Path, run: RunFolder):
    plain = run.manifest.model_copy(update={"status": "running", "finished": None})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text(plain.to_json())
    with pytest.raises(RunError, match="is not finished"):
        verdicts_in(tmp_path / "run")


def invoke(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    return result.exit_code, str(result.exception or "")


def test_report_writes_files_without_the_folders_of_this_machine(tmp_path: Path, run: RunFolder):
    files = tmp_path / "junit.xml", tmp_path / "found.sarif"
    line = ["report", run.path, "--out", tmp_path / "page.html", "--junit", files[0], "--sarif", files[1]]
    assert invoke(*line) == (0, "")
    for file in files:
        assert str(run.path.parent) not in file.read_text()
        assert "net.py" in file.read_text()
    assert invoke(*line) == (0, ""), "given again, a command replaces its own files"
    other = shutil.copytree(run.path, tmp_path / "other")
    code, said = invoke("report", other, "--junit", files[0])
    assert (code, "holds another JUnit file" in said) == (1, True)
    code, said = invoke("report", other, "--title", "other", "--out", tmp_path / "page.html")
    assert (code, "holds another page" in said) == (1, True)
    assert invoke("report", other, "--junit", files[0], "--force") == (0, "")
    (tmp_path / "page.html").unlink()
    files[1].write_text("{}")
    code, said = invoke(*line, "--force")
    assert "exists and is not a SARIF file of brittle" in said


def test_a_gate_that_fails_leaves_its_files_and_other_files_are_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    words = ["audit", "digits-lenet", "--data", "digits", "--max-images", 20, "--eps", 0.1, "--attack", "fgsm", "-q"]
    code, _ = invoke(*words, "--fail-under", 0.9, "--junit", "j.xml", "--sarif", "s.sarif", "--out", "run")
    assert code == 1
    (run,) = json.loads(Path("s.sarif").read_text())["runs"]
    assert run["invocations"][0]["exitCode"] == 1
    assert "gate/fail-under" in [one["ruleId"] for one in run["results"]]
    assert 'failures="2"' in Path("j.xml").read_text(), "the gate, and one attack alone"
    code, said = invoke(*words, "--fail-under", 0.1, "--junit", "j.xml", "--sarif", "s.sarif", "--out", "run")
    assert (code, said) == (3, "3"), "the files of the same run give way, and the gate fails by a check"
    assert 'name="exit_code" value="3"' in Path("j.xml").read_text()
    assert invoke("report", "run", "--junit", "j.xml", "--sarif", "later.sarif")[0] == 0
    assert 'name="exit_code" value="3"' in Path("j.xml").read_text(), "what is written later has the gate as well"
    assert "gate/fail-under" in Path("later.sarif").read_text()
    assert "another JUnit file" in invoke(*words, "--junit", "j.xml", "--out", "other")[1]
    assert not Path("other").exists()


@pytest.mark.parametrize("option", ["--junit", "--sarif"])
def test_a_segmentation_has_no_verdicts(tmp_path: Path, option: str):
    words = ["audit", "digits-lenet", "--data", "digits", "--task", "segmentation", option, tmp_path / "file"]
    assert f"{option[2:]} is given, which does nothing with --task segmentation" in invoke(*words)[1]
