"""The run folder: atomic, resumable, and sure of whose rows it holds."""

import errno
import fcntl
import json
import os
import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from forked import ending, kill

from brittle.errors import RunError
from brittle.runs.checkpoint import sealed
from brittle.runs.manifest import AttackInfo, BadImageInfo, DataInfo, Manifest, NetworkInfo, ThreatInfo
from brittle.runs.read import read_manifest
from brittle.runs.store import NUMBERS, REPORT, SCHEMA, RunFolder


def attack(key="pgd", **changes):
    fields = {"spec": "pgd", "name": "pgd", "settings": {"steps": 40}, "kind": "fixed", "norm": "linf", "radius": 0.1}
    return AttackInfo(key=key, **(fields | changes))


def resealed(text):
    """A manifest that was changed, with the checksum of what it says now."""
    return json.dumps(sealed(json.loads(text)))


def manifest(**changes):
    fields = {
        "created": "2026-01-01T00:00:00+00:00",
        "command": ["brittle", "audit", "net.pt2"],
        "seed": 0,
        "device": "cpu",
        "machine": "x86_64, 2 cores",
        "batch": 4,
        "block": 2,
        "max_images": None,
        "network": NetworkInfo(spec="net.pt2", digest="a" * 64, parameters=5, input_shape=(1, 2, 2), bounds=(0.0, 1.0)),
        "data": DataInfo(spec="digits", digest="b" * 64, images=4, classes=["0", "1"], fit={"crop": "center"}),
        "threat": ThreatInfo(norm="linf", radius=0.1),
        "attacks": [attack(), attack("deepfool", kind="minimum", radius=None)],
        "versions": {"brittle": "0.1.0", "python": "3.11.2", "torch": "2.13.0"},
    }
    return Manifest(**(fields | changes))


def rows(first=0, count=2):
    values = {
        "bool": True,
        "string": "digits/7",
        "binary": None,
        "int64": 1,
        "int32": 1,
        "float": 0.5,
        "double": 0.25,
    }
    columns = {field.name: [values[str(field.type)]] * count for field in SCHEMA}
    columns["index"] = list(range(first, first + count))
    return pa.table(columns, schema=SCHEMA)


def test_a_part_of_an_older_version_has_no_word_of_detectors(folder):
    """Its columns read as null, wherever they are asked for, and an unknown lack is still refused."""
    folder.write_part("pgd", 0, rows(2))
    path = folder.part_path("pgd", 0)
    whole = pq.read_table(path)
    older = whole.drop_columns(["refused", "clean_refused"])
    pq.write_table(older, path, write_page_checksum=True)
    assert folder.has_part("pgd", 0)
    table = folder.table("pgd")
    assert table["refused"].to_pylist() == table["clean_refused"].to_pylist() == [None, None]
    assert table["index"].to_pylist() == whole["index"].to_pylist()
    assert folder.part("pgd", 0, None).schema.names == SCHEMA.names
    assert folder.part("pgd", 0, ["refused", "index"]).to_pylist() == [
        {"refused": None, "index": index} for index in whole["index"].to_pylist()
    ]
    assert folder.part("pgd", 0, ["index"]).column_names == ["index"]
    pq.write_table(older.drop_columns(["success"]), path, write_page_checksum=True)
    assert not folder.has_part("pgd", 0)
    folder.write_part("pgd", 0, rows(2))


@pytest.fixture
def folder(tmp_path):
    with RunFolder.create(tmp_path / "deep" / "run", manifest()) as made:
        yield made


