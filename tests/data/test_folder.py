import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from brittle.data import Fit, Folder, open_source
from brittle.data.folder import without_labels
from brittle.errors import BadImage, DataError


def truth(source: Folder) -> dict[str, int]:
    return {
        name: label
        for block in source.blocks(2)
        for name, label in zip(block.names, block.labels.tolist(), strict=True)
    }


def test_class_folders(pets: Path):
    source = open_source(str(pets))
    assert source.classes == ("cat", "dog")
    assert source.labelled
    assert len(source) == 5
    assert truth(source) == {"cat/10.png": 0, "cat/20.png": 0, "cat/30.png": 0, "dog/110.png": 1, "dog/120.png": 1}
    (block,) = source.blocks(5)
    levels = [int(name.split("/")[1].removesuffix(".png")) for name in block.names]
    assert torch.equal((block.images[:, 0, 0, 0] * 255).round(), torch.tensor(levels).float())
    assert block.images.shape == (5, 3, 5, 6)


def test_a_limit_sees_every_class(pets: Path):
    (block,) = Folder(pets, max_images=2).blocks(5)
    assert sorted(block.labels.tolist()) == [0, 1]


def test_what_is_no_image_is_passed_over_and_counted_and_folders_nest(pets: Path):
    (pets / "cat" / "notes.txt").write_text("no image")
    (pets / "cat" / "drawing.EPS").write_text("no image")
    (pets / "cat" / ".hidden.png").write_text("no image")
    (pets / "README").write_text("no image")
    (pets / ".git").mkdir()
    (pets / "dog" / "old").mkdir()
    Image.new("RGB", (6, 5)).save(pets / "dog" / "old" / "1.PNG")
    (pets / "emu").mkdir()
    source = Folder(pets)
    assert source.classes == ("cat", "dog", "emu")
    assert truth(source)["dog/old/1.PNG"] == 1
    assert len(source) == 6
    assert source.skipped == {
        ".eps, a format that is not decoded": 1,
        ".txt, no image": 1,
        "hidden": 2,
        "without an ending, no image": 1,
    }
    (pets / "emu").rmdir()
    assert open_source(str(pets / "cat")).skipped == {
        ".eps, a format that is not decoded": 1, ".txt, no image": 1, "hidden": 1,
    }  # fmt: skip


def test_checkpoints_of_notebooks_are_no_images(pets: Path):
    """On 25f28ea: counted as images of the class, once more than they are."""
    (pets / "cat" / ".ipynb_checkpoints").mkdir()
    (pets / "cat" / ".ipynb_checkpoints" / "10-checkpoint.png").write_bytes((pets / "cat" / "10.png").read_bytes())
    (pets / ".ipynb_checkpoints").mkdir()
    source = open_source(str(pets))
    assert (len(source), source.classes, source.skipped) == (5, ("cat", "dog"), {"hidden": 2})


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "JPEG", "tga", "dib", "j2k", "apng"])
def test_every_ending_of_a_format_that_is_decoded_is_taken(pets: Path, suffix: str):
    """On 25f28ea: left out in silence, but for `.jpeg`."""
    kind = Image.registered_extensions()[f".{suffix.lower()}"]
    Image.new("RGB", (6, 5)).save(pets / "cat" / f"new.{suffix}", kind)
    source = open_source(str(pets))
    assert truth(source)[f"cat/new.{suffix}"] == 0
    assert source.skipped == {}
    assert len(open_source(str(pets / "cat" / f"new.{suffix}"))) == 1


