"""Images that are named one by one."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import brittle
from brittle import DataError
from brittle.cli.app import app
from brittle.data import Fit, Folder, ImageFiles, open_source
from brittle.data.image_files import named_one_by_one
from brittle.evaluation.subject import open_images
from brittle.runs.place import files_named
from brittle.specs import DataSpec


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    made = [tmp_path / name for name in ("z.png", "a.bmp", "below/m.png")]
    (tmp_path / "below").mkdir()
    for level, path in enumerate(made):
        Image.fromarray(np.full((8, 8), 51 * level, np.uint8)).save(path)
    return made


def test_they_keep_their_order_and_are_called_by_their_path_below_what_holds_all(pictures: list[Path]):
    (block,) = ImageFiles(pictures).blocks(5)
    assert block.names == ("z.png", "a.bmp", "below/m.png")
    assert block.images.amax((1, 2, 3)).tolist() == pytest.approx([0, 0.2, 0.4])
    assert block.labels.tolist() == [-1] * 3
    assert ImageFiles(pictures).spec == f"{pictures[0]} and 2 more"
    assert ImageFiles(pictures[2:]).spec == str(pictures[2])
    assert not ImageFiles(pictures).labelled


def test_one_file_is_the_same_source_as_by_its_path(pictures: list[Path]):
    source = open_source(str(pictures[0]))
    assert isinstance(source, ImageFiles)
    assert source.digest() == ImageFiles(pictures[:1]).digest()
    assert source.spec == str(pictures[0])


def test_content_and_order_tell_them_apart(pictures: list[Path]):
    digests = {ImageFiles(order).digest() for order in (pictures, pictures[::-1], pictures[:2])}
    assert len(digests) == 3
    before = ImageFiles(pictures).digest()
    pictures[1].write_bytes(pictures[0].read_bytes())
    assert ImageFiles(pictures).digest() != before


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_of_paths_is_read_as_images_and_two_are_no_images_and_labels(pictures: list[Path], kind: type):
    for given in (kind(pictures[:2]), kind(map(str, pictures[:2]))):
        source = open_images(DataSpec(given, max_images=1), Fit(1, 4, 4))
        assert isinstance(source, ImageFiles)
        assert len(source) == 1
        assert next(iter(source.blocks(5))).images.shape == (1, 1, 4, 4)
    assert files_named(kind(pictures)) == pictures


def test_what_is_no_image_file_is_refused(pictures: list[Path], tmp_path: Path):
    with pytest.raises(DataError, match="no image file; where several"):
        named_one_by_one(["digits", str(pictures[0])])
    with pytest.raises(DataError, match="is a folder; where several"):
        named_one_by_one([str(tmp_path)])
    with pytest.raises(DataError, match=r"z\.pnk is no image"):
        named_one_by_one([str(tmp_path / "z.pnk")])
    with pytest.raises(DataError, match=r"y\.png does not exist; did you mean .*z\.png'\?"):
        named_one_by_one([str(tmp_path / "y.png")])
    with pytest.raises(DataError, match="named more than once"):
        ImageFiles([pictures[0], pictures[0].parent / "below" / ".." / "z.png"])
    with pytest.raises(DataError, match="no images"):
        ImageFiles([])


def test_a_file_that_cannot_be_read_is_left_out_where_that_is_asked(pictures: list[Path]):
    pictures[1].write_bytes(b"nothing")
    source = ImageFiles(pictures, skip_bad=True)
    assert [block.names for block in source.blocks(5)] == [("z.png", "below/m.png")]
    assert [one.name for one in source.bad] == ["a.bmp"]


def test_the_command_attacks_all_that_are_named(pictures: list[Path], tmp_path: Path):
    out = tmp_path / "out"
    words = ["attack", "digits-lenet", *map(str, pictures), "--out", str(out), "--attack", "fgsm", "--eps", "0.3"]
    result = CliRunner().invoke(app, [*words, "--norm", "linf", "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    saved = brittle.attack("digits-lenet", pictures, out, attack="fgsm", norm="linf", eps=0.3)
    assert [one.source for one in saved] == ["z.png", "a.bmp", "below/m.png"]


def test_nothing_is_written_over_an_image_that_is_read(pictures: list[Path]):
    with pytest.raises(brittle.BrittleError, match=r"z\.png"):
        brittle.attack("digits-lenet", pictures, pictures[0], attack="fgsm", norm="linf", eps=0.3)


def test_a_folder_is_no_file_and_a_file_no_folder(pictures: list[Path]):
    with pytest.raises(DataError):
        Folder(pictures[0])