def test_a_part_comes_back_as_it_was_written(folder):
    assert not folder.has_part("pgd", 0)
    shuffled = rows().select(list(reversed(SCHEMA.names)))
    folder.write_part("pgd", 1, rows(2))
    folder.write_part("pgd", 0, shuffled)
    assert folder.has_part("pgd", 0)
    assert folder.blocks("pgd") == [0, 1]
    table = folder.table("pgd")
    assert table["index"].to_pylist() == [0, 1, 2, 3]
    assert table.column_names == list(NUMBERS)
    assert folder.table("pgd", None).schema.equals(SCHEMA)
    assert folder.table("pgd", ["size"]).column_names == ["size"]
    assert folder.table("deepfool").num_rows == 0
    assert list(folder.tables()) == ["pgd", "deepfool"]
    assert folder.part_path("pgd", 3) == folder.path / "parts" / "pgd" / "000003.parquet"


def test_the_rows_of_many_parts_lie_together(tmp_path, monkeypatch):
    monkeypatch.setattr("brittle.runs.store.TOGETHER", 2)
    data = manifest().data.model_copy(update={"images": 10})
    with RunFolder.create(tmp_path / "run", manifest(data=data)) as made:
        for block in range(5):
            made.write_part("pgd", block, rows(2 * block))
        table = made.table("pgd")
        assert table["index"].to_pylist() == list(range(10))
        assert {column.num_chunks for column in table.columns} == {1}


def test_whether_a_part_has_pictures_is_known_without_reading_them(folder):
    pictures = pa.array([None, b"x"], pa.binary())
    folder.write_part("pgd", 0, rows())
    folder.write_part("pgd", 1, rows(2).set_column(SCHEMA.get_field_index("field"), SCHEMA.field("field"), pictures))
    assert [folder.has_pictures("pgd", block) for block in (0, 1)] == [False, True]
    folder.part_path("pgd", 0).write_bytes(b"PAR1")
    assert folder.has_pictures("pgd", 0), "who reads it says what is wrong with it"


def test_reading_changes_nothing_and_needs_no_hold(folder):
    folder.write_part("pgd", 0, rows())
    before = sorted(folder.path.rglob("*"))
    assert RunFolder.open(folder.path).table("pgd").num_rows == 2
    assert sorted(folder.path.rglob("*")) == before


def test_rows_of_another_shape_are_refused(folder):
    with pytest.raises(RunError, match="do not have the columns"):
        folder.write_part("pgd", 0, rows().drop_columns(["size"]))
    with pytest.raises(RunError, match="no attack 'fgsm'"):
        folder.write_part("fgsm", 0, rows())


def test_finish_wants_every_part(folder):
    folder.write_part("pgd", 0, rows())
    with pytest.raises(RunError, match=r"not finished.*pgd/000001.parquet"):
        folder.finish()
    for key in ("pgd", "deepfool"):
        for block in (0, 1):
            folder.write_part(key, block, rows(2 * block))
    folder.note_bad([BadImageInfo(index=3, name="x.png", reason="truncated")])
    folder.finish()
    again = RunFolder.open(folder.path).manifest
    assert again.status == "finished"
    assert again.finished is not None
    assert again.data.bad[0].name == "x.png"
    assert again.identity == manifest().identity, "bad images and the end of the run do not make it another run"


def test_the_same_run_goes_on(folder):
    folder.write_part("pgd", 0, rows())
    folder.close()
    with RunFolder.create(folder.path, manifest(created="later", batch=1, command=["other"])) as again:
        assert again.has_part("pgd", 0)
        assert again.manifest.command == ["brittle", "audit", "net.pt2"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "seed: 0, now 1"),
        (
            {"network": manifest().network.model_copy(update={"digest": "c" * 64})},
            r"network: net.pt2 \(content aaaa.*cc",
        ),
        ({"data": manifest().data.model_copy(update={"images": 3})}, "data: digits .*4 images.*3 images"),
        ({"threat": ThreatInfo(norm="linf", radius=0.2)}, "norm and radius: .*0.1.*0.2"),
        ({"attacks": [attack(settings={"steps": 50}, spec="pgd:steps=50")]}, "attacks: pgd; pgd, now pgd:steps=50"),
        ({"device": "cuda:0"}, "device: cpu, now cuda"),
        ({"versions": {"brittle": "0.2.0", "torch": "2.13.0"}}, "versions: .*0.1.0.*0.2.0"),
    ],
)
def test_another_run_is_refused_and_the_difference_named(folder, changes, message):
    folder.write_part("pgd", 0, rows())
    folder.close()
    with pytest.raises(RunError, match=message) as caught:
        RunFolder.create(folder.path, manifest(**changes))
    assert len(str(caught.value).splitlines()) == 2, "only what differs is named"
    RunFolder.create(folder.path, manifest()).close()  # the refusal holds nothing


