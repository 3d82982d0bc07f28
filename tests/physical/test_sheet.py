"""Sheets: laid out, printed, photographed by a simulated camera, and cut back into images."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from brittle.errors import InputError, OverLimit, RunError
from brittle.limits import use_limits
from brittle.physical.layout import Layout, Sheet, laid_out
from brittle.physical.reader import SheetReading, read_sheet
from brittle.physical.sheet import drawn_page, open_sheet, write_sheet
from tests.physical.camera import photograph, upright

LAYOUT = Layout(dpi=60, size=35)
SIZE = (620, 870)
"""Of photographs: a mark has 26 pixels along its side."""


def some_images(count: int, side: int = 32, channels: int = 3) -> dict[str, Tensor]:
    """Images with soft shapes, as photographs have, by name."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, channels, 7, 7, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, size=side, mode="bicubic").clamp(0, 1)
    return {f"{number:03d}": image for number, image in enumerate(fine)}


@pytest.fixture(scope="module")
def images() -> dict[str, Tensor]:
    """As many as one page takes."""
    return some_images(15)


@pytest.fixture(scope="module")
def sheet(images: Mapping[str, Tensor]) -> Sheet:
    found = laid_out((3, 32, 32), [*images], LAYOUT)
    assert len(found.pages) == 1
    return found


@pytest.fixture(scope="module")
def page(sheet: Sheet, images: Mapping[str, Tensor]) -> NDArray[np.uint8]:
    return np.asarray(drawn_page(sheet, 0, images))


def off(reading: SheetReading, images: Mapping[str, Tensor]) -> float:
    """The largest mean difference of an image from what was read."""
    return max(float((image - images[name]).abs().mean()) for name, image in reading.found.items())


def test_a_page_that_is_no_photograph_gives_its_images_back(
    sheet: Sheet, page: NDArray[np.uint8], images: Mapping[str, Tensor]
):
    reading = read_sheet(sheet, [page])
    assert [*reading.found] == [*images]
    assert reading.missing == ()
    assert off(reading, images) < 0.005


@pytest.mark.parametrize("seed", range(3))
def test_of_photographs_every_image_is_found_and_close(
    sheet: Sheet, page: NDArray[np.uint8], images: Mapping[str, Tensor], seed: int
):
    reading = read_sheet(sheet, [photograph(page, upright(SIZE, seed), SIZE, seed=seed)], even_light=True)
    assert len(reading.found) == 15
    assert off(reading, images) < 0.05


def test_even_light_takes_shadow_and_tint_out(sheet: Sheet, page: NDArray[np.uint8], images: Mapping[str, Tensor]):
    shot = photograph(page, upright(SIZE, 5), SIZE, shade=0.5)
    assert off(read_sheet(sheet, [shot]), images) > 0.1
    assert off(read_sheet(sheet, [shot], even_light=True), images) < 0.06


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_photographs_may_be_turned(sheet: Sheet, page: NDArray[np.uint8], images: Mapping[str, Tensor], turns: int):
    shot = np.rot90(photograph(page, upright(SIZE, 1), SIZE), turns)
    reading = read_sheet(sheet, [np.ascontiguousarray(shot)], even_light=True)
    assert len(reading.found) == 15
    assert off(reading, images) < 0.05


def test_a_noisy_blurred_photograph_from_the_side_is_read(
    sheet: Sheet, page: NDArray[np.uint8], images: Mapping[str, Tensor]
):
    corners = [(70.0, 96), (569, 45), (612, 858), (9, 825)]
    shot = photograph(page, corners, SIZE, noise=0.04, blur=0.8, shade=0.6, quality=50)
    reading = read_sheet(sheet, [shot], even_light=True)
    assert len(reading.found) == 15
    assert off(reading, images) < 0.08


def test_a_page_that_is_partly_outside_gives_what_is_whole_and_names_the_rest(
    sheet: Sheet, page: NDArray[np.uint8], images: Mapping[str, Tensor]
):
    corners = [(-110.0, -190), (560, -150), (612, 858), (-90, 825)]
    reading = read_sheet(sheet, [photograph(page, corners, SIZE)], even_light=True)
    assert 6 <= len(reading.found) < 15
    assert [*reading.found, *reading.missing] != [*images]
    assert sorted([*reading.found, *reading.missing]) == [*images]
    assert off(reading, images) < 0.05


def test_several_pages_in_several_photographs_come_together(tmp_path: Path):
    images = some_images(30)
    sheet = laid_out((3, 32, 32), [*images], LAYOUT)
    assert [len(one.places) for one in sheet.pages] == [24, 6]
    pages = [np.asarray(drawn_page(sheet, number, images)) for number in range(2)]
    shots = [photograph(one, upright(SIZE, number), SIZE) for number, one in enumerate(pages)]
    reading = read_sheet(sheet, shots, even_light=True)
    assert [*reading.found] == [*images]
    assert off(reading, images) < 0.05
    assert read_sheet(sheet, shots[1:]).missing == tuple(images)[:24]


def test_grey_images_come_back_grey():
    images = some_images(2, channels=1)
    sheet = laid_out((1, 32, 32), [*images], LAYOUT)
    reading = read_sheet(sheet, [np.asarray(drawn_page(sheet, 0, images))])
    assert reading.found["000"].shape == (1, 32, 32)
    assert off(reading, images) < 0.005


