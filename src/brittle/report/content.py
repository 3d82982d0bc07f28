"""The door for what a page is made from: files that nobody need trust, read within limits and refused in one line."""

import io
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from jinja2 import TemplateError
from PIL import Image, UnidentifiedImageError

from brittle.errors import OverLimit, RunError, quoted
from brittle.files import write_atomically
from brittle.limits import check_limit
from brittle.reading import open_tensors, parse_json, read_bytes, read_json
from brittle.report.titles import check_title, title_in, titled
from brittle.runs.kinds import PAGE, RUN, Kind, kind_in
from brittle.runs.place import check_page

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
        *(RecursionError, TemplateError, pa.ArrowException, Image.DecompressionBombError),
    ) as error:
        said = f"{type(error).__name__}: {quoted(error)}"
        raise RunError(f"{path} is not {what} as brittle writes it, or is damaged ({said})") from error


def object_of(path: Path) -> dict[str, Any]:
    """Return the JSON object that a file holds; errors as of `read_json`."""
    found = read_json(path)
    if not isinstance(found, dict):
        raise ValueError(f"it holds a JSON {type(found).__name__}, not an object")
    return cast("dict[str, Any]", found)


def folder_of(path: Path, kind: Kind) -> Path | None:
    """Return the folder that a user means by its own path or by that of a file in it.

    Args:
        path: what the user named.
        kind: of the folder, whose files count.

    Returns:
        The folder; None for a file of an earlier version, which lies in none.
    """
    if path.is_dir():
        return path
    return path.parent if path.name in (*kind.files, RUN) and kind_in(path.parent) is not None else None


def story_of(path: Path) -> Mapping[str, Any] | None:
    """Return what brittle wrote into the header of a safetensors file; None where it is no such file.

    The tensors are not read.
    """
    try:
        with open_tensors(path, "np") as file:
            found = parse_json((file.metadata() or {}).get("brittle", "{}"))
    except (OSError, OverLimit, ValueError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def picture_in(png: bytes) -> Image.Image:
    """Return a picture in memory, so that nothing but pixels reaches a page.

    Raises:
        OSError, ValueError, OverLimit: it is no whole PNG, or has more pixels than the limits allow.
    """
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
            check_limit("pixels", picture.width * picture.height, "a picture")
            picture.load()
            return picture.copy()
    except UnidentifiedImageError as error:
        raise ValueError("a picture is no PNG") from error


def placed(page: str, usual: Path, out: Path | None, *, force: bool = False, title: str | None = None) -> Path:
    """Write a page and say where: at `usual`, in `out` under that name where it is a folder, or at `out`.

    At `usual` a page replaces the one before; elsewhere one that says something else only with `force`, and what is no
    page of ours nowhere. Its
    title is `title`, brittle's own where that is "", and where it is None that of the page that lies at `usual`.

    Raises:
        InputError: the title is too long.
        RunError: it cannot be written, or something is there that stays.
    """
    page = titled(page, title_in(usual) if title is None else check_title(title))
    target = usual if out is None else Path(out)
    if target.is_dir():
        target /= usual.name
    asked = target.absolute() != usual.absolute() and not _holds(target, page.encode())
    check_page(target, PAGE, asked=asked, force=force)
    write_atomically(target, page.encode())
    return target


def _holds(path: Path, content: bytes) -> bool:
    """Whether an ordinary file has a content already."""
    try:
        return path.is_file() and path.stat().st_size == len(content) and read_bytes(path) == content
    except (OSError, OverLimit):
        return False


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
