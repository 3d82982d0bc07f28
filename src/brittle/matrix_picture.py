"""A table of fractions as a picture: a darker cell for each larger one, with its number."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

CELL, PAD, SIZE = (96, 44), 10, 16
"""Width and height of a cell, room around text, and its height, in pixels."""
PALE, DARK = (247, 251, 255), (8, 48, 107)
"""Colours of 0 and of 1."""
LONGEST = 40
"""Characters of a name that are shown."""


def matrix_picture(values: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str]) -> Image.Image:
    """Draw a table.

    Args:
        values: fractions from 0 to 1, row by row.
        rows: names of the rows.
        columns: names of the columns, which are written upwards.

    Example:
        >>> matrix_picture([[0.9, 0.3], [0.2, 0.8]], ["made for a", "made for b"], ["a", "b"]).mode
        'RGB'
    """
    font = ImageFont.load_default(SIZE)
    side = _widest(rows, font)
    head = _widest(columns, font)
    picture = Image.new("RGB", (side + CELL[0] * len(columns), head + CELL[1] * len(rows)), (255, 255, 255))
    draw = ImageDraw.Draw(picture)
    for place, name in enumerate(columns):
        word = Image.new("RGB", (head, CELL[0]), (255, 255, 255))
        ImageDraw.Draw(word).text((PAD, CELL[0] / 2), _short(name), fill=(0, 0, 0), font=font, anchor="lm")
        picture.paste(word.rotate(90, expand=True), (side + CELL[0] * place, 0))
    for down, (name, line) in enumerate(zip(rows, values, strict=True)):
        top = head + CELL[1] * down
        draw.text((PAD, top + CELL[1] / 2), _short(name), fill=(0, 0, 0), font=font, anchor="lm")
        for across, value in enumerate(line):
            left = side + CELL[0] * across
            tone = tuple(round(pale + (dark - pale) * value) for pale, dark in zip(PALE, DARK, strict=True))
            draw.rectangle([left, top, left + CELL[0] - 2, top + CELL[1] - 2], fill=tone)
            ink = (255, 255, 255) if value > 0.5 else (0, 0, 0)
            middle = (left + CELL[0] / 2, top + CELL[1] / 2)
            draw.text(middle, f"{value:.1%}", fill=ink, font=font, anchor="mm")
    return picture


def _short(name: str) -> str:
    kept = LONGEST // 2
    return name if len(name) <= LONGEST else f"{name[:kept]}…{name[1 - kept :]}"


def _widest(names: Sequence[str], font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> int:
    return 2 * PAD + max(round(font.getbbox(_short(name))[2]) for name in names)
