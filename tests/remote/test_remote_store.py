"""What a file system of fsspec does wrong comes out as one sentence, and nothing leads out of the folder."""

import fsspec
import pytest
from frail import Frail

from brittle.errors import InputError, MissingExtra, RunError
from brittle.remote import asking
from brittle.remote.store import Store, safe
from brittle.remote.writer import MARK


def test_the_package_of_a_protocol_is_named():
    fsspec.register_implementation("s3", "nowhere.s3fs.S3FileSystem", clobber=True, errtxt="Install s3fs")
    with pytest.raises(InputError, match=r"^s3:// needs s3fs: pip install s3fs$"):
        Store.of("s3://bucket/run")


def test_fsspec_itself_may_be_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(MissingExtra, match=r"pip install 'brittle\[remote\]'"):
        Store.of("memory://run")


@pytest.mark.parametrize(
    "address", ["file://work/run", "dir::file://work/run", "local://work/run", "File://localhost/work/run"]
)
def test_two_strokes_before_a_path_of_this_machine_are_told(address):
    with pytest.raises(InputError, match=r"where a machine would stand; expected (file|local):///work/run, with three"):
        Store.of(address)


def test_capitals_of_a_protocol_count_for_nothing(tmp_path):
    (tmp_path / "Some").mkdir()
    (tmp_path / "Some" / "words.txt").write_text("some")
    assert [one.name for one in Store.of(f"File://{tmp_path}/Some").children()[0]] == ["words.txt"]


def test_a_server_that_does_not_answer_is_no_bad_address(monkeypatch):
    def refused(address):
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("fsspec.core.url_to_fs", refused)
    with pytest.raises(RunError, match=r"^ftp://host/run cannot be opened: its server does not answer \(Connection"):
        Store.of("ftp://me:word@host/run")


def test_an_unknown_protocol_is_refused():
    with pytest.raises(InputError, match=r"^ipfs3://a is not an address that fsspec can open"):
        Store.of("ipfs3://a")


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\\b", "\0", ".hidden", "x" * 201, MARK])
def test_names_that_would_leave_the_folder_or_are_hidden_are_none(name):
    assert not safe(name)


def test_what_a_server_lists_leads_nowhere_else(tmp_path):
    store = Store.of("frail://run")
    store.system.pipe("/run/manifest.json", b"{}")
    Frail.listed = [
        {"name": name, "size": 3, "type": "file"}
        for name in ("/run/..", "/etc/passwd/../..", "/run/.ssh", "/run/a\\..\\b", "/run")
    ]
    assert [one.name for one in store.walk(100)] == ["manifest.json"]


def test_too_many_files_are_refused(memory):
    for number in range(4):
        memory.pipe(f"/many/{number}", b"")
    with pytest.raises(InputError, match=r"^memory://many holds more than 3 files"):
        list(Store.of("memory://many").walk(3))


def test_what_fails_is_tried_again_and_nothing_half_written_is_seen(tmp_path):
    (tmp_path / "note").write_bytes(b"whole")
    store, Frail.errors = Store.of("frail://run"), [TimeoutError("slow"), OSError("reset")]
    store.put(tmp_path / "note", "note")
    assert store.system.find("/run") == ["/run/note"]
    assert store.system.cat("/run/note") == b"whole"
    assert not Frail.errors


def test_what_takes_long_by_itself_is_not_tried_again(monkeypatch, tmp_path):
    monkeypatch.setattr(asking, "PATIENCE", -1.0)
    (tmp_path / "note").write_bytes(b"whole")
    store, Frail.errors = Store.of("frail://run"), [TimeoutError("slow")] * 2
    with pytest.raises(RunError, match="the same command goes on"):
        store.put(tmp_path / "note", "note")
    assert len(Frail.errors) == 1


@pytest.mark.parametrize(
    ("error", "left", "message"),
    [
        (TimeoutError("slow"), 0, "what lies there is whole, and the same command goes on"),
        (PermissionError("Access Denied"), 2, "access is denied"),
        (FileNotFoundError("NoSuchBucket"), 2, "nothing is there"),
        (type("NoCredentialsError", (Exception,), {})("none"), 2, "access is denied"),
    ],
    ids=["network", "denied", "no bucket", "no credentials"],
)
def test_what_another_try_does_not_mend_is_told_at_once(tmp_path, error, left, message):
    (tmp_path / "note").write_bytes(b"whole")
    store, Frail.errors = Store.of("frail://me:secret@run"), [error] * 3
    with pytest.raises(RunError, match=message) as raised:
        store.put(tmp_path / "note", "note")
    assert len(Frail.errors) == left
    assert "secret" not in str(raised.value)
    assert not [name for name in store.system.find("") if name.endswith("note") or "unfinished" in name]


def test_many_files_are_fetched_and_counted(tmp_path):
    store = Store.of("frail://run")
    for number in range(40):
        store.system.pipe(f"/run/{number % 4}/{number}", bytes(number))
    told = []
    store.get_all(list(store.walk(100)), tmp_path, told.append)
    assert sorted(told)[-1] == told[-1] == sum(range(40))
    assert all((tmp_path / f"{number % 4}" / f"{number}").read_bytes() == bytes(number) for number in range(40))


def test_a_file_of_another_size_than_was_said_is_not_kept(tmp_path):
    store = Store.of("frail://run")
    store.system.pipe("/run/note", b"whole")
    (entry,) = store.children()[0]
    store.system.pipe("/run/note", b"more than that")
    with pytest.raises(RunError, match="changed while note was fetched"):
        store.get_all([entry], tmp_path)
    assert not (tmp_path / "note").exists()
