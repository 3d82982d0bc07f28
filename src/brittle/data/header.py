"""Header: what is known of an image before its pixels are decoded, and what decoding will do to them."""

from dataclasses import dataclass
from typing import Any

from PIL import Image

from brittle.data.fit import Picture

GREY_MODES = frozenset(("1", "L", "LA", "La", "I", "F"))
"""Pillow's modes that come out grey; those that begin with I;16 do too."""
ALPHA_MODES = frozenset(("LA", "La", "PA", "RGBA", "RGBa"))
"""Pillow's modes with transparency."""
UPRIGHT, NO_ALPHA, NEGATIVE = "turned upright (EXIF)", "transparency dropped", "negative (white is zero) turned"
FIRST_FRAME, FROM_PALETTE, CUT = "first of several frames", "palette made RGB", "colours of 16 bits cut to 8"
"""What decoding can do to an image, as it is said."""
BITS, SAMPLE_FORMAT, PHOTOMETRIC, MOST = 258, 339, 262, 281
"""Numbers of TIFF's tags: bits of a sample, signed or not, what zero means, the greatest value used."""
ORIENTATION = 0x0112  # EXIF's number
TURNED = range(5, 9)  # orientations that exchange width and height
DEEP, ARRAY = "grey images of 16 bits", "arrays"
"""What can be so dark that the depth was misunderstood."""


@dataclass(frozen=True)
class Header:
    """An image as it will come out of the decoder, before it is fitted.

    Attributes:
        channels: 1 or 3.
        width: in pixels.
        height: in pixels.
        conversions: what decoding does to it, in words.
        kind: `DEEP` or `ARRAY` where the type of the file does not tell which value is white; "" otherwise.
    """

    channels: int
    width: int
    height: int
    conversions: tuple[str, ...] = ()
    kind: str = ""


def header_of(image: Image.Image, content: bytes = b"") -> Header:
    """Return the header of an image that Pillow has opened and need not have decoded."""
    turn = orientation(image, content)
    mode = image.mode
    deep = mode.startswith("I;16") or mode == "I"
    found = {
        FIRST_FRAME: bool(content) and several_frames(image),  # looking for them moves on in the file
        f"{mode} made RGB": mode in ("CMYK", "YCbCr", "LAB", "HSV"),
        FROM_PALETTE: mode in ("P", "PA"),
        NO_ALPHA: mode in ALPHA_MODES or "transparency" in image.info,
        NEGATIVE: is_negative(image),
        CUT: cuts_depth(image, content),
        f"grey divided by {white_of(image):,}": deep,
        UPRIGHT: turn > 1,
    }
    width, height = image.size[::-1] if turn in TURNED else image.size
    kind = DEEP if deep and image.format in ("PNG", "TIFF") and told_white(image) is None else ""
    names = tuple(name for name, done in found.items() if done)
    grey = mode in GREY_MODES or deep or grey_inside(image)
    return Header(1 if grey else 3, width, height, names, kind)


def header_of_picture(picture: Picture) -> Header:
    """Return the header of what is decoded already."""
    if isinstance(picture, Image.Image):
        return header_of(picture)
    channels, height, width = picture.shape
    return Header(channels, width, height, (), ARRAY)


def tags(image: Image.Image) -> dict[int, Any]:
    """Return a TIFF's tags, {} for any other file."""
    return dict(getattr(image, "tag_v2", {}))


def first(value: Any, default: int) -> int:
    """Return a tag's first number."""
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else default


def told_white(image: Image.Image) -> int | None:
    """Return the value that is white where the file itself says so.

    A TIFF of 12 bits says so by its bits; one that keeps fewer bits than its samples have room for may say so in
    MaxSampleValue, which counts where it is a power of two less one (some writers put the brightest pixel there).
    """
    known = tags(image)
    bits, most = first(known.get(BITS), 16), first(known.get(MOST), 0)
    if most in [(1 << depth) - 1 for depth in range(9, 17)]:
        return most
    return (1 << bits) - 1 if bits < 16 else None


def white_of(image: Image.Image) -> int:
    """Return the value that is white in a grey image of up to 16 bits."""
    return told_white(image) or 65535


def is_negative(image: Image.Image) -> bool:
    """Return whether zero is white in values that Pillow passes on as they are: 16 bits, and floats."""
    return (image.mode == "F" or image.mode.startswith("I;16")) and tags(image).get(PHOTOMETRIC) == 0


def is_signed(image: Image.Image) -> bool:
    """Return whether a TIFF holds signed integers, whose white is not defined."""
    return first(tags(image).get(SAMPLE_FORMAT), 1) == 2


def grey_inside(image: Image.Image) -> bool:
    """Return whether Pillow makes a grey image coloured: a PNG of 16 bits with transparency."""
    return image.mode == "RGBA" and any(str(tile[3]).startswith("LA") for tile in getattr(image, "tile", ()))


def several_frames(image: Image.Image) -> bool:
    """Return whether the file holds more images than the first."""
    try:
        return bool(getattr(image, "is_animated", False)) or getattr(image, "n_frames", 1) > 1
    except (OSError, ValueError, EOFError, SyntaxError):  # torn after the first
        return False


def cuts_depth(image: Image.Image, content: bytes) -> bool:
    """Return whether Pillow reads more than 8 bits of a colour, or of a grey with transparency, as 8."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        return False
    if image.format == "JPEG2000":  # the depth of the first component stands 38 bytes behind the marker SIZ
        place = content.find(b"\xff\x4f\xff\x51")
        return place >= 0 and len(content) > place + 42 and (content[place + 42] & 0x7F) > 7
    if image.format == "AVIF":  # the bit high_bitdepth in the box av1C
        place = content.find(b"av1C")
        return place >= 0 and len(content) > place + 6 and bool(content[place + 6] & 0x40)
    for tile in getattr(image, "tile", ()):
        raw = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if ";16" in str(raw[0]) or (tile[0] == "ppm" and isinstance(raw[-1], int) and raw[-1] > 255):
            return True
    return False


def orientation(image: Image.Image, content: bytes) -> int:
    """Return EXIF's orientation, 1 for upright; pixels are decoded only where a PNG may say it behind them."""
    if image.format == "PNG" and "exif" not in image.info and not any(mark in content for mark in (b"eXIf", b"xmp")):
        return 1
    try:
        return first(image.getexif().get(ORIENTATION), 1)
    except Exception:  # exif that is damaged turns nothing, as in Pillow
        return 1
