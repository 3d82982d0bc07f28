"""The door to files that somebody else made."""

import io
import os
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from brittle.data import open_source
from brittle.errors import BadImage, BrittleError, DataError, ModelError, OverLimit, RunError
from brittle.limits import use_limits
from brittle.models import open_network
from brittle.models.archive import check_records
from brittle.models.class_names import names_of
from brittle.models.weights import load_weights
from brittle.reading import open_ordinary, open_tensors, open_zip, parse_json, read_bytes, read_json, read_member
from brittle.universal_attacks.perturbation import Perturbation


@pytest.fixture(params=["pipe", "device", "folder", "link to a pipe"])
def special(request: pytest.FixtureRequest, tmp_path: Path):
    """Makes what is no ordinary file under a name."""

    def make(name: str) -> Path:
        path = tmp_path / name
        if request.param == "folder":
            path.mkdir()
        elif request.param == "device":
            path.symlink_to("/dev/zero")
        elif request.param == "pipe":
            os.mkfifo(path)
        else:
            os.mkfifo(tmp_path / "pipe")
            path.symlink_to(tmp_path / "pipe")
        return path

    return make


READERS = {
    "a.png": (lambda path: next(open_source(str(path.parent)).blocks(1)), (BadImage, DataError)),
    "a.npz": (lambda path: open_source(str(path)), DataError),
    "a.parquet": (lambda path: open_source(str(path)), DataError),
    "v.safetensors": (Perturbation.load, RunError),
    "w.safetensors": (lambda path: load_weights(torch.nn.Linear(1, 1), path), ModelError),
    "n.pt2": (lambda path: open_network(str(path)), ModelError),
    "w.classes.json": (lambda path: names_of(path.with_name("w.safetensors")), ModelError),
}


@pytest.mark.parametrize("name", READERS)
def test_only_ordinary_files_are_opened(special, name: str):
    read, kind = READERS[name]
    with pytest.raises(kind):
        read(special(name))


def test_what_it_is_instead_is_said(special, tmp_path: Path):
    with pytest.raises(OSError, match=r"it is a (named pipe|device|folder), not an ordinary file"):
        open_ordinary(special("x"))
    (tmp_path / "y").write_bytes(b"abc")
    (tmp_path / "z").symlink_to(tmp_path / "y")
    assert read_bytes(tmp_path / "z") == b"abc"


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path):
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(10**12)  # takes no room on disk
    with pytest.raises(OverLimit, match="1,000,000,000,000 bytes"):
        read_bytes(tmp_path / "holes")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 101 + "]" * 101])
def test_json_that_is_nested_too_deep_is_refused(text: str):
    with pytest.raises(OverLimit, match="lists within lists"):
        parse_json(text)


def test_json_within_the_limits_is_read(tmp_path: Path):
    assert parse_json("[" * 100 + "]" * 100)
    assert parse_json(f'["{"[" * 1000}\\""]') == ["[" * 1000 + '"']
    with use_limits(depth=200):
        assert parse_json("[" * 150 + "]" * 150)
    with pytest.raises(ValueError, match="surrogates"):
        parse_json(r'["\ud800"]')
    with use_limits(text=9), pytest.raises(OverLimit, match="10 bytes, more than the limit of 9"):
        parse_json("[1,2,3,45]")
    (tmp_path / "a.json").write_text('{"a": "ä"}', encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {"a": "ä"}


def packed(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return made.getvalue()


def test_members_are_looked_at_before_they_are_inflated():
    content = packed(("weight", bytes(1_000_000)))
    assert len(content) < 2_000
    with open_zip(content, "x.pt2") as archive:
        assert len(read_member(archive, "weight", "record", "x.pt2")) == 1_000_000
        with use_limits(record=999_999), pytest.raises(OverLimit, match=r"'weight' of x\.pt2 would take 1,000,000"):
            read_member(archive, "weight", "record", "x.pt2")
        with use_limits(record=999_999), pytest.raises(OverLimit, match=r"the 1 records of x\.pt2"):
            check_records(archive, "x.pt2")


def test_archives_of_rare_compressions_are_refused():
    with (
        pytest.raises(zipfile.BadZipFile, match="compressed in a way"),
        open_zip(packed(("a", b"b"), method=zipfile.ZIP_BZIP2), "x"),
    ):
        pass


def test_a_header_longer_than_its_file_is_refused(tmp_path: Path):
    path = tmp_path / "w.safetensors"
    path.write_bytes((2**40).to_bytes(8, "little") + b"{}")
    with pytest.raises(ValueError, match="its header alone 1,099,511,627,776"), open_tensors(path):
        pass
    path.write_bytes(save({"a": torch.zeros(2)}, {"x": "y" * 500}))
    with use_limits(text=100), pytest.raises(OverLimit, match="the header of"), open_tensors(path):
        pass
    with use_limits(record=100), pytest.raises(BrittleError), open_tensors(path):
        pass
