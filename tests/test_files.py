import errno
import os
from pathlib import Path

import pytest

from brittle.errors import RunError
from brittle.files import write_atomically


def test_a_file_is_replaced_whole(tmp_path):
    write_atomically(tmp_path / "folder" / "file", b"first")
    write_atomically(tmp_path / "folder" / "file", b"second")
    assert (tmp_path / "folder" / "file").read_bytes() == b"second"
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["file"]
    assert (tmp_path / "folder" / "file").stat().st_mode & 0o044


@pytest.mark.parametrize(("place", "call"), [(os, "fsync"), (Path, "replace")])
def test_a_full_disk_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch, place, call):
    write_atomically(tmp_path / "file", b"first")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(place, call, full)
    with pytest.raises(RunError, match="the disk is full"):
        write_atomically(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"first"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(RunError, match="give a folder you may write to"):
        write_atomically(tmp_path / "taken" / "file", b"")
