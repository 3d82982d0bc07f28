"""Sheets to be printed: drawn as PDF or PNG, with the manifest beside them by which photographs of them are read."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydantic import JsonValue, ValidationError
from torch import Tensor

from brittle.errors import InputError, RunError, quoted
from brittle.files import write_atomically
from brittle.limits import check_limit
from brittle.maths.quantization import as_bytes
from brittle.physical.layout import Layout, Sheet, laid_out
from brittle.physical.marks import drawn_mark
from brittle.reading import parse_json, read_text
from brittle.runs.checkpoint import broken_seal, sealed

FORMAT = 1
"""Version of the manifest."""
GREY = (120, 120, 120)
"""Of the names below the images, so that no camera takes a letter for a mark."""


def drawn_page(sheet: Sheet, number: int, images: Mapping[str, Tensor]) -> Image.Image:
    """Draw a page of a sheet.

    Args:
        sheet: what lies where.
        number: of the page, from 0.
        images: by name, (c, h, w) from 0 to 1.
    """
    check_limit("pixels", sheet.page[0] * sheet.page[1], "a page of the sheet")
    whole = Image.new("RGB", sheet.page, (255, 255, 255))
    draw, page = ImageDraw.Draw(whole), sheet.pages[number]
    for mark in page.marks:
        whole.paste(Image.fromarray(drawn_mark(sheet.code(mark.code), sheet.square)), (mark.x, mark.y))
    _, height, width = sheet.image
    for place in page.places:
        whole.paste(Image.fromarray(_enlarged(images[place.name], sheet)), (place.x, place.y))
        size = max(6, 2 * sheet.square)
        while size > 6 and ImageFont.load_default(size).getlength(place.name) > width * sheet.dots:
            size -= 1
        below = (place.x + width * sheet.dots // 2, place.y + height * sheet.dots + sheet.square)
        draw.text(below, place.name, fill=GREY, font=ImageFont.load_default(size), anchor="ma")
    return whole


def _enlarged(image: Tensor, sheet: Sheet) -> NDArray[np.uint8]:
    if tuple(image.shape) != sheet.image:
        raise InputError(f"an image has the shape {tuple(image.shape)}; expected {sheet.image}, as the others")
    levels = as_bytes(image.detach().cpu().numpy().astype(np.float64)).transpose(1, 2, 0)
    levels = np.ascontiguousarray(np.broadcast_to(levels, (*levels.shape[:2], 3)))
    return levels.repeat(sheet.dots, 0).repeat(sheet.dots, 1)


def write_sheet(
    images: Mapping[str, Tensor],
    path: Path,
    layout: Layout | None = None,
    *,
    about: Mapping[str, JsonValue] | None = None,
    force: bool = False,
) -> list[Path]:
    """Write images as a sheet to be printed, with its manifest beside it.

    Args:
        images: by the names that are printed below them, (c, h, w) from 0 to 1, all of one shape.
        path: ends in .pdf, which holds all pages, or .png, of which each page after the first gets its number.
        layout: `Layout()` by default.
        about: what shall stand in the manifest.
        force: replace a sheet that lies there; without it one of the same names, layout and `about` stays as it is.

    Returns:
        The files of the pages, then the manifest, NAME.json.

    Raises:
        InputError: another ending, or images that cannot be laid out.
        RunError: something lies there, or it cannot be written.

    Example:
        >>> import tempfile, torch
        >>> files = write_sheet({"grey": torch.full((3, 32, 32), 0.5)}, Path(tempfile.mkdtemp()) / "sheet.png")
        >>> [file.name for file in files]
        ['sheet.png', 'sheet.json']
    """
    if path.suffix.lower() not in (".pdf", ".png"):
        raise InputError(f"{path} ends in {path.suffix or 'nothing'}; expected a name that ends in .pdf or .png")
    shape = next((tuple(image.shape) for image in images.values()), (3, 0, 0))
    if len(shape) != 3:
        raise InputError(f"an image has the shape {shape}; expected channels x height x width")
    sheet = laid_out(shape, [*images], layout, about)
    count = len(sheet.pages)
    files = [path, *(path.with_name(f"{path.stem}-{k}{path.suffix}") for k in range(2, count + 1))]
    files = files if path.suffix.lower() == ".png" else [path]
    manifest = path.with_suffix(".json")
    if not force and all(file.is_file() for file in files) and _lies_there(sheet, manifest):
        return [*files, manifest]
    _check_place([*files, manifest], manifest, force=force)
    pages = [drawn_page(sheet, number, images) for number in range(count)]
    if len(files) == 1:
        write_atomically(path, _encoded(pages, path.suffix.lower(), sheet.dpi))
    else:
        for file, page in zip(files, pages, strict=True):
            write_atomically(file, _encoded([page], ".png", sheet.dpi))
    text = json.dumps(sealed({"format": FORMAT, "sheet": sheet.model_dump(mode="json")}), indent=1)
    write_atomically(manifest, (text + "\n").encode())
    return [*files, manifest]


def open_sheet(path: Path) -> Sheet:
    """Read the manifest of a sheet.

    Args:
        path: the manifest, or a page of the sheet beside it.

    Raises:
        RunError: there is none, it is damaged, or it is one of something else.
    """
    path = path if path.suffix.lower() == ".json" else path.with_suffix(".json")
    try:
        content = parse_json(read_text(path), str(path))
    except FileNotFoundError:
        raise RunError(f"{path} is not there; expected the manifest that lies beside a sheet of ours") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {quoted(error)}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or "sheet" not in content:
        raise RunError(f"{path} is no manifest of a sheet, format {FORMAT}; expected NAME.json beside NAME.pdf")
    if broken_seal(content):
        raise RunError(f"{path} is damaged or was changed by hand: its checksum is not that of its content")
    try:
        sheet = Sheet.model_validate_json(json.dumps(content["sheet"]))
        _check_whole(sheet)
    except (ValidationError, ValueError) as error:
        raise RunError(f"{path} is no manifest of a sheet: {quoted(error)}") from error
    check_limit("pixels", sheet.page[0] * sheet.page[1], f"a page of {path}")
    check_limit("pixels", sheet.image[1] * sheet.image[2], f"an image of {path}")
    return sheet


def _check_whole(sheet: Sheet) -> None:
    """Refuse what `laid_out` never says.

    Raises:
        ValueError: with what is wrong.
    """
    if min(*sheet.image, *sheet.page) < 1 or sheet.image[0] not in (1, 3):
        raise ValueError(f"images of {sheet.image} on pages of {sheet.page}")
    numbers = [mark.code for page in sheet.pages for mark in page.marks]
    if numbers != list(range(len(sheet.codes))):
        raise ValueError("its marks do not have its codes one after the other")
    for number in numbers:
        if not 0 <= int(sheet.codes[number], 16) < 1 << 36:
            raise ValueError(f"the code of mark {number} has not 36 bits")


def _lies_there(sheet: Sheet, manifest: Path) -> bool:
    """Whether just this sheet, with the same images by what is said about them, is printed already."""
    try:
        return open_sheet(manifest) == sheet
    except RunError:
        return False


def _check_place(files: Sequence[Path], manifest: Path, *, force: bool) -> None:
    """Refuse to write over anything but a sheet of ours, and over that without being told to.

    Raises:
        RunError: something lies there.
    """
    there = [file for file in files if file.exists() or file.is_symlink()]
    if not there:
        return
    try:
        open_sheet(manifest)
    except RunError:
        raise RunError(f"{there[0]} exists and is no sheet of ours; it stays as it is, give another name") from None
    if not force:
        raise RunError(
            f"{there[0]} belongs to a sheet that lies there already, which stays as it is; give another name, or "
            "--force to print it anew"
        )


def _encoded(pages: Sequence[Image.Image], ending: str, dpi: int) -> bytes:
    sink = io.BytesIO()
    if ending == ".png":
        pages[0].save(sink, "PNG", dpi=(dpi, dpi))
    else:
        pages[0].save(sink, "PDF", resolution=dpi, save_all=True, append_images=pages[1:], quality=100, subsampling=0)
    return sink.getvalue()
