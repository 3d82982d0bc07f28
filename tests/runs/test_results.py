"""Folders of a few files: one writer, the same work again, and files that are checked against the manifest."""

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError
from test_store import manifest, resealed

from brittle.errors import RunError
from brittle.runs.manifest_info import CodeInfo, DataInfo, NetworkInfo, ThreatInfo
from brittle.runs.read import read_manifest
from brittle.runs.result_manifests import StudyManifest, TrainingManifest, UniversalManifest
from brittle.runs.results import TrainingFolder, UniversalFolder
from brittle.runs.store import RunFolder

NETWORK = NetworkInfo(spec="net", digest="a" * 64, parameters=5, input_shape=(1, 2, 2), bounds=(0.0, 1.0))
DATA = DataInfo(spec="digits", digest="b" * 64, images=4, classes=["0", "1"], fit={"crop": "center"})
COMMON = {
    "created": "2026-01-01T00:00:00+00:00",
    "command": ["brittle", "train", "net"],
    "seed": 0,
    "device": "cpu",
    "machine": "x86_64, 2 cores",
    "versions": {"brittle": "0.1.0", "python": "3.11.2", "torch": "2.13.0"},
    "code": CodeInfo(brittle="c" * 64),
}


def training(**changes):
    fields = {**COMMON, "network": NETWORK, "data": DATA, "content": "d" * 64, "settings": {"epochs": 2, "rate": 0.1}}
    return TrainingManifest(**{**fields, **changes})


def universal(**changes):
    fields = {**COMMON, "network": NETWORK, "data": DATA, "threat": ThreatInfo(norm="linf", radius=0.1)}
    return UniversalManifest(**{**fields, "batch": 4, "held_out": 2, "attack": "ascent", "method": "M()", **changes})


def study(**changes):
    return StudyManifest(**{**COMMON, "study": "small", "scale": "small", **changes})


def finished(path: Path) -> TrainingFolder:
    with TrainingFolder.create(path, training()) as folder:
        (path / "weights.safetensors").write_bytes(b"weights")
        (path / "training.json").write_bytes(b"{}")
        folder.checkpoint.write_bytes(b"state")
        folder.finish()
    return folder


@pytest.mark.parametrize("made", [training(), universal(), study(), manifest()])
def test_every_kind_is_read_again_and_tells_its_identity(tmp_path, made):
    path = tmp_path / "manifest.json"
    path.write_text(made.to_json())
    assert read_manifest(path) == read_manifest(path, type(made)) == made
    content = json.loads(made.to_json())
    assert content["kind"] == made.kind
    assert content["identity"] == made.identity == made.fingerprint()
    with pytest.raises(ValidationError, match="does not fit its other fields"):
        type(made).model_validate({**made.model_dump(), "seed": 1})
    kinds = {"training", "universal", "study", "audit"} - {made.kind}
    for kind in kinds:
        path.write_text(resealed(json.dumps({**content, "kind": kind, "identity": ""})))
        with pytest.raises(RunError, match="is no manifest of a"):
            read_manifest(path)


def test_format_1_is_of_audits_alone(tmp_path):
    path = tmp_path / "manifest.json"
    content = {**json.loads(training().to_json()), "format": 1}
    del content["checksum"]
    path.write_text(json.dumps(content))
    with pytest.raises(RunError, match="there is none of this kind before 2"):
        read_manifest(path)


def test_asking_for_another_kind_is_one_sentence(tmp_path):
    finished(tmp_path)
    with pytest.raises(RunError, match=r"is the folder of a training, not of an audit; give the folder of an audit$"):
        RunFolder.open(tmp_path)
    with pytest.raises(RunError, match=r"of a training, not of a universal perturbation"):
        read_manifest(tmp_path / "manifest.json", UniversalManifest)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (training(), training(seed=1), ["seed: 0, now 1"]),
        (training(), training(settings={"epochs": 3, "rate": 0.1}), ["settings: epochs 2, now 3"]),
        (training(), training(adversarial={"fraction": 1.0}), ["attack: null, now {fraction: 1.0}"]),
        (training(adversarial={"fraction": 1}), training(adversarial={"fraction": 2}), ["attack: fraction 1, now 2"]),
        (training(), training(code=CodeInfo(brittle="e" * 64)), [f"brittle's code: {'c' * 12}, now {'e' * 12}"]),
        (training(), training(device="cuda:0", machine="another", created="later"), ["device: cpu, now cuda"]),
        (universal(), universal(method="N()", attack="n"), ["method: M(), now N()"]),
        (universal(), universal(held_out=1, batch=9), ["images kept aside: 2, now 1"]),
        (study(), study(scale="paper"), ["scale: small, now paper"]),
        (study(), study(command=["other"]), []),
    ],
)
def test_what_makes_other_work_is_named(one, other, said):
    assert one.differences(other) == said
    assert (one.identity == other.identity) == (not said)


