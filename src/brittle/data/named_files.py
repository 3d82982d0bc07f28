"""Images that a table does not hold but names by the path of their file."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from brittle.data.cells import Cell, plain
from brittle.errors import BadImage, OverLimit, quoted
from brittle.parquet_directory import Directory
from brittle.reading import read_bytes

Where = Path | tuple[Path, ...]
"""Where files may lie that a table names: the folder where relative paths begin, or folders for whole paths."""


def content_of(cell: Cell, name: str, where: Where = ()) -> bytes:
    """Return the bytes of an encoded image, which a cell holds or names.

    Args:
        cell: bytes, or a struct with `bytes` or else `path`.
        name: what to call it in an error.
        where: the folder where relative paths begin, or the folders in one of which a whole path must lie, as
            `datasets` writes it; nothing outside of them is read.

    Raises:
        BadImage: there are neither bytes nor a file, or the file lies where a table must not point.
    """
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if isinstance(content, bytes):
        return content
    path = cell.get("path") if isinstance(cell, dict) else None
    if not isinstance(path, str) or not path:
        raise BadImage(name, "the cell holds no image: neither bytes nor the path of a file")
    return read_file(_place(path, name, where), name)


def read_file(place: Path, name: str) -> bytes:
    """Return the bytes of an ordinary file; raises BadImage."""
    try:
        return read_bytes(place, "cell")
    except OSError as error:
        raise BadImage(
            name, f"the cell has no bytes (only a path), and {place} cannot be read: {quoted(error.strerror or error)}"
        ) from error
    except (OverLimit, ValueError) as error:  # ValueError: a path with a zero byte
        raise BadImage(name, f"the cell has no bytes (only a path), and {quoted(error)}") from error


def _place(path: str, name: str, where: Where) -> Path:
    """Where a file lies that a cell names."""
    if "://" in path:
        raise BadImage(name, f"the cell has no bytes, and addresses such as {path[:80]!r} are not fetched")
    if isinstance(where, tuple):
        if not Path(path).is_absolute():
            raise BadImage(name, f"the cell has no bytes (only a path), and {path!r} does not say in which folder")
        place, roots, remedy = path, where, "a data set may name its own files alone"
    else:
        place, roots = str(where / path), (where,)
        remedy = "put the table into a folder above its images, or write the images into it"
    place = os.path.abspath(place)  # noqa: PTH100 (links are followed only when the file is opened)
    inside = [os.path.abspath(root) for root in roots]  # noqa: PTH100
    if not any(os.path.commonpath([root, place]) == root for root in inside):
        seen = " and ".join(inside) or "every folder of the data set"
        raise BadImage(name, f"the cell has no bytes, and {place} lies outside of {seen}; {remedy}")
    return Path(place)


def names_files(schema: Any, directory: Directory, column: str) -> bool:
    """Whether some cell of a column of images may have no bytes and the path of a file instead."""
    kind = plain(schema.field(column).type)
    if not any(field.name == "path" for field in getattr(kind, "fields", ())):
        return False
    held = [[chunk.nulls for chunk in group.chunks if chunk.path == (column, "bytes")] for group in directory.groups]
    return any(not nulls or any(found != 0 for found in nulls) for nulls in held)


def contents(cells: Iterable[Cell], folder: Path) -> Iterator[bytes]:
    """Yield the bytes of the files that cells without bytes name; nothing for those that cannot be read."""
    for cell in cells:
        if isinstance(cell, dict) and not isinstance(cell.get("bytes"), bytes):
            try:
                yield content_of(cell, "", folder)
            except BadImage:
                yield b""
