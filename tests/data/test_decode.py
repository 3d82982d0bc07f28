import io

import numpy as np
import pytest
from PIL import Image, ImageFile

from brittle.data import Fit
from brittle.data.decode import decode, known_formats, suffixes
from brittle.errors import BadImage, DataError

from .conftest import encoded


def pixels(image: Image.Image, kind: str = "PNG") -> np.ndarray:
    return Fit().apply(decode(encoded(image, kind), "an image"))


@pytest.mark.parametrize(
    ("mode", "channels"), [("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGB", 3), ("RGBA", 3), ("I;16", 1)]
)
def test_every_mode_of_png_comes_out_grey_or_rgb(mode: str, channels: int):
    array = pixels(Image.new("RGB", (4, 3)).convert("L" if mode == "I;16" else mode).convert(mode))
    assert array.shape == (channels, 3, 4)
    assert not array.any()


def test_transparency_is_dropped_without_a_warning():
    clear = Image.new("RGBA", (2, 2), (255, 0, 51, 0))
    assert np.allclose(pixels(clear)[:, 0, 0], (1, 0, 0.2))
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([255, 0, 51])
    palette.info["transparency"] = b"\x00"
    assert np.allclose(pixels(palette)[:, 0, 0], (1, 0, 0.2))


def test_cmyk():
    assert pixels(Image.new("CMYK", (8, 8)), "JPEG").min() > 0.95


def test_sixteen_bits_keep_their_precision():
    values = np.array([[0, 1, 257], [32768, 65534, 65535]], dtype=np.uint16)
    for kind in ("PNG", "TIFF"):
        assert np.allclose(pixels(Image.fromarray(values), kind)[0], values / 65535, atol=1e-7)


def test_floats_in_tiff():
    assert np.allclose(pixels(Image.fromarray(np.full((2, 2), 0.3, dtype=np.float32)), "TIFF"), 0.3)
    with pytest.raises(BadImage, match=r"-2\.0\.\.-2\.0.*expected 0\.\.1"):
        pixels(Image.fromarray(np.full((2, 2), -2, dtype=np.float32)), "TIFF")


def test_orientation_of_the_camera_is_respected():
    image = Image.new("RGB", (6, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    assert Fit().apply(decode(buffer.getvalue(), "phone.jpg")).shape == (3, 6, 4)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_truncated_image(kind: str):
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), kind)
    with pytest.raises(BadImage, match=r"'half\.img' cannot be read.*--skip-bad") as caught:
        decode(content[: len(content) // 2], "half.img")
    assert caught.value.name == "half.img"


def test_truncated_image_when_somebody_lets_pillow_fill_it_in(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(DataError, match="LOAD_TRUNCATED_IMAGES is on"):
        decode(encoded(Image.new("L", (2, 2))), "any")


def test_no_image_at_all():
    with pytest.raises(BadImage, match="0 bytes"):
        decode(b"", "empty.png")
    with pytest.raises(BadImage, match=r"its 12 bytes are no image in .*JPEG"):
        decode(b"<html></html"[:12], "page.png")


def test_formats_that_start_programs_are_not_opened():
    with pytest.raises(BadImage, match="no image"):
        decode(encoded(Image.new("RGB", (4, 4)), "EPS"), "trap.png")


def test_every_format_is_read_under_every_ending_of_it():
    known = {Image.registered_extensions()[suffix] for suffix in suffixes()}
    assert set(known_formats()) <= known | {"MPO"}
    assert {".jfif", ".jpe", ".jpg", ".png", ".tif", ".webp"} <= suffixes()
    assert not {".eps", ".ps", ".wmf", ".pdf", ".mpg", ".h5"} & suffixes()


def test_a_bomb_is_a_bad_image(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(BadImage, match="DecompressionBomb"):
        decode(encoded(Image.new("L", (50, 50))), "bomb.png")
