"""From the bytes of an image file to pixels; whatever is wrong with the file becomes a BadImage that names it."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from threading import RLock

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from brittle.data.fit import Picture, Pixels
from brittle.data.header import (
    DEEP,
    Header,
    first,
    grey_inside,
    header_of,
    is_negative,
    is_signed,
    tags,
    told_white,
    white_of,
)
from brittle.errors import BadImage, DataError, quoted
from brittle.limits import Limits, current, over_limit

FORMATS = (
    *("AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "QOI", "SGI", "SUN", "TGA", "TIFF"),
    *("WEBP", "XBM"),
)
"""What is decoded. Pillow knows more, but some (EPS, WMF) start other programs on the file, and some are no images."""
SIMILAR = {"MPO": "JPEG"}
"""Formats whose files another one opens."""
TILE = (322, 323)
"""Numbers of TIFF's tags of a tile's sides; a tile is decoded as a whole, however small the image."""
_PILLOW = RLock()


def decode(content: bytes, name: str) -> Picture:
    """Decode one image file, upright as its EXIF orientation says.

    Grey images (also with transparency) come back in mode L, all others in RGB; of an animation the first frame.
    Transparency is dropped, as torchvision's and everybody's loaders do. Grey images of more than 8 bits keep their
    precision: they come back as an array in [0, 1].

    Args:
        content: the bytes of the file.
        name: what to call it in an error.

    Raises:
        BadImage: if the bytes are no image, or a damaged one, or do not say which value is white, or if the image has
            more pixels than the limits allow.
        DataError: if this process lets Pillow fill in truncated images.
    """
    image = opened(content, name)
    try:
        grey = grey_inside(image)
        with limit_of_pillow():
            image.load()
        image = image.convert("L") if grey else image
        white, negative = white_of(image), is_negative(image)  # turning the image may lose its tags
        ImageOps.exif_transpose(image, in_place=True)
    except Exception as error:  # a damaged file makes a decoder raise anything; all of it means the same
        raise BadImage(name, f"{type(error).__name__}: {quoted(error)}") from error
    return normal_mode(image, name, white, negative=negative)


def look(content: bytes, name: str) -> tuple[Header, float]:
    """Return what is known of an image file before its pixels are decoded, and its brightest value.

    The brightest value is looked for in grey images of 16 bits that do not say which value is white; it is 1 otherwise.

    Raises:
        BadImage, DataError: as `decode`, as far as it is seen without decoding.
    """
    image = opened(content, name)
    try:
        header = header_of(image, content)
    except Exception as error:  # a damaged file makes a decoder raise anything; all of it means the same
        raise BadImage(name, f"{type(error).__name__}: {quoted(error)}") from error
    brightest = 1.0
    if header.kind == DEEP and told_white(image) is None:
        pixels = decode(content, name)
        assert not isinstance(pixels, Image.Image)
        brightest = float(pixels.max())
    return header, brightest


def opened(content: bytes, name: str) -> Image.Image:
    """Open an image without decoding its pixels; raises BadImage and DataError as `decode`."""
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise DataError(
            "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is on in this process: broken images would be filled with grey and "
            "counted; set it to False"
        )
    if not content:
        raise BadImage(name, "it is empty (0 bytes)")
    try:
        with limit_of_pillow():
            image = Image.open(BytesIO(content), formats=known_formats())
    except Image.DecompressionBombError as error:  # Pillow's own limit, twice ours or more
        raise BadImage(name, f"{type(error).__name__}: {quoted(error)}; {how_to_raise()}") from error
    except UnidentifiedImageError as error:
        raise BadImage(name, f"its {len(content)} bytes are no image in {', '.join(known_formats())}") from error
    except Exception as error:  # a damaged file makes a decoder raise anything; all of it means the same
        raise BadImage(name, f"{type(error).__name__}: {quoted(error)}") from error
    known = tags(image)
    tile = first(known.get(TILE[0]), 1) * first(known.get(TILE[1]), 1)
    if reason := over_limit("pixels", max(image.width * image.height, tile)):
        raise BadImage(name, reason)
    if is_signed(image):
        raise BadImage(name, "signed integers, whose white is not known; save it unsigned, or as floats in 0..1")
    return image


@contextmanager
def limit_of_pillow() -> Generator[None]:
    """Within it, Pillow's own limit of pixels, one for the process, is ours where somebody has raised ours."""
    usual = Image.MAX_IMAGE_PIXELS
    if usual is None or current().pixels <= max(usual, Limits().pixels):
        yield
        return
    with _PILLOW:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, current().pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def how_to_raise() -> str:
    """Return how the limit of pixels is raised."""
    return "where you trust it, raise the limit with --limits pixels=..., or brittle.use_limits(pixels=...) in Python"


@cache
def known_formats() -> tuple[str, ...]:
    """Return the formats of `FORMATS` that this Pillow can open."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@cache
def suffixes() -> frozenset[str]:
    """Return the endings of file names that are taken for images, in lower case: those of all formats decoded."""
    return frozenset(suffix for suffix, kind in endings().items() if SIMILAR.get(kind, kind) in known_formats())


@cache
def endings() -> dict[str, str]:
    """Return every ending that Pillow knows of a file name, in lower case, with its format."""
    return {suffix.lower(): kind for suffix, kind in Image.registered_extensions().items()}


def normal_mode(image: Image.Image, name: str, white: int = 65535, *, negative: bool = False) -> Picture:
    """Return the image in mode L or RGB, or as an array if it has more than 8 bits a channel.

    Args:
        image: as Pillow decoded it.
        name: what to call it in an error.
        white: the value that is white in a grey image of more than 8 bits.
        negative: whether zero is white in such an image.

    Raises:
        BadImage: for integers of 32 bits, for floats outside [0, 1], and for a mode that cannot be made RGB.
    """
    mode = image.mode
    if mode == "I" and image.format not in ("PNG", "PPM"):  # these hold 16 bits, scaled by their own white
        low, high = np.asarray(image).min(), np.asarray(image).max()
        raise BadImage(
            name,
            f"grey values {low}..{high} in 32 bits, whose white is not known; save 8 or 16 bits, or floats in 0..1",
        )
    if mode in ("I", "F") or mode.startswith("I;16"):
        return deep_grey(np.asarray(image), 1 if mode == "F" else white, name, negative=negative)
    if mode in ("La", "RGBa"):  # of these the colours were multiplied by the transparency
        image = image.convert(mode.upper())
    if mode in ("1", "L", "LA", "La"):
        return image.convert("L")
    try:
        # of a palette Pillow warns about transparency unless it is asked for
        return (image.convert("RGBA") if mode in ("P", "PA") else image).convert("RGB")
    except ValueError as error:
        raise BadImage(name, f"its colours (mode {mode}) cannot be made RGB: {quoted(error)}") from error


def deep_grey(values: np.ndarray, top: int, name: str, *, negative: bool = False) -> Pixels:
    """Divide grey values by `top`, the white, and turn a negative; refuse values outside 0..top."""
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= top):
        found = (
            f"grey values {low}..{high}" if np.isfinite((low, high)).all() else "grey values that are NaN or infinite"
        )
        raise BadImage(name, f"{found}; expected 0..{top}")
    pixels = values.astype(np.float32) / np.float32(top)
    return (1 - pixels if negative else pixels)[None]
