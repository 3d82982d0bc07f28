"""What an older version left: opened and reported, or refused with a sentence, and never written over."""

import shutil
from pathlib import Path

import pytest

from brittle.errors import RunError
from brittle.evaluation.audit import audit
from brittle.evaluation.train import train
from brittle.evaluation.universal import universal
from brittle.report import write_report
from brittle.runs.store import RunFolder
from brittle.runs.summary import summarise

OLD = Path(__file__).parents[1] / "fixtures" / "format-1"


@pytest.fixture
def old(tmp_path):
    return Path(shutil.copytree(OLD, tmp_path / "old"))


def content(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_an_old_audit_opens_with_its_rows_and_its_findings(old):
    folder = RunFolder.open(old / "audit")
    assert (folder.manifest.format, folder.manifest.threat.norm, folder.manifest.attacks[0].norm) == (1, "linf", "linf")
    assert folder.table("fgsm").num_rows == 8
    health = folder.health()
    assert health is not None
    summary = summarise(folder)
    assert (summary.norm, summary.robust.value, summary.robust.n) == ("linf", 0.75, 8)


def test_an_old_audit_is_reported(old):
    page = write_report(old / "audit").read_text()
    assert "75" in page
    assert "fgsm" in page


def test_an_old_audit_is_not_gone_on_with_and_stays(old):
    before = content(old)
    with pytest.raises(RunError, match=r"an older version of brittle \(format 1, now 2\)"):
        audit("digits-lenet", "digits", old / "audit", attacks=["fgsm"], eps=0.05, max_images=8)
    assert content(old) == before


def test_an_old_audit_is_replaced_when_asked(old):
    folder = audit("digits-lenet", "digits", old / "audit", attacks=["fgsm"], eps=0.05, max_images=8, force=True)
    assert RunFolder.open(folder.path).manifest.format == 2


def test_an_old_perturbation_is_refused_with_a_sentence_and_stays(old):
    before = content(old)
    with pytest.raises(RunError, match="made by an older version of brittle"):
        write_report(old / "universal")
    with pytest.raises(RunError, match="stays as it is"):
        universal("digits-lenet", "digits", old / "universal", attack="ascent:passes=1", eps=0.2, max_images=8)
    assert content(old) == before


def test_an_old_training_is_reported_and_stays(old):
    before = content(old)
    with pytest.raises(RunError, match=r"is a file, such as earlier versions wrote, and stays as it is; .* give .*/w,"):
        train("fc10", "digits:train", old / "w.safetensors", epochs=1, max_images=40)
    assert content(old) == before
    assert "fc10" in write_report(old / "w.safetensors").read_text()


def test_an_old_study_is_refused_with_a_sentence(old):
    with pytest.raises(RunError, match="a study of an older version"):
        write_report(old / "tiny")