def test_finished_work_is_known_by_the_digests_of_its_files(tmp_path):
    folder = finished(tmp_path)
    assert folder.manifest.contents.keys() == {"weights.safetensors", "training.json"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "training.json", "weights.safetensors"]
    before = (tmp_path / "manifest.json").read_bytes()
    with TrainingFolder.create(tmp_path, training(created="later")) as again:
        assert again.whole
        assert again.file("weights.safetensors").read_bytes() == b"weights"
        again.checkpoint.write_bytes(b"left by a process that was killed at the very end")
        again.finish()
    assert (tmp_path / "manifest.json").read_bytes() == before
    assert not folder.checkpoint.exists()


def damage(path: Path) -> None:
    path.write_bytes(b"weightz")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (damage, "is not the file that was written"),
        (Path.unlink, "is missing"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "is missing or cannot be read"),
    ],
)
def test_a_file_that_is_not_the_one_written_is_not_read(tmp_path, harm, said):
    folder = finished(tmp_path)
    harm(tmp_path / "weights.safetensors")
    assert not folder.whole
    with pytest.raises(RunError, match=said):
        folder.file("weights.safetensors")
    assert folder.file("training.json").exists()


def test_unfinished_work_has_no_files_to_read(tmp_path):
    with TrainingFolder.create(tmp_path, training()) as folder:
        with pytest.raises(RunError, match="a training that is not finished"):
            folder.file("weights.safetensors")
        with pytest.raises(RunError, match="is missing, so that the work is not finished"):
            folder.finish()
    assert TrainingFolder.open(tmp_path).manifest.status == "running"


def test_other_work_is_refused_and_replaced_when_that_is_asked_for(tmp_path):
    finished(tmp_path)
    (tmp_path / "mine.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(RunError, match=r"holds another run, which stays as it is(?s:.*)seed: 0, now 1"):
        TrainingFolder.create(tmp_path, training(seed=1))
    for force in (False, True):
        with pytest.raises(RunError, match=r"is the folder of a training, not the folder of a universal perturbation"):
            UniversalFolder.create(tmp_path, universal(), force=force)
        with pytest.raises(RunError, match=r"is the folder of a training, not the run folder of an audit"):
            RunFolder.create(tmp_path, manifest(), force=force)
    TrainingFolder.create(tmp_path, training(), force=True).close()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before, "the same work goes on"
    TrainingFolder.create(tmp_path, training(seed=1), force=True).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "mine.txt"]


def test_one_writer_and_no_half_files(tmp_path):
    (tmp_path / ".1234.17.unfinished").write_text("half")
    with TrainingFolder.create(tmp_path, training()):
        assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
        with pytest.raises(RunError, match="another process is writing to"):
            TrainingFolder.create(tmp_path, training())
    TrainingFolder.create(tmp_path, training()).close()


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="the disk is full"):
        TrainingFolder.create(tmp_path / "new", training())


def test_the_manifest_of_an_audit_stays_bit_by_bit():
    """Folders of this format that lie on people's disks must be found the same."""
    made = manifest()
    assert made.identity == "e46c54c82c0c59c5e3915743e23487d6fcc0cbc49a3b9274df54184d65dad2e4"
    assert hashlib.sha256(made.to_json().encode()).hexdigest() == (
        "77858f0127e543e847e7e40191ec893490644fa3972bf144f122332f73a3752d"
    )