def test_of_two_photographs_the_larger_one_counts(sheet: Sheet, page: NDArray[np.uint8], images: Mapping[str, Tensor]):
    far = photograph(page, [(100.0, 100), (540, 100), (540, 720), (100, 720)], SIZE, noise=0.0)
    near = photograph(page, upright(SIZE, 1), SIZE)
    reading = read_sheet(sheet, [far, near], even_light=True)
    both = read_sheet(sheet, [near], even_light=True)
    assert all(torch.equal(reading.found[name], both.found[name]) for name in images)


def test_a_photograph_without_a_sheet_is_named(sheet: Sheet, page: NDArray[np.uint8]):
    nothing = photograph(np.full_like(page, 200), upright(SIZE, 1), SIZE)
    with pytest.raises(InputError, match=r"desk\.jpg shows no mark of this sheet; expected a sharp photograph"):
        read_sheet(sheet, [nothing], names=["desk.jpg"])


def test_a_photograph_of_another_sheet_is_not_taken_for_one_of_this(page: NDArray[np.uint8]):
    other = laid_out((3, 32, 32), [f"other {number}" for number in range(15)], LAYOUT)
    with pytest.raises(InputError, match="shows no mark of this sheet"):
        read_sheet(other, [page])


def test_no_photographs_are_refused(sheet: Sheet):
    with pytest.raises(InputError, match="there are no photographs"):
        read_sheet(sheet, [])


@pytest.mark.parametrize("shape", [(64, 64, 4), (20, 500, 3), (3, 64, 64, 3)])
def test_what_is_no_photograph_is_refused(sheet: Sheet, shape: tuple[int, ...]):
    with pytest.raises(InputError, match=r"expected \(h, w\) or \(h, w, 3\)"):
        read_sheet(sheet, [np.zeros(shape, np.uint8)])


def test_a_pdf_and_its_manifest_are_written(tmp_path: Path):
    files = write_sheet(some_images(30), tmp_path / "sheet.pdf", LAYOUT, about={"run": "abc"})
    assert [file.name for file in files] == ["sheet.pdf", "sheet.json"]
    assert files[0].read_bytes().startswith(b"%PDF")
    assert open_sheet(files[0]).about == {"run": "abc"}


def test_png_pages_are_numbered_and_read_back_exactly(tmp_path: Path):
    images = some_images(30)
    files = write_sheet(images, tmp_path / "sheet.png", LAYOUT)
    assert [file.name for file in files] == ["sheet.png", "sheet-2.png", "sheet.json"]
    pages = [np.asarray(Image.open(file)) for file in files[:2]]
    assert off(read_sheet(open_sheet(files[2]), pages), images) < 0.005


def test_a_sheet_that_is_there_stays_without_force(tmp_path: Path):
    path = tmp_path / "sheet.png"
    write_sheet(some_images(2), path, LAYOUT)
    before = path.read_bytes()
    with pytest.raises(RunError, match="belongs to a sheet that lies there already, which stays as it is"):
        write_sheet(some_images(3), path, LAYOUT)
    assert path.read_bytes() == before
    write_sheet(some_images(3), path, LAYOUT, force=True)
    assert len(open_sheet(path).names) == 3


def test_what_is_no_sheet_stays_even_with_force(tmp_path: Path):
    path = tmp_path / "thesis.pdf"
    path.write_bytes(b"mine")
    with pytest.raises(RunError, match="is no sheet of ours; it stays as it is"):
        write_sheet(some_images(2), path, LAYOUT, force=True)
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("images", "name", "said"),
    [
        (some_images(2), "sheet.jpg", r"expected a name that ends in \.pdf or \.png"),
        ({}, "sheet.png", "0 images"),
        (some_images(2, channels=4), "sheet.png", "images of 4 channels"),
        (some_images(1, side=900), "sheet.png", "do not fit on a4"),
        ({**some_images(1), "x": torch.zeros(3, 8, 8)}, "sheet.png", r"shape \(3, 8, 8\); expected \(3, 32, 32\)"),
    ],
)
def test_what_cannot_be_laid_out_is_refused_before_anything_is_written(
    tmp_path: Path, images: dict[str, Tensor], name: str, said: str
):
    with pytest.raises(InputError, match=said):
        write_sheet(images, tmp_path / name, LAYOUT)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("options", "said"),
    [({"paper": "a5"}, "expected a4 or letter"), ({"dpi": 20}, "expected 50 to 2400"), ({"mark": 1}, "below 2 dots")],
)
def test_paper_that_is_none_is_refused(options: dict[str, object], said: str):
    with pytest.raises(InputError, match=said):
        Layout(**options)  # pyright: ignore[reportArgumentType]


def test_a_manifest_that_was_changed_is_refused(tmp_path: Path):
    *_, manifest = write_sheet(some_images(2), tmp_path / "sheet.png", LAYOUT)
    content = json.loads(manifest.read_text())
    content["sheet"]["dots"] += 1
    manifest.write_text(json.dumps(content))
    with pytest.raises(RunError, match="damaged or was changed by hand"):
        open_sheet(manifest)


@pytest.mark.parametrize(("text", "said"), [("{}", "is no manifest of a sheet"), ("{", "cannot be read")])
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, text: str, said: str):
    path = tmp_path / "sheet.json"
    path.write_text(text)
    with pytest.raises(RunError, match=said):
        open_sheet(path)


def test_a_page_beyond_the_limit_of_pixels_is_not_drawn(sheet: Sheet, images: Mapping[str, Tensor]):
    with use_limits(pixels=1000), pytest.raises(OverLimit, match="a page of the sheet would take"):
        drawn_page(sheet, 0, images)
