"""The door for what a page is made from: files that nobody need trust, read within limits and refused in one line."""

import io
import json
import stat
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from jinja2 import TemplateError
from PIL import Image, UnidentifiedImageError
from safetensors import SafetensorError, safe_open

from brittle.errors import RunError, quoted
from brittle.files import named_in_text, read_text, write_atomically

PIXELS = 50_000_000
"""Most pixels of a picture."""
OTHER_JSON = "a JSON file of something else"
HEAD = 16
"""Bytes at the beginning of a file that tell what it is."""
KINDS = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive, such as .pt, .pt2 and .npz are",
    b"<": "HTML or XML",
}
"""What files that are often mistaken begin with."""


@contextmanager
def shown(path: Path, what: str) -> Generator[None]:
    """Refuse in one short line what cannot be read or drawn.

    Args:
        path: the file or folder that is read within.
        what: it should be, such as "the course of a training".

    Raises:
        RunError: anything went wrong that a damaged or foreign file can bring about.
    """
    try:
        yield
    except (
        *(OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError),
        *(RecursionError, TemplateError, SafetensorError, pa.ArrowException, Image.DecompressionBombError),
    ) as error:
        said = f"{type(error).__name__}: {quoted(error)}"
        raise RunError(f"{path} is not {what} as brittle writes it, or is damaged ({said})") from error


def regular(path: Path) -> bool:
    """Whether a path is an ordinary file, rather than a device or a pipe, which may never end."""
    return stat.S_ISREG(path.stat().st_mode)


def object_of(path: Path) -> dict[str, Any]:
    """Return the JSON object that a file holds; errors as of `read_text`."""
    found = json.loads(read_text(path))
    if not isinstance(found, dict):
        raise ValueError(f"it holds a JSON {type(found).__name__}, not an object")
    return cast("dict[str, Any]", found)


def story_of(path: Path) -> Mapping[str, Any] | None:
    """Return what brittle wrote into the header of a safetensors file; None where it is no such file.

    The tensors are not read.
    """
    try:
        with named_in_text(path) as name, safe_open(name, framework="np") as file:
            found = json.loads((file.metadata() or {}).get("brittle", "{}"))
    except (OSError, SafetensorError, ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def picture_in(png: bytes) -> Image.Image:
    """Return a picture in memory, so that nothing but pixels reaches a page.

    Raises:
        OSError, ValueError: it is no whole PNG, or has more than `PIXELS` pixels.
    """
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
            if picture.width * picture.height > PIXELS:
                raise ValueError(f"a picture has {picture.width:,} x {picture.height:,} pixels")
            picture.load()
            return picture.copy()
    except UnidentifiedImageError as error:
        raise ValueError("a picture is no PNG") from error


def placed(page: str, usual: Path, out: Path | None) -> Path:
    """Write a page and say where: at `usual`, in `out` under that name where it is a folder, or at `out`.

    Raises:
        RunError: it cannot be written.
    """
    target = usual if out is None else Path(out)
    if target.is_dir():
        target /= usual.name
    write_atomically(target, page.encode())
    return target


def kind_of(path: Path) -> str:
    """Say in a few words what a file is, by how it begins."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        return "an empty file"
    for begins, name in KINDS.items():
        if head.startswith(begins):
            return name
    if head[8:9] == b"{" and head[4:8] == bytes(4):
        return "a safetensors file that holds no training and no perturbation of brittle"
    return OTHER_JSON if head.lstrip()[:1] in (b"{", b"[") else "a file of another kind"
