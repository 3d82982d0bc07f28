"""An audit without a folder lies in one of its own, which is gone with what is returned, or with the error."""

import gc
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from brittle import InputError
from brittle.evaluation import audit as auditing
from brittle.evaluation.audit import audit
from brittle.evaluation.progress import NullProgress
from brittle.runs.store import RunFolder

GREY = torch.full((2, 1, 2, 2), 0.4), torch.zeros(2, dtype=torch.int64)


def dark(images: torch.Tensor) -> torch.Tensor:
    light = images.flatten(1).mean(1)
    return torch.stack([0.5 - light, light - 0.5], 1)


class Notes(NullProgress):
    """Keeps what it is told."""

    def __init__(self):
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def audited(**options: object) -> RunFolder:
    return audit(dark, GREY, attacks=["noise:draws=1"], eps=0.01, **options)


def test_it_lies_where_temporary_files_lie_and_says_so(tmp_path):
    watch = Notes()
    folder = audited(watch=watch)
    assert folder.path.parent == tmp_path
    assert folder.path.name.startswith("brittle-")
    assert watch.notes == [f"the run lies in {folder.path}, as long as what this returns is held"]
    assert (folder.path / "manifest.json").exists()
    other = audited()
    assert other.path != folder.path
    del folder
    gc.collect()
    assert [*tmp_path.iterdir()] == [other.path]


def test_a_folder_that_is_gone_already_is_no_error(monkeypatch):
    """What fails while an object is collected is told to the interpreter alone."""
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    folder = audited()
    shutil.rmtree(folder.path)
    del folder
    gc.collect()
    assert told == []


@pytest.mark.parametrize("gone", [False, True])
def test_an_error_leaves_nothing(gone, tmp_path, monkeypatch):
    def fails(_call: object, path: Path) -> None:
        (path / "half").write_text("of it")
        if gone:
            shutil.rmtree(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(auditing, "_audited", fails)
    with pytest.raises(KeyboardInterrupt):
        audited()
    assert not [*tmp_path.iterdir()]


def test_a_folder_of_ones_own_is_told_to_nobody_and_stays_after_an_error(tmp_path):
    watch = Notes()
    folder = audited(out=tmp_path / "run", watch=watch)
    assert (folder.path, watch.notes) == (tmp_path / "run", [])
    with pytest.raises(InputError, match="budget is 0"):
        audited(out=tmp_path / "run", budget=0)
    assert (tmp_path / "run" / "manifest.json").exists()
