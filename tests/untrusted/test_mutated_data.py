"""Files of images, changed at random: each is read, or refused with an error of ours."""

import io
import json
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import cases, damaged, repacked, rewritten
from PIL import Image

from brittle.data import open_source
from brittle.errors import BadImage, BrittleError


def read(path: Path) -> None:
    """Everything that a command does with a source; whether it is refused does not matter."""
    with suppress(BrittleError):
        source = open_source(str(path), skip_bad=True)
        source.digest()
        source.conversions()
        for block in source.blocks(4):
            assert len(block.names) == len(block.images)


def picture(kind: str, mode: str = "RGB", **options) -> bytes:
    made = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(made, kind, **options)
    return made.getvalue()


PICTURES = {
    "png": picture("PNG"),
    "grey.png": picture("PNG", "L"),
    "jpg": picture("JPEG"),
    "gif": picture("GIF", "P"),
    "tif": picture("TIFF"),
    "deflated.tif": picture("TIFF", compression="tiff_adobe_deflate"),
    "bmp": picture("BMP"),
    "webp": picture("WEBP"),
    "ppm": picture("PPM"),
    "ico": picture("ICO"),
    "tga": picture("TGA"),
    "jp2": picture("JPEG2000"),
    "pcx": picture("PCX"),
}
Image.init()
if "AVIF" in Image.SAVE:  # Pillow before 11.3 has none
    PICTURES["avif"] = picture("AVIF")


def archive(compressed: bool = False, **arrays: np.ndarray) -> bytes:
    made = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(made, **arrays)
    return made.getvalue()


SMALL = {
    "images": np.zeros((3, 4, 5, 3), np.uint8),
    "labels": np.arange(3),
    "classes": np.array(["a", "b", "c"]),
}
ARCHIVES = [
    archive(**SMALL),
    archive(compressed=True, **SMALL),
    archive(x=np.zeros((2, 4, 5), np.float32), y=np.zeros((2, 1), np.uint8)),
]


def table(**options) -> bytes:
    made = io.BytesIO()
    cells = [{"bytes": PICTURES["png"], "path": "a.png"}, {"bytes": None, "path": "b.png"}]
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["a", "b"]}}
    rows = pa.table({"image": cells, "label": [0, 1]}).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    pq.write_table(rows, made, **options)
    return made.getvalue()


def arrays() -> bytes:
    made = io.BytesIO()
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((2, 4, 5, 3), np.uint8))
    pq.write_table(pa.table({"image": tensor, "label": ["cat", "dog"]}), made)
    return made.getvalue()


TABLES = [table(), table(data_page_version="2.0", compression="zstd"), table(use_dictionary=False), arrays()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutants")


@cases
@given(st.sampled_from(sorted(PICTURES)).flatmap(lambda name: st.tuples(st.just(name), damaged(PICTURES[name]))))
def test_images(folder: Path, mutant: tuple[str, bytes]):
    path = folder / f"image.{mutant[0].rpartition('.')[2]}"
    path.write_bytes(mutant[1])
    read(path)


@cases
@given(st.sampled_from(ARCHIVES).flatmap(repacked))
def test_npz(folder: Path, mutant: bytes):
    (folder / "rows.npz").write_bytes(mutant)
    read(folder / "rows.npz")


DTYPES = ["|u1", "<f4", "<f8", "<i8", "<u8", "|b1", "<U3", "|S3", "|O", "<M8[s]", "<c8", "<f2", ">f4", "|V4", "<f16"]
SIDES = st.one_of(st.integers(-2, 6), st.sampled_from([2**31, 2**40, 2**63, 10**30]))


@cases
@given(
    st.sampled_from(["images.npy", "labels.npy", "classes.npy"]),
    st.sampled_from(DTYPES),
    st.lists(SIDES, max_size=5),
    st.booleans(),
)
def test_headers_of_arrays(folder: Path, name: str, dtype: str, shape: list[int], fortran: bool):
    made = io.BytesIO()
    np.savez(made, **SMALL)
    header = repr({"descr": dtype, "fortran_order": fortran, "shape": tuple(shape)}).encode().ljust(117) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(180)
    (folder / "rows.npz").write_bytes(replaced_member(made.getvalue(), name, content))
    read(folder / "rows.npz")


def replaced_member(original: bytes, name: str, content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(original)) as old, zipfile.ZipFile(made, "w") as new:
        for member in old.namelist():
            new.writestr(member, content if member == name else old.read(member))
    return made.getvalue()


@cases
@given(st.sampled_from(TABLES).flatmap(damaged))
def test_parquet(folder: Path, mutant: bytes):
    (folder / "rows.parquet").write_bytes(mutant)
    read(folder / "rows.parquet")


NAMES = ['["cat", "dog"]', '[{"label": 0, "name": "cat", "wnid": "n1"}, {"label": 1, "name": "dog"}]']


@cases
@given(st.sampled_from(NAMES).flatmap(rewritten))
def test_classes(folder: Path, mutant: bytes):
    for name in ("cat", "dog"):
        (folder / "pets" / name).mkdir(parents=True, exist_ok=True)
        (folder / "pets" / name / "1.png").write_bytes(PICTURES["png"])
    (folder / "pets" / "classes.json").write_bytes(mutant)
    read(folder / "pets")


def test_the_files_are_read_as_they_are(folder: Path):
    for name, content in PICTURES.items():
        (folder / f"whole.{name}").write_bytes(content)
        assert len(next(open_source(str(folder / f"whole.{name}")).blocks(1))) == 1
    for number, content in enumerate(ARCHIVES):
        (folder / f"{number}.npz").write_bytes(content)
        assert len(next(open_source(str(folder / f"{number}.npz")).blocks(1))) == 1
    for number, content in enumerate(TABLES):
        (folder / f"{number}.parquet").write_bytes(content)
        assert len(next(open_source(str(folder / f"{number}.parquet")).blocks(1))) == 1


def test_a_traceback_would_be_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch):
    (folder / "whole.png").write_bytes(PICTURES["png"])
    monkeypatch.setattr("brittle.data.folder.decode", lambda content, name: {}["x"])
    with pytest.raises(KeyError):
        read(folder / "whole.png")
    monkeypatch.setattr("brittle.data.folder.decode", lambda content, name: (_ for _ in ()).throw(BadImage(name, "x")))
    read(folder / "whole.png")
