"""Pictures of a change: the difference made visible, its vectors, the way there; and of the classes of pixels."""

import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from brittle.files import write_atomically
from brittle.maths.quantization import as_bytes

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ARROWS = 28
"""About how many vectors are drawn along the longer side."""
USUAL = 0.98
"""The length that this fraction of the vectors does not exceed is drawn as nine tenths of the way to the next arrow."""
FINER = 3
"""Drawings are made so many times larger and then reduced, for smooth lines."""
INK, PAPER = (200, 40, 30), (255, 255, 255)
"""Colours of the vectors, and of what lies behind the scale bar."""
PAUSE, LAST = 60, 900
"""Milliseconds for each picture of an animation, and for the two at its ends."""


def amplification(largest: float) -> float:
    """By how much a change is amplified: the largest of 1, 2, 5, 10, 20 ... that keeps it within grey ± one half.

    Args:
        largest: the largest change of a value, as a fraction of the range.

    Example:
        >>> amplification(4 / 255), amplification(0.5), amplification(1.0)
        (20.0, 1.0, 0.5)
    """
    if largest > 0.5:
        return 0.5
    steps = [digit * 10**power for power in range(5) for digit in (1, 2, 5)]
    return float(max(step for step in steps if step * largest <= 0.5 + 1e-6))


def picture_of(values: Floats) -> Image.Image:
    """Return a picture of values in [0, 1], clipped to it, (channels, height, width).

    1 and 3 channels are grey and colour; of another number the mean is shown.
    """
    if values.shape[0] not in (1, 3):
        values = values.mean(axis=0, keepdims=True)
    levels = as_bytes(np.clip(values, 0, 1))
    return Image.fromarray(levels[0] if len(levels) == 1 else np.ascontiguousarray(levels.transpose(1, 2, 0)))


def class_colours(labels: Integers) -> Floats:
    """Paint classes (h, w) as Pascal VOC does: the bits of a class in turn are the high bits of red, green and blue.

    Args:
        labels: from 0 to 511.

    Returns:
        Values in [0, 1], (h, w, 3).

    Example:
        >>> (255 * class_colours(np.array([[0, 15]]))).round().astype(int).tolist()
        [[[0, 0, 0], [192, 128, 128]]]
    """
    painted = np.zeros((*labels.shape, 3), dtype=np.int64)
    for bit in range(3):
        for channel in range(3):
            painted[..., channel] |= ((labels >> (3 * bit + channel)) & 1) << (7 - bit)
    return painted / 255


def segmentation_picture(labels: Integers) -> Image.Image:
    """Return a picture of classes (h, w) of any whole type, in the colours of `class_colours`."""
    return picture_of(class_colours(labels.astype(np.int64)).transpose(2, 0, 1))


def depth_pictures(depths: Sequence[Floats]) -> list[Image.Image]:
    """Return pictures of depths (h, w) in the greys of one scale of their logarithms, the nearest white.

    Depths that are not above 0 are black, as if they were farthest.
    """
    known = np.concatenate([one[one > 0].ravel() for one in depths])
    low, high = (np.log(known.min()), np.log(known.max())) if known.size else (0.0, 0.0)
    span = max(high - low, np.finfo(np.float64).tiny)
    logs = [np.log(np.where(one > 0, one, np.exp(high))) for one in depths]
    return [picture_of(((high - one) / span)[None]) for one in logs]


