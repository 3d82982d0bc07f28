"""A working copy: fetched within limits, put as it is written, gone with the block, and of one writer."""

import json
import os
import socket
import time

import pytest
from frail import Frail

from brittle.errors import InputError, OverLimit, RunError
from brittle.files import FOLLOWED, remove_file, told, write_atomically
from brittle.limits import use_limits
from brittle.remote import at, place, writer
from brittle.remote.writer import MARK
from brittle.runs.defence import ADAPTIVE, NAIVE
from brittle.runs.folder import REPORT
from brittle.runs.kinds import ATTACK, COMPARISON_FILE, INDEX, INDEX_TABLE, LEADERBOARD_FILE, RUN

RUN_AT = "memory://bucket/run"


def left(tmp_path):
    return [one.name for one in tmp_path.iterdir() if one.name.startswith("brittle-remote")]


def test_our_folders_are_known_by_the_files_that_all_else_knows_them_by():
    assert {RUN, COMPARISON_FILE, LEADERBOARD_FILE, ATTACK} == place.KNOWN_BY
    assert {INDEX, INDEX_TABLE, REPORT} == place.LISTED
    assert {NAIVE, ADAPTIVE} == place.PAIR


def test_a_path_is_itself(tmp_path):
    with at(tmp_path) as folder:
        assert folder.path == tmp_path


def test_each_file_is_put_at_once_and_removed_at_once(memory, tmp_path):
    with at(RUN_AT) as folder:
        write_atomically(folder.path / "parts" / "a" / "000000.parquet", b"rows")
        assert memory.cat("/bucket/run/parts/a/000000.parquet") == b"rows"
        write_atomically(folder.path / RUN, b"{}")
        write_atomically(folder.path / ".manifest.lock", b"")
        remove_file(folder.path / "parts" / "a" / "000000.parquet")
        assert told(folder.path / RUN) == f"{RUN_AT}/{RUN}"
    assert memory.find("/bucket") == ["/bucket/run/manifest.json"]
    assert not left(tmp_path)
    assert not [path for path in FOLLOWED if tmp_path in path.parents], "but those of other tests"


def test_files_of_a_local_file_system_are_moved_when_they_are_whole(tmp_path):
    (tmp_path / "there").mkdir()
    for address in (f"file://{tmp_path}/there/run", f"dir::file://{tmp_path}/there/other"):
        with at(address) as folder:
            write_atomically(folder.path / RUN, b"{}")
        with at(address, write=False) as folder:
            assert (folder.path / RUN).read_bytes() == b"{}"
    assert sorted(str(one.relative_to(tmp_path / "there")) for one in (tmp_path / "there").rglob("*.*")) == [
        "other/manifest.json",
        "run/manifest.json",
    ]


def test_what_a_killed_writer_left_half_written_goes(memory):
    memory.pipe(f"/bucket/run/{RUN}", b"{}")
    memory.pipe("/bucket/run/.0123456789abcdef.unfinished", b"half")
    with at(RUN_AT):
        pass
    assert memory.find("/bucket") == ["/bucket/run/manifest.json"]


def test_copies_of_killed_processes_go_and_those_of_others_stay(tmp_path):
    dead, fresh = (tmp_path / f"brittle-remote-{name}" for name in ("dead", "fresh"))
    for one in (dead, fresh):
        (one / "run").mkdir(parents=True)
    with at(RUN_AT) as held:
        for one in (dead, held.path.parents[1]):
            os.utime(one, (0, 0))
        with at("memory://bucket/other"):
            pass
        assert (dead.exists(), fresh.exists(), held.path.exists()) == (False, True, True)


def test_errors_name_the_address(tmp_path):
    def fail():
        with at(RUN_AT) as folder:
            raise RunError(f"{folder.path / RUN} is damaged")

    with pytest.raises(RunError, match=rf"^{RUN_AT}/{RUN} is damaged$"):
        fail()
    assert not left(tmp_path)


def test_files_beyond_the_limits_are_not_fetched(tmp_path):
    Frail().pipe(f"/run/{RUN}", b"x" * 100)
    with (
        use_limits(text=99),
        pytest.raises(OverLimit, match=rf"^frail://run/{RUN} would take 100 bytes"),
        at("frail://run"),
    ):
        pass
    assert not Frail.fetched
    assert not left(tmp_path)


def test_more_than_the_disk_takes_is_not_fetched(monkeypatch):
    Frail().pipe(f"/run/{RUN}", b"x" * 100)
    monkeypatch.setattr(place, "ROOM", 0.0)
    with pytest.raises(InputError, match=r"^frail://run has 0\.0 GB, and the disk"), at("frail://run", write=False):
        pass
    assert not Frail.fetched


@pytest.mark.parametrize(("write", "message"), [(True, "holds other files"), (False, "is no run folder")])
def test_nothing_is_fetched_of_a_folder_of_somebody_elses(write, message):
    Frail().pipe("/run/photographs.tar", b"x")
    with pytest.raises(RunError, match=message), at("frail://run", write=write):
        pass
    assert not Frail.fetched
    assert Frail().find("/run") == ["/run/photographs.tar"]


def test_a_missing_folder_cannot_be_read():
    with (
        pytest.raises(RunError, match=r"^memory://nowhere/run is no run folder"),
        at("memory://nowhere/run", write=False),
    ):
        pass


def test_a_folder_has_a_name():
    with pytest.raises(InputError, match="names no folder; give one, such as memory:"), at("memory://"):
        pass


def test_a_second_writer_is_sent_to_merge():
    with at(RUN_AT), pytest.raises(RunError, match=r"one writer at a time; .*brittle merge$"), at(RUN_AT):
        pass


@pytest.mark.parametrize(
    ("mark", "seconds", "free"),
    [
        ({"host": socket.gethostname(), "pid": 2**22 + 1}, 0, True),
        ({"host": "another", "pid": 1}, 0, False),
        ({"host": "another", "pid": 1}, 61, True),
        ({"host": "another", "pid": "1"}, 0, True),
        ([], 0, True),
    ],
    ids=["dead here", "alive elsewhere", "quiet elsewhere", "damaged", "no mark"],
)
def test_the_mark_of_a_dead_writer_is_taken_over(memory, mark, seconds, free):
    mark = mark and {**mark, "seen": time.time() - seconds}
    memory.pipe(f"/bucket/run/{MARK}", json.dumps(mark).encode())
    if free:
        with at(RUN_AT):
            pass
        assert not memory.exists(f"/bucket/run/{MARK}")
    else:
        with pytest.raises(RunError, match="process 1 of another is writing"), at(RUN_AT):
            pass
        assert memory.exists(f"/bucket/run/{MARK}")


def test_who_was_taken_over_stops(memory, monkeypatch):
    monkeypatch.setattr(writer, "RENEW", 0.01)
    other = json.dumps({"host": "another", "pid": 1, "seen": time.time(), "token": "theirs"}).encode()

    def write_on():
        with at(RUN_AT) as folder:
            while True:  # ends with the error of the next renewal
                memory.pipe(f"/bucket/run/{MARK}", other)
                write_atomically(folder.path / RUN, b"{}")

    with pytest.raises(RunError, match="another process has begun to write to memory://bucket/run"):
        write_on()
    assert memory.cat(f"/bucket/run/{MARK}") == other
