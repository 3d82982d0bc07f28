"""The folder of adversarial images, file by file, and the pictures in it, worked out by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from brittle import InputError, RunError
from brittle.evaluation import saved_pictures
from brittle.evaluation.adversarial_images import BLOCK, ImageFolder, Saved
from brittle.evaluation.saved_pictures import (
    FRAMES,
    FileNames,
    file_names,
    read_picture,
    save_deformation,
    save_picture,
)
from brittle.identity.compare import fingerprint
from brittle.runs.checkpoint import sealed

IDENTITY, OTHER = json.dumps({"seed": 0}), json.dumps({"seed": 1})


def filled(path: Path, *blocks: list[str], identity: str = IDENTITY) -> ImageFolder:
    """A folder with a file of each name, block by block."""
    folder = ImageFolder(path, identity)
    for names in blocks:
        folder.announce(names, deformed=False)
        for name in names:
            (path / name).write_bytes(name.encode())
        folder.add([Saved(name, path / name, 3, 3, 4, 0.5, 0.1, 0.2, 0.0, True, False) for name in names])
    return folder


def listed(path: Path) -> list[str]:
    return sorted(one.name for one in path.iterdir())


def test_a_folder_goes_on_after_its_last_whole_block(tmp_path):
    made = filled(tmp_path, ["a.png", "b.png"], ["c.png"])
    assert (BLOCK, made.next) == (16, 32)
    again = ImageFolder.open(tmp_path, IDENTITY, force=False)
    assert (again.next, again.saved, again.announced) == (32, made.saved, [])
    assert [row.source for row in again.saved] == ["a.png", "b.png", "c.png"]
    assert [row.path for row in again.saved] == [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    written = json.loads((tmp_path / "attack.json").read_text())
    assert written["format"] == 1
    assert written["identity"] == {"seed": 0}
    assert written["id"] == fingerprint(IDENTITY)
    assert [[*block["files"]] for block in written["blocks"]] == [["a.png", "b.png"], ["c.png"]]
    assert ImageFolder.open(tmp_path / "nothing", IDENTITY, force=False).next == 0


@pytest.mark.parametrize("harm", ["changed", "gone", "link", "folder"])
@pytest.mark.parametrize(("name", "left"), [("a.png", 0), ("c.png", 16)])
def test_a_block_is_whole_while_its_files_are_the_ones_that_were_written(name, left, harm, tmp_path):
    filled(tmp_path, ["a.png", "b.png"], ["c.png"])
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    if harm == "changed":
        (tmp_path / name).write_bytes(content + b" ")
    if harm == "link":
        (tmp_path / "elsewhere").write_bytes(content)
        (tmp_path / name).symlink_to("elsewhere")
    if harm == "folder":
        (tmp_path / name).mkdir()
    assert ImageFolder.open(tmp_path, IDENTITY, force=False).next == left


def test_images_of_another_call_stay_or_are_replaced_with_what_was_announced(tmp_path):
    filled(tmp_path, ["a.png"]).announce(["late.png"], deformed=False)
    (tmp_path / "late.png").write_bytes(b"half")
    (tmp_path / "mine.txt").write_bytes(b"mine")
    with pytest.raises(RunError, match=r"images of another attack.*what differs: seed.*or --force to replace them"):
        ImageFolder.open(tmp_path, OTHER, force=False)
    assert listed(tmp_path) == ["a.png", "attack.json", "late.png", "mine.txt"]
    folder = ImageFolder.open(tmp_path, OTHER, force=True)
    assert (folder.next, folder.blocks, folder.announced) == (0, [], [])
    assert listed(tmp_path) == ["attack.json", "mine.txt"]


def test_no_name_in_the_list_leads_out_of_the_folder(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "mine.png").write_bytes(b"mine")
    filled(tmp_path / "out", ["a.png"])
    words = json.loads((tmp_path / "out" / "attack.json").read_text())
    digest = next(iter(words["blocks"][0]["files"].values()))
    (tmp_path / "mine.png").write_bytes(b"a.png")
    words["blocks"][0]["files"] = {"../mine.png": digest}
    words["announced"] = ["../mine.png"]
    (tmp_path / "out" / "attack.json").write_text(json.dumps(sealed(words)))
    assert ImageFolder.open(tmp_path / "out", IDENTITY, force=False).next == 0
    ImageFolder.open(tmp_path / "out", OTHER, force=True)
    assert (tmp_path / "mine.png").exists()


def test_a_list_that_was_harmed_is_refused(tmp_path):
    filled(tmp_path, ["a.png"])
    words = (tmp_path / "attack.json").read_text()
    (tmp_path / "attack.json").write_text(words.replace("0.5", "0.6"))
    for force in (False, True):
        with pytest.raises(RunError, match="is damaged: its checksum"):
            ImageFolder.open(tmp_path, IDENTITY, force=force)


def test_a_name_that_is_no_text_comes_back(tmp_path):
    odd = "\udcff.png"
    folder = ImageFolder(tmp_path, IDENTITY)
    folder.announce([], deformed=False)
    folder.add([Saved(odd, None, 3, 3, 3, 0.5, 0.0, 0.0, None, False, True)])
    (row,) = ImageFolder.open(tmp_path, IDENTITY, force=False).saved
    assert (row.source, row.path, row.already) == (odd, None, True)


@pytest.mark.parametrize(("deformed", "files"), [(False, 1), (True, 4)])
def test_all_files_of_an_image_are_announced_before_they_are_written(deformed, files, tmp_path):
    ImageFolder(tmp_path, IDENTITY).announce(["00000-a.png"], deformed=deformed)
    announced = json.loads((tmp_path / "attack.json").read_text())["announced"]
    assert announced == [f"00000-a{end}" for end in (".png", ".vectors.png", ".moving.png", ".safetensors")][:files]
    assert ImageFolder.open(tmp_path, IDENTITY, force=False).announced == announced


@pytest.mark.parametrize(
    ("index", "label", "after", "original", "changed"),
    [
        (3, "panda", "gibbon", "0003-panda.png", "0003-panda-gibbon.png"),
        (12345, "a/b ..", "", "12345-a-b-...png", "12345-a-b-..-class.png"),
        (0, "x" * 99, "y", f"0000-{'x' * 40}.png", f"0000-{'x' * 40}-y.png"),
    ],
)
def test_names_of_files(index, label, after, original, changed):
    assert file_names(index, label, after) == FileNames(original, changed)


def test_originals_are_announced_without_endings_of_deformations(tmp_path):
    folder = ImageFolder(tmp_path, IDENTITY)
    folder.announce(["0000-a-b.png"], deformed=True, beside=["0000-a.png"])
    assert folder.announced[-1] == "0000-a.png"
    assert len(folder.announced) == 5


def test_a_list_of_an_older_version_has_no_originals(tmp_path):
    filled(tmp_path, ["a.png"])
    words = json.loads((tmp_path / "attack.json").read_text())
    del words["blocks"][0]["images"][0]["original"], words["checksum"]
    (tmp_path / "attack.json").write_text(json.dumps(sealed(words)))
    (row,) = ImageFolder.open(tmp_path, IDENTITY, force=False).saved
    assert (row.path, row.original) == (tmp_path / "a.png", None)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_read_back_as_it_was_saved(channels, tmp_path):
    image = torch.arange(channels * 2 * 3).reshape(channels, 2, 3) * 14.0 / 255
    save_picture(image, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "L" if channels == 1 else "RGB", (3, 2))
    back = read_picture(tmp_path / "a.png", image.double())
    assert back.dtype == torch.float64
    torch.testing.assert_close(back, image.double())


@pytest.mark.parametrize("channels", [2, 4])
def test_an_image_of_other_channels_is_no_picture(channels, tmp_path):
    with pytest.raises(InputError, match=f"an image of {channels} channels is no PNG; expected 1 or 3"):
        save_picture(torch.zeros(channels, 2, 2), tmp_path / "a.png")


def test_a_deformation_is_shown_from_the_original_to_the_deformed_image(tmp_path, monkeypatch):
    shown, moving = [], []
    sheet, animate = saved_pictures.sheet, saved_pictures.animate
    monkeypatch.setattr(saved_pictures, "sheet", lambda *given: (shown.append(given), sheet(*given))[1])
    monkeypatch.setattr(saved_pictures, "animate", lambda *given: (moving.append(given), animate(*given))[1])
    clean = torch.zeros(1, 4, 6)
    clean[:, :, 2] = 1
    field = torch.stack([torch.full((4, 6), 1.0), torch.zeros(4, 6)])
    for vectors in (field, field.flip(0)):
        bent = saved_pictures.warp(clean[None], vectors[None])[0]
        save_deformation(clean, bent, vectors, tmp_path / "a.png")
        original, deformed, arrows = shown[-1]
        assert np.array_equal(original, clean.numpy())
        assert np.array_equal(deformed, bent.numpy())
        assert np.array_equal(arrows, vectors.numpy())
        frames, path = moving[-1]
        assert (len(frames), path) == (FRAMES, tmp_path / "a.moving.png")
        assert np.array_equal(frames[0], clean.numpy())
        assert frames[-1] == pytest.approx(bent.numpy())
        half = saved_pictures.warp(clean[None], vectors[None] / 2)[0].numpy()
        assert frames[FRAMES // 2] == pytest.approx(half)
        assert torch.equal(load_file(tmp_path / "a.safetensors")["field"], vectors)
    assert FRAMES == 13
    assert listed(tmp_path) == ["a.moving.png", "a.safetensors", "a.vectors.png"]


@pytest.mark.parametrize("identity", [IDENTITY, OTHER])
def test_a_list_that_names_no_file_is_of_an_attack_that_made_none(identity, tmp_path):
    (tmp_path / "attack.json").write_text(json.dumps(sealed({"format": 1, "identity": json.loads(IDENTITY)})))
    folder = ImageFolder.open(tmp_path, identity, force=True)
    assert (folder.next, folder.announced, folder.saved) == (0, [], [])