def quiver(values: Floats, field: Floats, side: int = 336) -> Image.Image:
    """Draw a deformation's vectors over a pale version of the image.

    Each arrow begins at a pixel and points to where its new value comes from. The arrows' scale is said by the bar in
    the corner; the longest is drawn at most three times as long as the way to the next arrow.

    Args:
        values: the image in [0, 1], (channels, height, width).
        field: in pixels, down and to the right, (2, height, width).
        side: of the longer side of what is drawn, in pixels; more where the image itself is larger.

    Returns:
        The drawing, in colour.
    """
    height, width = values.shape[1:]
    scale = max(1, round(side / max(height, width)))
    fine = scale * FINER
    pale = picture_of(0.45 + 0.55 * values).convert("RGB")
    canvas = pale.resize((width * fine, height * fine), Image.Resampling.NEAREST if scale > 1 else None)
    draw = ImageDraw.Draw(canvas)
    every = max(1, round(max(height, width) / ARROWS))
    lengths = np.sqrt((field**2).sum(0))
    longest = float(lengths.max(initial=0.0))
    usual = float(np.quantile(lengths, USUAL))
    stretch = min(0.9 * every / max(usual, 1e-12), 3 * every / longest) if longest > 0 else 0.0
    for row in range(every // 2, height, every):
        for column in range(every // 2, width, every):
            down, right = field[:, row, column] * stretch
            if math.hypot(down, right) > 0.08 * every:
                start = ((column + 0.5) * fine, (row + 0.5) * fine)
                _arrow(draw, start, (start[0] + right * fine, start[1] + down * fine), every * fine)
    if longest > 0:
        _scale_bar(draw, canvas.size, longest, stretch * fine)
    return canvas.resize((width * scale, height * scale), Image.Resampling.LANCZOS)


def _arrow(draw: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float], cell: float) -> None:
    across, down = end[0] - start[0], end[1] - start[1]
    length = math.hypot(across, down)
    along = (across / length, down / length)
    head = min(0.35 * cell, 0.6 * length)
    neck = (end[0] - head * along[0], end[1] - head * along[1])
    draw.line([start, neck], fill=INK, width=max(2, round(cell / 11)))
    right, below = -along[1] * head * 0.4, along[0] * head * 0.4
    draw.polygon([end, (neck[0] + right, neck[1] + below), (neck[0] - right, neck[1] - below)], INK)


def _scale_bar(draw: ImageDraw.ImageDraw, size: tuple[int, int], longest: float, drawn: float) -> None:
    """Draw a bar of a round number of pixels of the field, with the number."""
    length = nice(longest)
    text = f"{length:g} px"
    font = ImageFont.load_default(max(10, round(max(size) / 26)))
    left, top, right, bottom = font.getbbox(text)
    pad, bar = round(max(size) / 90), length * drawn
    high = size[1] - 3 * pad - (bottom - top) - 4 * pad
    wide = max(bar, right - left) + 4 * pad
    draw.rectangle([0, high, wide, size[1]], fill=PAPER)
    draw.line([(2 * pad, size[1] - 2 * pad), (2 * pad + bar, size[1] - 2 * pad)], fill=INK, width=max(2, pad))
    draw.text((2 * pad - left, high + pad - top / 2), text, fill=(0, 0, 0), font=font)


def nice(largest: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above a number.

    Example:
        >>> nice(3.7), nice(0.6), nice(0.012)
        (2.0, 0.5, 0.01)
    """
    power = 10.0 ** math.floor(math.log10(largest))
    digit = max(digit for digit in (1, 2, 5) if digit * power <= largest * (1 + 1e-9))
    return float(f"{digit * power:g}")


def animate(frames: Sequence[Floats], path: Path, side: int = 224) -> None:
    """Save an animated PNG that shows pictures one after the other and back, for ever.

    Args:
        frames: values in [0, 1], each (channels, height, width); the first and the last stay longer.
        path: of the file, which any browser shows.
        side: pictures whose longer side is less are enlarged by a whole factor to about this.
    """
    height, width = frames[0].shape[1:]
    factor = max(1, side // max(height, width))
    size = (width * factor, height * factor)
    shown = [picture_of(one).resize(size, Image.Resampling.NEAREST) for one in frames]
    round_trip = [*shown, *shown[-2:0:-1]]
    pauses = [LAST if number in (0, len(frames) - 1) else PAUSE for number in range(len(round_trip))]
    sink = io.BytesIO()
    round_trip[0].save(sink, "PNG", save_all=True, append_images=round_trip[1:], duration=pauses, loop=0)
    write_atomically(path, sink.getvalue())


def save_picture(picture: Image.Image, path: Path) -> None:
    """Save a picture as PNG, whole or not at all; its folder is made where it is missing."""
    write_atomically(path, png_of(picture))


def png_of(picture: Image.Image, *, optimize: bool = False) -> bytes:
    """Encode a picture as PNG, at more cost a little smaller where that is asked."""
    sink = io.BytesIO()
    picture.save(sink, "PNG", optimize=optimize)
    return sink.getvalue()


def data_uri(picture: Image.Image) -> str:
    """Return a picture as a data URI, ``data:image/png;base64,...``."""
    return "data:image/png;base64," + base64.b64encode(png_of(picture)).decode()


def sheet(original: Floats, adversarial: Floats, field: Floats, side: int = 336) -> Image.Image:
    """Put the original, the deformed image, their difference and the vectors side by side.

    Args:
        original: values in [0, 1], (channels, height, width).
        adversarial: likewise.
        field: in pixels, (2, height, width).
        side: as of `quiver`.

    Returns:
        One picture, four wide, with a title over each.
    """
    change = adversarial - original
    factor = amplification(float(np.abs(change).max(initial=0.0)))
    last = quiver(original, field, side)
    titles = ("original", "deformed", f"difference x {factor:g}", "vectors: where each pixel's value comes from")
    shown = (picture_of(one).convert("RGB") for one in (original, adversarial, 0.5 + factor * change))
    tiles = [*(one.resize(last.size, Image.Resampling.NEAREST) for one in shown), last]
    gap, title = 8, 26
    whole = Image.new("RGB", (4 * last.width + 5 * gap, last.height + title + gap), PAPER)
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(14)
    for number, (tile, text) in enumerate(zip(tiles, titles, strict=True)):
        left = gap + number * (last.width + gap)
        whole.paste(tile, (left, title))
        draw.text((left, 4), text, fill=(0, 0, 0), font=font)
    return whole
