import hashlib
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from brittle.data import Fit, open_source
from brittle.errors import BoundsError, DataError, LabelError

Write = Callable[..., Path]
RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (7, 4, 5, 3), dtype=np.uint8)
LABELS = np.arange(7) % 3


def images(path: Path, start: int = 0) -> torch.Tensor:
    return torch.cat([block.images for block in open_source(str(path)).blocks(3, start)])


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64, ">f4"])
def test_layouts_and_types(write_npz: Write, compressed: bool, channels_last: bool, dtype: type):
    stored = COLOUR if channels_last else COLOUR.transpose(0, 3, 1, 2).copy()
    stored = stored if dtype == np.uint8 else (stored / 255).astype(dtype)
    path = write_npz(compressed=compressed, images=stored, labels=LABELS)
    expected = torch.from_numpy(COLOUR.transpose(0, 3, 1, 2) / 255).float()
    assert (images(path) - expected).abs().max() < (1e-3 if dtype == np.float16 else 1e-6)
    assert torch.equal(images(path, 5), images(path)[5:])


def test_grey_names_classes_and_labels(write_npz: Write):
    path = write_npz(x=COLOUR[..., 0], y=LABELS[:, None], classes=np.array(["a", "b", "c"]))
    source = open_source(str(path), max_images=5, fit=Fit(3))
    assert (len(source), source.labelled, source.classes) == (5, True, ("a", "b", "c"))
    (block,) = source.blocks(9)
    assert block.images.shape == (5, 3, 4, 5)
    assert block.names[4] == "x/4"
    assert block.labels.tolist() == [0, 1, 2, 0, 1]


def test_without_labels(write_npz: Write):
    source = open_source(str(write_npz(images=COLOUR)))
    assert not source.labelled
    assert next(source.blocks(2)).labels.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (COLOUR.astype(np.float32), r"image 0 of .* has values \d+\.\.2\d\d; expected 0\.\.1: divide by 255"),
        (RNG.normal(size=(2, 4, 4, 3)), r"values -\d.*normalise inside the network"),
        (np.full((2, 4, 4, 3), np.nan), "NaN"),
        (np.full((2, 4, 4, 3), 1.00001), "1.00001"),
    ],
)
def test_floats_outside_the_range_are_refused(write_npz: Write, values: np.ndarray, message: str):
    with pytest.raises(BoundsError, match=message):
        images(write_npz(images=values, labels=np.zeros(len(values), int)))


def test_rounding_errors_are_clipped(write_npz: Write):
    found = images(write_npz(images=np.array([[[-5e-7, 1 + 5e-7]]])))
    assert found.flatten().tolist() == [0, 1]


def test_pickles_are_not_loaded(write_npz: Write):
    with pytest.raises(DataError, match="pickle"):
        open_source(str(write_npz(images=np.array([[{}]], dtype=object))))
    with pytest.raises(DataError, match="pickle"):
        open_source(str(write_npz(images=COLOUR, labels=np.array([None] * 7))))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (COLOUR.astype(np.int64), "is int64; expected uint8"),
        (COLOUR[:0], r"shape \(0, 4, 5, 3\)"),
        (COLOUR[0, 0], r"shape \(5, 3\)"),
        (np.zeros((2, 3, 4, 3)), "both the second and the last axis"),
        (np.zeros((2, 4, 4, 4)), "neither the second nor the last"),
        (np.asfortranarray(COLOUR), "Fortran order"),
    ],
)
def test_arrays_that_are_no_images(write_npz: Write, array: np.ndarray, message: str):
    with pytest.raises(DataError, match=message):
        open_source(str(write_npz(images=array)))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(6, int), "6 labels for 7 images"),
        (np.zeros(7), r"float64 of shape \(7,\)"),
        (np.zeros((7, 3), int), r"argmax\(1\)"),
    ],
)
def test_labels_that_are_none(write_npz: Write, labels: np.ndarray, message: str):
    with pytest.raises(LabelError, match=message):
        open_source(str(write_npz(images=COLOUR, labels=labels)))


def test_files_that_are_no_npz(write_npz: Write, tmp_path: Path):
    with pytest.raises(DataError, match=r"it has pictures; expected 'images' or 'x'"):
        open_source(str(write_npz(pictures=COLOUR)))
    whole = write_npz(images=COLOUR).read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be read as npz"):
        open_source(str(tmp_path / "half.npz"))


def test_damage_inside_is_noticed(write_npz: Write):
    path = write_npz(images=RNG.integers(0, 256, (50, 9, 9), dtype=np.uint8))
    content = bytearray(path.read_bytes())
    content[2000] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match="CRC"):
        images(path)


def test_digest_is_that_of_the_file(write_npz: Write):
    path = write_npz(images=COLOUR)
    assert open_source(str(path)).digest() == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("compressed", [False, True])
def test_memory_stays_flat(write_npz: Write, compressed: bool):
    path = write_npz(compressed=compressed, images=np.zeros((2000, 64, 64), dtype=np.float32))
    tracemalloc.start()
    try:
        count = sum(len(block) for block in open_source(str(path)).blocks(50))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 2000
    assert peak < 2000 * 64 * 64 * 4 / 8


@pytest.mark.parametrize("number", [0xD800, 0x110000, 0xFFFFFFFF])
def test_names_of_numbers_that_are_no_letters_are_refused(write_npz: Write, number: int):
    names = np.frombuffer(np.array([number, ord("b"), ord("c")], "<u4").tobytes(), "<U1")
    path = write_npz(x=COLOUR[..., 0], y=LABELS, classes=names)
    with pytest.raises(DataError, match="'classes'"):
        open_source(str(path))
