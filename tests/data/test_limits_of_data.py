"""Small files that declare much are refused before anything is inflated; limits are low here, so files are small."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from brittle.data import open_source
from brittle.errors import BadImage, DataError, LabelError, OverLimit
from brittle.limits import use_limits

from .conftest import encoded, grey


def first(path: Path):
    return next(open_source(str(path)).blocks(4))


def test_an_array_is_refused_by_what_it_declares(write_npz):
    path = write_npz(compressed=True, images=np.zeros((1000, 20, 20, 3), np.uint8), labels=np.zeros(1000, int))
    assert path.stat().st_size < 20_000
    with use_limits(array=1_000_000), pytest.raises(OverLimit, match=r"1,200,128 bytes, more than the limit"):
        open_source(str(path))
    with use_limits(pixels=399), pytest.raises(OverLimit, match="400 pixels"):
        open_source(str(path))
    with use_limits(cell=8_000), pytest.raises(OverLimit, match=r"array 'labels' would take 8,128"):
        open_source(str(path))
    plain = write_npz("plain.npz", images=np.zeros((1000, 20, 20, 3), np.uint8))
    with use_limits(array=1_000_000):  # what lies on disk in full is not inflated, and is read row by row
        assert len(first(plain)) == 4


def test_an_array_that_is_not_as_large_as_it_says_is_refused(tmp_path: Path):
    import zipfile

    made = io.BytesIO()
    np.lib.format.write_array_header_1_0(made, {"descr": "|u1", "fortran_order": False, "shape": (9, 10**6, 10**6)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("images.npy", made.getvalue() + bytes(20))
    with pytest.raises(DataError, match=r"declares 9,000,000,000,000 bytes .* and holds 20"):
        open_source(str(tmp_path / "x.npz"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP", "JPEG2000"])
def test_an_image_is_refused_by_its_header(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.png").write_bytes(encoded(Image.new("RGB", (30, 20)), kind))
    assert first(tmp_path).images.shape == (1, 3, 20, 30)
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("it was decoded"))
    with use_limits(pixels=599), pytest.raises(BadImage, match=r"600 pixels.*limit of 599.*--limits pixels=600"):
        first(tmp_path)


def test_pillows_own_limit_is_raised_with_ours_and_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usual = Image.MAX_IMAGE_PIXELS
    (tmp_path / "a.png").write_bytes(encoded(Image.new("L", (20_000, 9_000))))
    with pytest.raises(BadImage, match=r"DecompressionBomb.*--limits pixels="):
        open_source(str(tmp_path)).conversions()
    with use_limits(pixels=180_000_000):
        open_source(str(tmp_path)).conversions()
    assert usual == Image.MAX_IMAGE_PIXELS


def test_a_page_is_refused_by_its_own_header(tmp_path: Path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": [encoded(grey(5)) + bytes(2_000_000)], "label": [0]}), path, compression="zstd")
    assert path.stat().st_size < 20_000
    assert len(first(path)) == 1
    with use_limits(cell=1_000_000), pytest.raises(OverLimit, match=r"a page in column 'image' of .* 2,000,"):
        first(path)


def test_rows_of_equal_values_are_read_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cell = encoded(grey(5)) + bytes(100_000)
    pq.write_table(pa.table({"image": [cell] * 64, "label": [0] * 64}), tmp_path / "a.parquet", compression="zstd")
    asked: list[int] = []
    whole = pq.ParquetFile.iter_batches
    monkeypatch.setattr(
        pq.ParquetFile, "iter_batches", lambda file, rows, **more: asked.append(rows) or whole(file, rows, **more)
    )
    with use_limits(cell=350_000):
        assert sum(len(block) for block in open_source(str(tmp_path / "a.parquet")).blocks(10)) == 64
    assert asked == [3]


def test_a_schema_that_is_nested_too_deep_is_refused(tmp_path: Path):
    kind, value = pa.int64(), 1
    for _ in range(8):
        kind, value = pa.list_(kind), [value]
    pq.write_table(pa.table({"image": pa.array([value], kind)}), tmp_path / "a.parquet")
    with use_limits(depth=10), pytest.raises(OverLimit, match="the schema of"):
        open_source(str(tmp_path / "a.parquet"))


def test_images_behind_links_out_of_the_folder_are_counted_and_said(pets: Path, tmp_path: Path):
    assert open_source(str(pets)).remarks == []
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.png").write_bytes(encoded(grey(9)))
    (pets / "cat" / "more").symlink_to(tmp_path / "other")
    (pets / "dog" / "y.png").symlink_to(tmp_path / "other" / "x.png")
    (pets / "dog" / "same.png").symlink_to(pets / "cat" / "10.png")
    source = open_source(str(pets))
    assert (len(source), source.remarks) == (8, [f"2 images lie outside of {pets}, behind links in it"])
    assert source.skipped == {}


def test_links_that_multiply_are_gone_through_a_hundred_times(tmp_path: Path):
    (tmp_path / "set" / "cat").mkdir(parents=True)
    place = tmp_path / "set" / "cat"
    for level in range(20):
        (tmp_path / str(level)).mkdir()
        for name in ("a", "b"):
            (place / name).symlink_to(tmp_path / str(level))
        place = tmp_path / str(level)
    (place / "x.png").write_bytes(encoded(grey(9)))
    source = open_source(str(tmp_path / "set"))
    assert len(source) <= 100
    assert source.skipped["folders to which too many links lead"] > 0


def test_a_class_number_that_no_network_has_is_refused(write_npz):
    path = write_npz(images=np.zeros((1, 4, 4), np.uint8) + 9, labels=np.array([2**63], np.uint64))
    with pytest.raises(LabelError, match="below 2,147,483,648"):
        first(path)
