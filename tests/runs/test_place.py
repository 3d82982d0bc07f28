"""The rule of outputs: what may be written over, and what lies beside a file."""

import os
from pathlib import Path

import pytest
import torch

from brittle import Lp, RunError
from brittle.files import write_atomically
from brittle.runs import kinds
from brittle.runs.place import OLD_ENDING, beside, check_folder, check_page, files_named, folder_of
from brittle.universal_attacks.perturbation import Perturbation


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
        (lambda path: path.write_text("a thesis"), "exists and is not a page"),
    ],
)
def test_what_is_none_of_ours_stays_whatever_is_asked(tmp_path, make, said):
    out = tmp_path / "v"
    make(out)
    before = sorted((path.name, path.lstat().st_mode, path.lstat().st_size) for path in tmp_path.iterdir())
    for force in (False, True):
        with pytest.raises(RunError, match=said):
            check_page(out, kinds.PAGE, asked=True, force=force)
    assert sorted((path.name, path.lstat().st_mode, path.lstat().st_size) for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("make", [fifo, link, Path.mkdir])
def test_no_writer_of_ours_replaces_what_is_no_regular_file(tmp_path, make):
    make(tmp_path / "v")
    with pytest.raises(RunError, match=r"is a folder|is a link|device, a pipe"):
        write_atomically(tmp_path / "v", b"new")
    assert not (tmp_path / "v").is_file() or (tmp_path / "v").is_symlink()


def test_a_file_that_is_read_is_not_written_under_any_name(tmp_path):
    given = perturbation(tmp_path / "images")
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    os.link(given, tmp_path / "out" / "rows.parquet")
    for out in (tmp_path / "out", tmp_path / "link"):
        with pytest.raises(RunError, match=r"rows.parquet is being read by this very command"):
            check_folder(out, kinds.UNIVERSAL, inputs=[given])
    with pytest.raises(RunError, match="is being read by this very command"):
        check_folder(tmp_path / "out", kinds.TRAINING, inputs=[tmp_path / "link"])


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ("v.safetensors", "v"),
        ("a/v-0.1.safetensors", "a/v-0.1"),
        *((name, name) for name in ("v", "v-0.1", OLD_ENDING)),
    ],
)
def test_a_name_of_yesterday_is_that_of_a_folder_and_it_is_said_where(given, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found, note = folder_of(given)
    assert found == Path(folder)
    assert (f"it lies in {folder}, not in the file {given}" in note) == (given != folder)


def test_a_file_of_yesterday_stays_and_is_not_taken_for_what_is_made_now(tmp_path):
    perturbation(tmp_path / "v.safetensors")
    with pytest.raises(RunError, match=r"is a file, such as earlier versions wrote, and stays as it is"):
        folder_of(tmp_path / "v.safetensors")
    (tmp_path / "w.safetensors").mkdir()
    assert folder_of(tmp_path / "w.safetensors") == (tmp_path / "w.safetensors", "")


def test_what_a_user_named_is_found_among_other_words(tmp_path):
    (tmp_path / "net.py").write_text("")
    assert files_named(f"{tmp_path}/net.py:make", "digits", None, object()) == [tmp_path / "net.py"]


def test_a_folder_of_something_else_stays(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    for kind in (kinds.RUN_FOLDER, kinds.UNIVERSAL, kinds.TRAINING, kinds.IMAGES, kinds.STUDY):
        with pytest.raises(RunError, match=r"holds other files \(thesis.tex\)"):
            check_folder(tmp_path, kind)
        check_folder(tmp_path / "new", kind)
    with pytest.raises(RunError, match="is no folder"):
        check_folder(tmp_path / "thesis.tex", kinds.IMAGES)
