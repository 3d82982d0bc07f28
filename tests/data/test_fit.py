import numpy as np
import pytest
from PIL import Image

from brittle.data import Fit
from brittle.errors import InputError


def columns(width: int, height: int) -> Image.Image:
    """An image whose red is its column and whose green is its row."""
    red, green = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([red, green, 0 * red], axis=2).astype(np.uint8))


def corner(pixels: np.ndarray) -> tuple[int, int]:
    """The column and row that the upper left pixel came from."""
    return round(float(pixels[0, 0, 0]) * 255), round(float(pixels[1, 0, 0]) * 255)


def test_nothing_asked_leaves_every_pixel():
    image = columns(7, 5)
    pixels = Fit().apply(image)
    assert pixels.dtype == np.float32
    assert np.array_equal(np.rint(pixels * 255).astype(np.uint8), np.asarray(image).transpose(2, 0, 1))


def test_the_right_size_is_untouched():
    assert np.array_equal(Fit(3, 5, 7).apply(columns(7, 5)), Fit().apply(columns(7, 5)))


@pytest.mark.parametrize(
    ("width", "height", "at"),
    [(40, 50, (4, 9)), (32, 40, (0, 4)), (200, 32, (84, 0)), (41, 33, (4, 0))],
)
def test_up_to_a_quarter_larger_is_only_cropped(width: int, height: int, at: tuple[int, int]):
    pixels = Fit(3, 32, 32).apply(columns(width, height))
    assert pixels.shape == (3, 32, 32)
    assert corner(pixels) == at
    assert np.array_equal(np.rint(pixels[0, 0] * 255), np.arange(at[0], at[0] + 32))


def test_much_larger_is_resized_to_the_custom_fraction_and_cropped():
    image = columns(200, 100)
    expected = image.resize((74, 37), Image.Resampling.BILINEAR).crop((21, 2, 53, 34))
    assert np.array_equal(Fit(3, 32, 32).apply(image), Fit().apply(expected))


def test_smaller_square_is_plainly_resized():
    image = columns(28, 28)
    assert np.array_equal(Fit(3, 32, 32).apply(image), Fit().apply(image.resize((32, 32), Image.Resampling.BILINEAR)))


def test_smaller_oblong_covers_and_is_cropped():
    image = columns(20, 10)
    expected = image.resize((64, 32), Image.Resampling.BILINEAR).crop((16, 0, 48, 32))
    assert np.array_equal(Fit(3, 32, 32).apply(image), Fit().apply(expected))


def test_oblong_network():
    assert Fit(3, 16, 32).apply(columns(300, 200)).shape == (3, 16, 32)
    assert corner(Fit(3, 16, 32).apply(columns(40, 40))) == (4, 12)


def test_explicit_resize_and_crop_override_the_rule():
    image = columns(60, 40)
    by_hand = image.resize((30, 20), Image.Resampling.BILINEAR).crop((7, 2, 23, 18))
    assert np.array_equal(Fit(resize=20, crop=16).apply(image), Fit().apply(by_hand))
    smaller = by_hand.resize((8, 8), Image.Resampling.BILINEAR)
    assert np.array_equal(Fit(3, 8, 8, resize=20, crop=16).apply(image), Fit().apply(smaller))
    assert np.array_equal(Fit(3, 16, 16, resize=20).apply(image), Fit().apply(by_hand))
    assert Fit(resize=20).apply(image).shape == (3, 20, 30)


def test_stretching_keeps_the_whole_image():
    image = columns(60, 40)
    stretched = image.resize((10, 10), Image.Resampling.BICUBIC)
    fit = Fit(3, 10, 10, crop="none", interpolation="bicubic")
    assert np.array_equal(fit.apply(image), Fit().apply(stretched))


def test_colours():
    red = Image.new("RGB", (2, 2), (255, 0, 0))
    assert np.allclose(Fit(1).apply(red), 76 / 255)
    repeated = Fit(3).apply(Image.new("L", (2, 2), 51))
    assert repeated.shape == (3, 2, 2)
    assert np.allclose(repeated, 0.2)


def test_arrays_are_fitted_as_images_are():
    image = columns(60, 40)
    array = Fit().apply(image)
    for fit in (Fit(3, 32, 32), Fit(3, 40, 60), Fit(1, 16, 16), Fit(3, 20, 20, crop="none")):
        assert np.abs(fit.apply(array) - fit.apply(image)).max() < 1.01 / 255  # Pillow rounds images to 8 bits
    assert np.array_equal(Fit(3).apply(array[:1]), np.repeat(array[:1], 3, axis=0))


def test_overshoot_of_a_sharp_filter_is_clipped():
    array = np.zeros((1, 8, 8), dtype=np.float32)
    array[:, :, 4:] = 1
    pixels = Fit(1, 32, 32, interpolation="lanczos").apply(array)
    assert pixels.min() == 0
    assert pixels.max() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 0, "width": 4}, "height=0"),
        ({"height": 4}, "give both"),
        ({"crop": "none"}, "give these two"),
        ({"crop": "middle"}, "'middle'"),
        ({"crop": -1}, "crop=-1"),
        ({"interpolation": "cubic"}, "bicubic"),
    ],
)
def test_contradictions_are_refused(options: dict, message: str):
    with pytest.raises(InputError, match=message):
        Fit(**options)


def test_channels_that_cannot_be_made():
    with pytest.raises(InputError, match="takes 4 channels"):
        Fit(4).apply(columns(3, 3))
    with pytest.raises(InputError, match="3 channels cannot be made ones of 2"):
        Fit(2).apply(np.zeros((3, 2, 2), dtype=np.float32))
