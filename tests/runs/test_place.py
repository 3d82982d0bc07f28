"""The rule of outputs: what may be written over, and what lies beside a file."""

import io
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from brittle import Lp, RunError
from brittle.files import write_atomically
from brittle.runs import kinds
from brittle.runs.place import FilePlace, beside, check_folder, files_named
from brittle.universal.perturbation import Perturbation


def perturbation(path: Path) -> Path:
    Perturbation(torch.full((1, 2, 2), 0.1), Lp("inf", 0.1)).save(path)
    return path


def test_names_with_dots_share_nothing():
    names = ("v-0.1", "v-0.2", "a.safetensors", "a.b.safetensors", "a.b", "v.1.png", "x.training.json", ".png")
    stems = [beside(Path("folder") / name, "").name for name in names]
    assert stems == ["v-0.1", "v-0.2", "a", "a.b", "a.b", "v.1", "x", ".png"]
    assert beside(Path("v-0.1"), ".rows.parquet") == Path("v-0.1.rows.parquet")


def fifo(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    perturbation(path.parent / "target")
    path.symlink_to("target")


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (fifo, "device, a pipe or a socket"),
        (link, "is a link to target"),
        (dangling, "is a link to nowhere"),
        (Path.mkdir, "is a folder; give the name of a file"),
        (lambda path: path.write_text("a thesis"), "exists and is not a perturbation"),
    ],
)
def test_what_is_none_of_ours_stays_whatever_is_asked(tmp_path, make, said):
    out = tmp_path / "v"
    make(out)
    before = sorted((path.name, path.lstat().st_mode, path.lstat().st_size) for path in tmp_path.iterdir())
    for force in (False, True):
        with pytest.raises(RunError, match=said):
            FilePlace(out, kinds.PERTURBATION, force=force).check()
    assert sorted((path.name, path.lstat().st_mode, path.lstat().st_size) for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("make", [fifo, link, Path.mkdir])
def test_no_writer_of_ours_replaces_what_is_no_regular_file(tmp_path, make):
    make(tmp_path / "v")
    with pytest.raises(RunError, match=r"is a folder|is a link|device, a pipe"):
        write_atomically(tmp_path / "v", b"new")
    assert not (tmp_path / "v").is_file() or (tmp_path / "v").is_symlink()


def test_a_side_that_is_none_of_ours_stays_too(tmp_path):
    (tmp_path / "v.html").write_text("<html>my own page</html>")
    place = FilePlace(tmp_path / "v.safetensors", kinds.PERTURBATION, {".html": kinds.PAGE}, force=True)
    with pytest.raises(RunError, match=r"v\.html exists and is not a page of brittle"):
        place.check()


def test_a_file_that_is_read_is_not_written_under_any_name(tmp_path):
    given = perturbation(tmp_path / "v.safetensors")
    os.link(given, tmp_path / "same.safetensors")
    for out in (given, tmp_path / "same.safetensors"):
        with pytest.raises(RunError, match="is being read by this very command"):
            FilePlace(out, kinds.PERTURBATION, inputs=[given], force=True).check()


def test_what_a_user_named_is_found_among_other_words(tmp_path):
    (tmp_path / "net.py").write_text("")
    assert files_named(f"{tmp_path}/net.py:make", "digits", None, object()) == [tmp_path / "net.py"]


def test_ours_are_known_by_their_content(tmp_path):
    found = perturbation(tmp_path / "v")
    assert kinds.PERTURBATION.ours(found)
    for other in (kinds.WEIGHTS, kinds.CHECKPOINT, kinds.ROWS, kinds.COURSE, kinds.PAGE):
        assert not other.ours(found), other.name


def test_a_folder_of_something_else_stays(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    for kind in (kinds.RUN_FOLDER, kinds.IMAGES, kinds.STUDY):
        with pytest.raises(RunError, match=r"holds other files \(thesis.tex\)"):
            check_folder(tmp_path, kind)
        check_folder(tmp_path / "new", kind)
    with pytest.raises(RunError, match="is no folder"):
        check_folder(tmp_path / "thesis.tex", kinds.IMAGES)


def test_rows_are_recognised_under_a_name_that_is_no_text(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.rows.parquet")
    written = io.BytesIO()
    pq.write_table(pa.table({"index": [0]}).replace_schema_metadata({"brittle.id": "an id"}), written)
    path.write_bytes(written.getvalue())
    assert kinds.rows_of(path) == "an id"
    assert kinds.rows_of(tmp_path / "nothing") is None
