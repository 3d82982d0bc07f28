"""From the bytes of an image file to pixels; whatever is wrong with the file becomes a BadImage that names it."""

from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from brittle.data.fit import Picture, Pixels
from brittle.errors import BadImage, DataError

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What is decoded. Pillow knows more, but some (EPS) start other programs on the file."""
SUFFIXES = frozenset(
    ".avif .bmp .gif .jp2 .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp".split()  # noqa: SIM905  (a readable list)
)
"""File names that are taken for images, in lower case."""


def decode(content: bytes, name: str) -> Picture:
    """Decode one image file, upright as its EXIF orientation says.

    Grey images (also with transparency) come back in mode L, all others in RGB; of an animation the first frame.
    Transparency is dropped, as torchvision's and everybody's loaders do. Grey images of 16 bits keep their precision:
    they come back as an array in [0, 1].

    Args:
        content: the bytes of the file.
        name: what to call it in an error.

    Raises:
        BadImage: if the bytes are no image, or a damaged one.
        DataError: if this process lets Pillow fill in truncated images.
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise DataError(
            "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is on in this process: broken images would be filled with grey and "
            "counted; set it to False"
        )
    if not content:
        raise BadImage(name, "it is empty (0 bytes)")
    try:
        image = Image.open(BytesIO(content), formats=known_formats())
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
    except UnidentifiedImageError as error:
        raise BadImage(name, f"its {len(content)} bytes are no image in {', '.join(known_formats())}") from error
    except Exception as error:  # a damaged file makes a decoder raise anything; all of it means the same
        raise BadImage(name, f"{type(error).__name__}: {error}") from error
    return normal_mode(image, name)


@cache
def known_formats() -> tuple[str, ...]:
    """Return the formats of `FORMATS` that this Pillow can open."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def normal_mode(image: Image.Image, name: str) -> Picture:
    """Return the image in mode L or RGB, or as an array if it has more than 8 bits a channel.

    Raises:
        BadImage: for pixels of 32 bits that are neither 16-bit integers nor floats in [0, 1].
    """
    mode = image.mode
    if mode == "I" or mode.startswith("I;16"):
        return deep_grey(np.asarray(image), 65535, name)
    if mode == "F":
        return deep_grey(np.asarray(image), 1, name)
    if mode in ("1", "L", "LA", "La"):
        return image.convert("L")
    if mode in ("P", "PA"):  # Pillow warns about transparency unless it is asked for
        image = image.convert("RGBA")
    return image.convert("RGB")


def deep_grey(values: np.ndarray, top: int, name: str) -> Pixels:
    """Divide grey values by `top`; refuse those outside 0..top."""
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= top):
        raise BadImage(name, f"grey values {low}..{high} in 32 bits; expected 0..{top}")
    return (values.astype(np.float32) / np.float32(top))[None]
