"""Image files of every kind that Pillow reads, made byte by byte where Pillow does not write them."""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

GREY = np.array([[0, 51, 255]], np.uint8)
COLOURS = np.array([[[255, 0, 51], [0, 102, 0], [255, 255, 255]]], np.uint8)


@dataclass(frozen=True)
class File:
    """One row of the table in docs/data.md.

    Attributes:
        content: makes the file.
        pixels: channels x width, what must be read; or part of the refusal.
        said: conversions that must be counted.
    """

    content: Callable[[], bytes]
    pixels: list[list[float]] | str
    said: tuple[str, ...] = ()
    within: float = 1e-6


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(data: bytes, bits: tuple[int, ...] = (8,), photometric: int = 1, order: str = "<", **tags: int) -> bytes:
    """One strip, uncompressed, three pixels wide and one high. `tags` are t339=2 and so on."""
    values = {256: (3,), 257: (1,), 258: bits, 259: (1,), 262: (photometric,), 273: (0,), 277: (len(bits),), 278: (1,)}
    values |= {279: (len(data),)} | {int(name[1:]): (value,) for name, value in tags.items()}
    values[273] = (8 + 2 + 12 * len(values) + 4 + 2 * len(bits),)
    entries, extra, place = b"", b"", 8 + 2 + 12 * len(values) + 4
    for tag, numbers in sorted(values.items()):
        packed = struct.pack(f"{order}{len(numbers)}H", *numbers)
        if len(packed) > 4:
            packed, extra = struct.pack(f"{order}I", place), packed
        entries += struct.pack(f"{order}HHI", tag, 3, len(numbers)) + packed.ljust(4, b"\0")
    extra = extra.ljust(2 * len(bits), b"\0")
    start = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    return start + struct.pack(f"{order}H", len(values)) + entries + bytes(4) + extra + data


def words(*values: int, order: str = "<", code: str = "H") -> bytes:
    return struct.pack(f"{order}{len(values)}{code}", *values)


def palette(alpha: bool = False) -> Image.Image:
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 51, 0, 102, 0, 255, 255, 255])
    image.putdata([0, 1, 2])
    if alpha:
        image.info["transparency"] = b"\x00\x80\xff"
    return image