def test_links_are_followed_but_not_in_circles(pets: Path, tmp_path: Path):
    """On 25f28ea: a linked folder inside a class was left out in silence."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Image.new("RGB", (6, 5)).save(elsewhere / "far.png")
    (pets / "cat" / "more").symlink_to(elsewhere)
    (pets / "emu").symlink_to(elsewhere)
    (pets / "dog" / "link.png").symlink_to(elsewhere / "far.png")
    (pets / "dog" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (pets / "dog" / "again").symlink_to(pets / "dog")
    source = open_source(str(pets))
    assert source.skipped == {"links back to a folder above": 1, "links that lead nowhere": 1}
    labels = truth(source)
    assert (labels["cat/more/far.png"], labels["emu/far.png"], labels["dog/link.png"]) == (0, 2, 1)
    assert len(source) == 8


def test_a_folder_of_nothing_but_what_is_passed_over_says_so(tmp_path: Path):
    (tmp_path / "scan.pdf").write_text("")
    with pytest.raises(DataError, match=r"has no images; .*passed over: 1 \.pdf, a format that is not decoded"):
        open_source(str(tmp_path))


def test_numbers_sort_as_numbers(tmp_path: Path):
    for name in ("10", "9", "0"):
        (tmp_path / name).mkdir()
        Image.new("L", (2, 2)).save(tmp_path / name / "a.png")
    assert Folder(tmp_path).classes == ("0", "9", "10")
    assert truth(Folder(tmp_path))["10/a.png"] == 2


def test_classes_json_gives_the_order(pets: Path):
    (pets / "classes.json").write_text(json.dumps(["emu", "dog", "cat"]))
    source = Folder(pets)
    assert source.classes == ("emu", "dog", "cat")
    assert truth(source)["cat/10.png"] == 2
    entries = [{"label": 1, "wnid": "cat", "name": "house cat"}, {"label": 0, "wnid": "dog", "name": "hound"}]
    (pets / "classes.json").write_text(json.dumps(entries))
    assert Folder(pets).classes == ("hound", "house cat")
    assert truth(Folder(pets))["cat/10.png"] == 1
    (pets / "classes.json").write_text(json.dumps(["dog"]))
    with pytest.raises(DataError, match=r"does not list the class folder 'cat' \(1 in all\)"):
        Folder(pets)
    for broken in ("{", '[{"label": 3, "name": "x"}]', "[1]"):
        (pets / "classes.json").write_text(broken)
        with pytest.raises(DataError, match="expected a list of names"):
            Folder(pets)


def test_flat_folder_and_single_file_are_unlabelled(pets: Path):
    source = open_source(str(pets / "cat"))
    assert not source.labelled
    assert source.classes == ()
    (block,) = source.blocks(9)
    assert block.names == ("10.png", "20.png", "30.png")
    assert block.labels.tolist() == [-1, -1, -1]
    (block,) = open_source(str(pets / "cat" / "20.png")).blocks(9)
    assert block.names == ("20.png",)
    assert round(block.images[0, 0, 0, 0].item() * 255) == 20


def test_empty_and_unclear_folders(pets: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no images; expected class folders"):
        open_source(str(tmp_path / "empty"))
    (tmp_path / "set" / "train").mkdir(parents=True)
    (tmp_path / "set" / "test").mkdir()
    with pytest.raises(DataError, match="holds splits, not classes: test, train"):
        open_source(str(tmp_path / "set"))
    (pets / "stray.png").write_bytes((pets / "cat" / "10.png").read_bytes())
    with pytest.raises(DataError, match=r"holds both images \('stray\.png'"):
        open_source(str(pets))


def test_parquet_one_folder_down_is_found(tmp_path: Path):
    (tmp_path / "repository" / "data").mkdir(parents=True)
    (tmp_path / "repository" / "data" / "test.parquet").touch()
    with pytest.raises(DataError, match="found Parquet files: name their folder"):
        open_source(str(tmp_path / "repository"))


def test_truncated_and_vanished_files(pets: Path):
    torn = pets / "dog" / "110.png"
    torn.write_bytes(torn.read_bytes()[:50])
    with pytest.raises(BadImage, match=r"dog/110\.png"):
        list(Folder(pets).blocks(5))
    source = open_source(str(pets), skip_bad=True)
    (pets / "cat" / "10.png").unlink()
    (block,) = source.blocks(5)
    assert {bad.name for bad in source.bad} == {"dog/110.png", "cat/10.png"}
    assert len(block) == 3
    assert any("No such file" in bad.reason for bad in source.bad)


def test_digest_sees_pixels_names_and_limit(pets: Path):
    whole, part = Folder(pets).digest(), Folder(pets, max_images=2).digest()
    assert whole == Folder(pets, fit=Fit(1, 8, 8)).digest() != part
    (pets / "cat" / "10.png").rename(pets / "dog" / "10.png")
    moved = Folder(pets).digest()
    assert moved != whole
    Image.new("RGB", (6, 5), (11, 0, 0)).save(pets / "dog" / "10.png")
    assert Folder(pets).digest() != moved


def test_digest_of_a_vanished_file(pets: Path):
    source, whole = Folder(pets), Folder(pets).digest()
    (pets / "cat" / "10.png").unlink()
    assert source.digest() != whole


def test_a_folder_above_the_class_folders_is_told_with_the_one_that_is_meant(pets: Path, tmp_path: Path):
    above = tmp_path / "above"
    (above / "all").mkdir(parents=True)
    pets.rename(above / "all" / "pets")
    source = open_source(str(above))
    assert (source.classes, len(source)) == (("all",), 5)
    (said,) = source.remarks
    assert said.startswith(f"folder {above} holds one class folder alone, 'all', so that all images have one label")
    assert said.endswith(f"; did you mean '{above / 'all' / 'pets'}', which holds 2 folders with images?")
    Image.new("RGB", (6, 5)).save(above / "all" / "one.png")
    assert open_source(str(above)).remarks == [said.partition(";")[0]], "the class has images of its own"
    assert not open_source(str(above / "all" / "pets")).remarks


def test_one_of_several_class_folders_is_told_with_the_folder_above(pets: Path):
    said = without_labels(str(pets / "cat"))
    assert said.endswith(f"give labelled images; did you mean '{pets}', which holds 2 folders with images?")
    (pets / "dog").rename(pets / ".dog")
    for alone in (pets / "cat", pets / "cat" / "10.png", pets / "nowhere"):
        assert without_labels(str(alone)).endswith("give labelled images")
