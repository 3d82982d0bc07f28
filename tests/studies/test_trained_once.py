"""Networks that studies train are trained once, also by studies that run side by side."""

from pathlib import Path
from threading import Event, Thread

import pytest

from brittle.studies import Setting
from brittle.studies.shared import once
from brittle.studies.shared.networks import ORIGINS
from brittle.studies.shared.once import trained_once
from brittle.studies.shared.subject import Benchmark


def setting(folder: Path, study: str, data: Path | None = None, lines: list[str] | None = None) -> Setting:
    told = [] if lines is None else lines
    tell = lambda line, fraction=None: told.append(line)  # noqa: E731
    return Setting(data, None, "small", "cpu", 0, folder / study, tell, folder / "networks")


def test_two_studies_share_a_network(few_digits, tmp_path):
    lines: list[str] = []
    one, other = (Benchmark(ORIGINS[1], setting(tmp_path, name, few_digits, lines)) for name in ("one", "other"))
    assert one.network.digest == other.network.digest
    assert sum("training fc500-150-10" in line for line in lines) == 1
    (trained,) = (tmp_path / "networks").iterdir()
    assert trained.name.startswith("fc500-150-10-")
    assert sorted(path.name for path in trained.iterdir()) == ["manifest.json", "training.json", "weights.safetensors"]
    assert not (tmp_path / "one").exists()


def test_a_study_without_such_a_folder_keeps_networks_in_its_own(tmp_path):
    assert Setting(None, None, "small", "cpu", 0, tmp_path).networks == tmp_path / "networks"


def test_who_comes_meanwhile_waits_and_trains_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(once, "PAUSE", 0.01)
    begun, go, made, lines = Event(), Event(), [], []

    def slow(path: Path) -> None:
        begun.set()
        assert go.wait(10)
        path.write_bytes(b"weights")

    first = Thread(target=trained_once, args=(setting(tmp_path, "one"), "n.safetensors", slow))
    first.start()
    assert begun.wait(10)
    patient = setting(tmp_path, "other", lines=lines)
    second = Thread(target=trained_once, args=(patient, "n.safetensors", made.append))
    second.start()
    while not lines:
        second.join(0.01)
    go.set()
    first.join(10)
    second.join(10)
    assert made == []
    assert lines == ["another study is training n.safetensors; waiting for it"]
    assert [path.name for path in (tmp_path / "networks").iterdir()] == ["n.safetensors"]


def test_a_training_that_fails_lets_go(tmp_path):
    def fail(path: Path) -> None:
        raise ValueError(path.name)

    for _ in range(2):
        with pytest.raises(ValueError, match=r"n\.safetensors"):
            trained_once(setting(tmp_path, "one"), "n.safetensors", fail)