def test_a_run_of_which_nothing_was_finished_gives_way(folder):
    with pytest.raises(RunError, match="another run"):  # it is being worked on
        RunFolder.create(folder.path, manifest(seed=1))
    folder.close()
    RunFolder.create(folder.path, manifest(seed=1)).close()
    assert RunFolder.open(folder.path).manifest.seed == 1
    (folder.path / REPORT).touch()
    with pytest.raises(RunError, match="seed: 1, now 2"):
        RunFolder.create(folder.path, manifest(seed=2))


def test_several_work_at_the_same_run_and_the_manifest_holds_what_each_notes(folder):
    (folder.path / ".half.1.unfinished").touch()
    with RunFolder.create(folder.path, manifest()) as other:
        assert (folder.path / ".half.1.unfinished").exists(), "it may be being written"
        other.note("first")
        folder.note("second")
        other.note_bad([BadImageInfo(index=3, name="c", reason="cut")])
        folder.note_bad([BadImageInfo(index=1, name="a", reason="cut")])
    found = RunFolder.open(folder.path).manifest
    assert (found.notes, [one.index for one in found.data.bad]) == (["first", "second"], [1, 3])
    folder.close()
    folder.close()
    RunFolder.create(folder.path, manifest()).close()
    assert not (folder.path / ".half.1.unfinished").exists()