def with_exif(turn: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = turn
    return saved(Image.fromarray(GREY.T), "PNG", exif=exif)


G, C = [[0, 0.2, 1]], [[1, 0, 1], [0, 0.4, 1], [0.2, 0, 1]]
TWELVE, SIXTEEN = (0, 819, 4095), (0, 13107, 65535)
WHITE = "grey divided by {:,}".format
CUT, NO_ALPHA = "colours of 16 bits cut to 8", "transparency dropped"

FILES: dict[str, File] = {
    "grey, 8 bits": File(lambda: saved(Image.fromarray(GREY), "PNG"), G),
    "grey, 1 bit": File(lambda: saved(Image.fromarray(GREY // 250 * 255).convert("1"), "PNG"), [[0, 0, 1]]),
    "grey, 2 or 4 bits": File(lambda: tiff(bytes([0x03, 0xF0]), (4,)), G),
    "grey with transparency": File(lambda: saved(Image.fromarray(GREY).convert("LA"), "PNG"), G, (NO_ALPHA,)),
    "grey with transparency multiplied in (TIFF)": File(
        lambda: tiff(bytes([0, 255, 26, 128, 128, 128]), (8, 8), t338=1), G, (NO_ALPHA,), 0.01
    ),
    "grey with transparency, 16 bits": File(
        lambda: png16(4, [0, 9, 13107, 9, 65535, 9]), G, (NO_ALPHA, CUT)
    ),
    "grey, 12 bits (TIFF)": File(lambda: tiff(bytes([0x00, 0x03, 0x33, 0xFF, 0xF0]), (12,)), G, (WHITE(4095),)),
    "grey, 12 bits in 16, white told (TIFF, MaxSampleValue)": File(
        lambda: tiff(words(*TWELVE), (16,), t281=4095), G, (WHITE(4095),)
    ),
    "grey, 16 bits": File(lambda: saved(Image.fromarray(np.array([SIXTEEN], np.uint16)), "PNG"), G, (WHITE(65535),)),
    "grey, 16 bits, big-endian (TIFF)": File(
        lambda: tiff(words(*SIXTEEN, order=">"), (16,), order=">"), G, (WHITE(65535),)
    ),
    "grey of another white (PGM)": File(
        lambda: b"P5 3 1 4095\n" + words(*TWELVE, order=">"), G, (WHITE(65535),), 1e-4
    ),
    "grey, white is zero, 8 bits (TIFF)": File(lambda: tiff(bytes([255, 204, 0]), photometric=0), G),
    "grey, white is zero, 16 bits (TIFF)": File(
        lambda: tiff(words(65535, 52428, 0), (16,), 0), G, ("negative (white is zero) turned", WHITE(65535))
    ),
    "grey, floats in 0..1 (TIFF)": File(lambda: tiff(words(0, 0.2, 1, code="f"), (32,), t339=3), G),
    "grey, white is zero, floats (TIFF)": File(
        lambda: tiff(words(1, 0.8, 0, code="f"), (32,), 0, t339=3), G, ("negative (white is zero) turned",)
    ),
    "grey, floats outside 0..1 (TIFF)": File(
        lambda: tiff(words(0, 51, 255, code="f"), (32,), t339=3), r"0\.0\.\.255\.0; expected 0\.\.1"
    ),
    "grey, 32-bit integers (TIFF)": File(
        lambda: tiff(words(0, 51, 255, code="I"), (32,)), r"0\.\.255 in 32 bits, whose white is not known"
    ),
    "grey, signed integers (TIFF)": File(lambda: tiff(bytes([0, 51, 127]), (8,), t339=2), "signed integers, whose"),
    "colours, 8 bits": File(lambda: saved(Image.fromarray(COLOURS), "PNG"), C),
    "colours, 16 bits": File(
        lambda: tiff(words(*(257 * COLOURS.astype(int)).ravel().tolist()), (16, 16, 16), 2), C, (CUT,)
    ),
    "colours with transparency": File(
        lambda: saved(Image.fromarray(np.dstack([COLOURS, GREY])), "PNG"), C, (NO_ALPHA,)
    ),
    "colours with transparency multiplied in (TIFF)": File(
        lambda: tiff(bytes([128, 0, 26, 128, 0, 102, 0, 255, 255, 255, 255, 255]), (8,) * 4, 2, t338=1),
        C, (NO_ALPHA,), 0.01,
    ),
    "colours with a channel of no meaning (TIFF)": File(
        lambda: saved(Image.fromarray(COLOURS).convert("RGBX"), "TIFF"), C
    ),
    "palette": File(lambda: saved(palette(), "PNG"), C, ("palette made RGB",)),
    "palette with transparency": File(
        lambda: saved(palette(alpha=True), "PNG"), C, ("palette made RGB", NO_ALPHA)
    ),
    "palette with an alpha channel (TIFF)": File(
        lambda: saved(palette().convert("PA"), "TIFF"), C, ("palette made RGB", NO_ALPHA)
    ),
    "CMYK": File(lambda: saved(Image.fromarray(COLOURS).convert("CMYK"), "TIFF"), C, ("CMYK made RGB",)),
    "YCbCr (TIFF)": File(
        lambda: saved(Image.fromarray(COLOURS).convert("YCbCr"), "TIFF"), C, ("YCbCr made RGB",), 0.01
    ),
    "CIELAB (TIFF)": File(  # L of 0..255, a and b signed; sRGB's red is L 54.3, a 80.8, b 69.9 under the white D50
        lambda: tiff(bytes([138, 81, 70, 0, 0, 0, 255, 0, 0]), (8, 8, 8), 8),
        [[1, 0, 1], [0, 0, 1], [0, 0, 1]], ("LAB made RGB",), 0.03,
    ),
    "turned by EXIF": File(lambda: with_exif(8), G, ("turned upright (EXIF)",)),
    "animation": File(
        lambda: saved(Image.fromarray(GREY), "GIF", save_all=True, append_images=[Image.fromarray(255 - GREY)]),
        G * 3, ("first of several frames", "palette made RGB"),
    ),
}  # fmt: skip
"""The first column of the table of docs/data.md, with a file of that kind."""


def png16(kind: int, values: list[int]) -> bytes:
    """A PNG of 16 bits, which Pillow writes in grey without transparency only."""
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 3, 1, 16, kind, 0, 0, 0)
    rows = zlib.compress(b"\0" + words(*values, order=">"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
