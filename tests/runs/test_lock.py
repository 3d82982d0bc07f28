"""One writer at a place, and nothing left of a killed one."""

import os
import subprocess
import sys
import threading
import time

import pytest

from brittle import RunError
from brittle.runs import lock
from brittle.runs.lock import folder_held, folder_joined, join_folder, names_held, share_folder, sweep


def test_a_second_writer_is_refused_and_nothing_stays(tmp_path):
    with names_held(tmp_path, "v", ["v"]):
        with (
            pytest.raises(RunError, match=r"another process is writing to .*/v; wait for it"),
            names_held(tmp_path, "v", ["v"]),
        ):
            pass
        with names_held(tmp_path, "w", ["w"]):
            pass
    with names_held(tmp_path, "v", ["v"]):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_of_a_folder_is_refused(tmp_path):
    with folder_held(tmp_path), pytest.raises(RunError, match="another process is writing"), folder_held(tmp_path):
        pass
    with folder_held(tmp_path):
        pass


def test_several_work_in_a_folder_that_nobody_holds_alone(tmp_path):
    left = tmp_path / "new" / ".half.1.unfinished"
    with folder_joined(tmp_path / "new"):
        left.touch()
        with folder_joined(tmp_path / "new"):
            assert left.exists(), "only who is alone clears away"
        with pytest.raises(RunError, match="another process is writing"), folder_held(tmp_path / "new"):
            pass
    with folder_joined(tmp_path / "new"):
        assert not left.exists()


def test_who_joins_waits_for_a_moment_and_not_for_ever(tmp_path, monkeypatch):
    handle, alone = join_folder(tmp_path)
    assert alone
    monkeypatch.setattr(lock, "PATIENCE", 2)
    with pytest.raises(RunError, match="another process is writing"):
        join_folder(tmp_path)
    threading.Timer(0.2, share_folder, [handle]).start()
    monkeypatch.setattr(lock, "PATIENCE", 60)
    other, alone = join_folder(tmp_path)
    assert not alone
    os.close(handle)
    os.close(other)


def test_many_at_once_are_one_at_a_time(tmp_path):
    """The lock file vanishes with the lock, so that a file may be locked that no longer lies there."""
    inside, most, done = [], [], []

    def work():
        for _ in range(40):
            try:
                with names_held(tmp_path, "v", []):
                    inside.append(1)
                    most.append(len(inside))
                    time.sleep(0)
                    inside.pop()
                    done.append(1)
            except RunError:
                time.sleep(0.001)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(done) > 10
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_goes_at_the_next_start(tmp_path):
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom brittle.files import unfinished_beside\n"
        "from brittle.runs.lock import names_held\n"
        "with names_held(Path(sys.argv[1]), 'v', ['v']):\n"
        "    unfinished_beside(Path(sys.argv[1], 'v')).write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -9
    assert len(list(tmp_path.iterdir())) == 2
    with names_held(tmp_path, "v", ["v"]):
        assert [path.name for path in tmp_path.iterdir()] == [".v.lock"]
    assert list(tmp_path.iterdir()) == []


def test_what_others_left_goes_when_they_are_dead_and_it_is_old(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = tmp_path / f".other.{ended.pid}.unfinished"
    alive, fresh = tmp_path / f".other.{os.getpid()}.unfinished", tmp_path / f".fresh.{ended.pid}.unfinished"
    lock, mine = tmp_path / ".gone.lock", tmp_path / "other.unfinished"
    for path in (dead, alive, fresh, lock, mine):
        path.touch()
    for path in (dead, alive, lock, mine):
        os.utime(path, (0, 0))
    with names_held(tmp_path, "held", []):
        os.utime(tmp_path / ".held.lock", (0, 0))
        sweep(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {alive.name, fresh.name, mine.name, ".held.lock"}