def test_a_run_begins_on_a_file_system_without_locks(tmp_path, monkeypatch):
    def refuse(handle, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with RunFolder.create(tmp_path, manifest()) as folder:
        folder.note("here")
    assert RunFolder.open(tmp_path).manifest.notes == ["here"]


def test_a_folder_in_which_another_process_works_is_not_cleared(folder):
    with pytest.raises(RunError, match="another process is writing"):
        RunFolder.create(folder.path, manifest(seed=1), force=True)
    with pytest.raises(RunError, match="holds another run"):
        RunFolder.create(folder.path, manifest(seed=1))
    RunFolder.create(folder.path, manifest(), force=True).close()
    folder.close()
    RunFolder.create(folder.path, manifest(seed=1), force=True).close()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match=r"holds other files \(thesis.tex\)"):
        RunFolder.create(tmp_path, manifest())
    with pytest.raises(RunError, match="is no run folder"):
        RunFolder.open(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match=r"cannot be written.*give a folder"):
        RunFolder.create(tmp_path / "file" / "run", manifest())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_and_nothing_half_written_stays(folder, monkeypatch, number):
    folder.write_part("pgd", 0, rows())

    def full(handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"disk is full: .*000001.parquet .*\([\d,.]+ MB left\)"):
        folder.write_part("pgd", 1, rows(2))
    assert [path.name for path in folder.part_path("pgd", 0).parent.iterdir()] == ["000000.parquet"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_really_full_device_is_told(folder, monkeypatch):
    true_open = Path.open
    monkeypatch.setattr(Path, "open", lambda self, mode: true_open(Path("/dev/full"), mode))
    with pytest.raises(RunError, match="disk is full"):
        folder.write_part("pgd", 1, rows(2))


def damage_end(path):
    path.write_bytes(path.read_bytes()[:-200])


def damage_middle(path):
    content = bytearray(path.read_bytes())
    content[40] ^= 0xFF
    path.write_bytes(bytes(content))


def damage_all(path):
    path.write_text("<html>404</html>")


def foreign_columns(path):
    pq.write_table(pa.table({"a": [1]}), path)


def foreign_run(path):
    pq.write_table(rows(), path)


@pytest.mark.parametrize("harm", [damage_end, damage_middle, damage_all, foreign_columns, foreign_run])
def test_a_harmed_part_is_seen_and_done_again(folder, harm):
    folder.write_part("pgd", 0, rows())
    path = folder.part_path("pgd", 0)
    harm(path)
    assert not folder.has_part("pgd", 0)
    with pytest.raises(RunError, match="run the audit again"):
        folder.table("pgd")
    folder.write_part("pgd", 0, rows())
    assert folder.has_part("pgd", 0)


def test_a_part_moved_to_another_attack_or_block_is_seen(folder):
    folder.write_part("pgd", 0, rows())
    content = folder.part_path("pgd", 0).read_bytes()
    for key, block in (("pgd", 1), ("deepfool", 0)):
        path = folder.part_path(key, block)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        assert not folder.has_part(key, block)


def test_kill_9_in_the_middle_of_a_part_loses_only_that_part(tmp_path):
    def dies():
        folder = RunFolder.create(tmp_path / "run", manifest())
        folder.write_part("pgd", 0, rows())
        os.fsync = kill  # in the copy alone
        folder.write_part("pgd", 1, rows(2))

    assert ending(dies) == -signal.SIGKILL
    half = list((tmp_path / "run").rglob("*.unfinished"))
    assert len(half) == 1
    with RunFolder.create(tmp_path / "run", manifest()) as folder:
        assert folder.has_part("pgd", 0)
        assert not folder.has_part("pgd", 1)
        assert not half[0].exists()


def test_a_run_killed_before_its_manifest_starts_anew(tmp_path):
    (tmp_path / ".manifest.json.17.unfinished").write_text("{")
    with RunFolder.create(tmp_path, manifest()):
        assert [entry.name for entry in tmp_path.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text[: len(text) // 2], "cannot be read"),
        (lambda text: text.replace('"seed": 0', '"seed": 7'), "its checksum is not that of its content"),
        (lambda text: resealed(text.replace('"seed": 0', '"seed": 7')), "does not fit its other fields"),
        (lambda text: text.replace('"format": 2', '"format": 3'), "format: Input should be 1 or 2"),
        (lambda text: resealed(text.replace('"seed": 0', '"seed": "0"')), "seed: Input should be a valid integer"),
        (lambda text: resealed(text.replace('"batch"', '"batches"')), "batch: Field required"),
        (lambda text: resealed(text.replace('"key": "pgd"', '"key": "../pgd"')), "attacks.0.key"),
    ],
)
def test_a_manifest_changed_by_hand_is_refused(folder, edit, message):
    path = folder.path / "manifest.json"
    path.write_text(edit(path.read_text()))
    with pytest.raises(RunError, match=message):
        RunFolder.open(folder.path)


def test_an_unreadable_manifest_is_refused(folder):
    (folder.path / "manifest.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match="cannot be read"):
        RunFolder.open(folder.path)


def test_settings_that_json_cannot_say_are_kept_as_text(folder):
    endless = attack(settings={"radius": float("inf"), "radii": (1.0, float("nan")), "deep": {"low": -float("inf")}})
    kept = manifest(attacks=[endless])
    text = kept.to_json()
    assert json.loads(text)["attacks"][0]["settings"] == {
        "radius": "inf",
        "radii": [1.0, "nan"],
        "deep": {"low": "-inf"},
    }
    path = folder.path / "manifest.json"
    path.write_text(text)
    assert read_manifest(path) == kept


def test_two_attacks_need_two_keys():
    with pytest.raises(ValueError, match="not all different"):
        manifest(attacks=[attack(), attack()])


def test_number_of_parts():
    assert manifest().blocks == 2
    assert manifest(block=3).blocks == 2
    assert manifest(block=4).blocks == 1
