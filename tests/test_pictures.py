"""Pictures of deformations and of classes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brittle.pictures import INK, animate, class_colours, nice, picture_of, quiver, sheet


def inked(picture: Image.Image) -> np.ndarray:
    """Where a drawing is as red as its vectors, the corner of the scale bar left out."""
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    red = (pixels[..., 0] - pixels[..., 1:].max(-1)) > 80
    red[-len(red) // 4 :, : len(red) // 3] = False
    return red


def test_arrows_point_to_where_values_come_from():
    field = np.zeros((2, 28, 28))
    field[1, 4, 10] = 2.0  # to the right
    drawn = inked(quiver(np.full((1, 28, 28), 0.5), field, side=560))
    rows, columns = drawn.nonzero()
    assert len(rows) > 20
    assert abs(rows.mean() / 20 - 4.5) < 0.3
    assert columns.min() / 20 > 10.2
    assert columns.max() / 20 < 14.5


def test_without_a_deformation_nothing_is_drawn():
    picture = quiver(np.full((3, 8, 12), 0.5), np.zeros((2, 8, 12)), side=240)
    assert picture.size == (240, 160)
    assert not inked(picture).any()
    assert len(np.unique(np.asarray(picture))) == 1


def test_large_images_are_drawn_at_their_own_size_and_subsampled():
    field = np.full((2, 300, 200), 1.0)
    picture = quiver(np.full((3, 300, 200), 0.5), field, side=100)
    assert picture.size == (200, 300)
    assert inked(picture).any()
    assert INK[0] > INK[1]


def test_the_scale_bar_is_as_long_as_it_says():
    field = np.zeros((2, 28, 28))
    field[1] = 1.0
    pixels = np.asarray(quiver(np.zeros((1, 28, 28)), field, side=560).convert("RGB")).astype(int)
    red = (pixels[..., 0] - pixels[..., 1:].max(-1)) > 80
    bar = red[-16:-2, :50].any(0).sum()  # 1 px of the field: as long as any arrow, 0.9 cells of 20
    assert bar == pytest.approx(18, abs=4)


def test_nice_numbers():
    assert [nice(value) for value in (1.0, 1.99, 2.0, 4.9, 5.0, 9.99, 0.049)] == [1, 1, 2, 2, 5, 5, 0.02]


def test_an_animation_begins_with_the_original_and_reaches_the_end(tmp_path: Path):
    frames = np.random.default_rng(0).random((5, 1, 6, 6))
    animate(list(frames), tmp_path / "moving.png", side=12)
    with Image.open(tmp_path / "moving.png") as picture:
        assert picture.n_frames == 8
        picture.seek(0)
        first = np.asarray(picture.convert("L"))
        picture.seek(4)
        last = np.asarray(picture.convert("L"))
    assert (first[::2, 1::2] == np.asarray(picture_of(frames[0]))).all()
    assert (last[::2, 1::2] == np.asarray(picture_of(frames[4]))).all()


def test_a_sheet_holds_four_pictures():
    clean = np.random.default_rng(0).random((3, 10, 10))
    whole = sheet(clean, 1 - clean, np.ones((2, 10, 10)), side=100)
    assert whole.size == (4 * 100 + 5 * 8, 100 + 26 + 8)
    left = np.asarray(whole)[26:126, 8:108]
    assert np.abs(left[::10, ::10] / 255 - clean.transpose(1, 2, 0)).max() < 0.01


def test_the_colours_of_classes_are_those_of_pascal_voc():
    painted = (class_colours(np.array([[0, 1, 2, 8, 15, 20]])) * 255).round().astype(int)[0]
    voc = [[0, 0, 0], [128, 0, 0], [0, 128, 0], [64, 0, 0], [192, 128, 128], [0, 64, 128]]
    assert painted.tolist() == voc
