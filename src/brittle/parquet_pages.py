"""What a Parquet file declares, read from its own headers before anything of it is inflated.

Arrow inflates a page to the size that its header states, whatever the file's directory says of it, and values that are
equal are stored once. The headers are structures in Thrift's compact protocol.
"""

import io
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from brittle.limits import Limits, check_limit, current
from brittle.parquet_directory import Chunk, Group, read_directory
from brittle.reading import open_ordinary
from brittle.thrift import Fields, structure

INFLATED, DEFLATED, DATA, DATA_2, VALUES = 2, 3, 5, 8, 1
"""Fields of a page's header: sizes, the kinds of pages that hold values, and of these the number of values."""
SMALL = 1 << 17  # bytes of a file whose headers are kept in mind
MOST = 1 << 16  # such files
PIECE = 1 << 14  # bytes in which a page's header is looked for first
WIDTHS = (1, 4, 8, 12, 4, 8, 4, 1)
"""Least bytes that a value of a type takes in memory: BOOLEAN, INT32, INT64, INT96, FLOAT, DOUBLE, bytes, fixed."""


def largest_page(file: BinaryIO, group: Group, columns: tuple[str, ...], what: str, limit: str = "cell") -> int:
    """Return the bytes of the largest page in some columns of a group of rows, by the pages' own headers.

    Args:
        file: the Parquet file.
        group: what the directory says of the group.
        columns: their names; of nested ones all that is within.
        what: what to call the file in an error.
        limit: the name of the limit that a page must keep.

    Raises:
        ValueError: a header is damaged.
        OverLimit: a page would take too much, or a column as lists of numbers.
    """
    largest = 1
    for chunk in group.chunks:
        if chunk.path[0] in columns:
            largest = max(largest, _largest_of(file, chunk, f"column {'.'.join(chunk.path)!r} of {what}", limit))
    return largest


@dataclass(frozen=True)
class Announced:
    """What the headers of a file say of its rows.

    Attributes:
        inflated: bytes that they take when they are inflated.
        empty: columns without a single value.
    """

    inflated: int
    empty: frozenset[str]


def check_table(path: Path) -> Announced:
    """Refuse a Parquet file that, read whole, would take more than the limits allow, by the headers of its pages.

    Raises:
        OSError: it is no ordinary file, or cannot be read.
        ValueError: it is no Parquet file, or a damaged one.
        OverLimit: as said.
    """
    with open_ordinary(path) as file:
        content = file.read(SMALL + 1)
        if len(content) > SMALL:
            return _announced(file, str(path))
    key = blake2b(content).digest(), current()
    found = _KNOWN.get(key)  # a part of a run is read again by each that looks at it: its end, the checks, the report
    if found is None:
        if len(_KNOWN) >= MOST:
            _KNOWN.clear()
        found = _KNOWN[key] = _announced(io.BytesIO(content), str(path))
    return found


_KNOWN: dict[tuple[bytes, Limits], Announced] = {}
"""What small files announce, by their bytes, for as long as the limits are the same."""


def _announced(file: BinaryIO, what: str) -> Announced:
    groups = read_directory(file, what).groups
    total = 0
    for group in groups:
        total += largest_page(file, group, tuple(chunk.path[0] for chunk in group.chunks), what)
    check_limit("record", total, what)
    chunks = [chunk for group in groups for chunk in group.chunks]
    filled = {chunk.path[0] for chunk in chunks if chunk.nulls != chunk.values}
    return Announced(sum(group.inflated for group in groups), frozenset({chunk.path[0] for chunk in chunks} - filled))


def _largest_of(file: BinaryIO, chunk: Chunk, what: str, limit: str) -> int:
    place, width = chunk.begin, WIDTHS[chunk.kind] if chunk.kind < len(WIDTHS) else 1
    end = place + chunk.deflated
    largest = total = 0
    while place < end and total < chunk.values:
        header, length = _header(file, place, end)
        page = next((header[kind] for kind in (DATA, DATA_2) if kind in header), {})
        size, values = int(header[INFLATED]), int(page.get(VALUES, 0))
        if size < 0 or values < 0 or header[DEFLATED] < 0:
            raise ValueError("a page has a negative size")
        check_limit(limit, max(size, values * width), f"a page in {what}")
        largest, total = max(largest, size), total + values
        place += length + int(header[DEFLATED])
    check_limit("array", total * width, what)
    return largest


def _header(file: BinaryIO, place: int, end: int) -> tuple[Fields, int]:
    """The header of the page that begins at a place, and its length."""
    piece = PIECE
    while True:
        file.seek(place)
        content = file.read(min(piece, end - place))
        try:
            header, length = structure(content)
        except IndexError as error:
            if len(content) < piece:
                raise ValueError("a page's header ends early") from error
            piece *= 16  # it may hold long statistics
            check_limit("text", piece, "a page's header")
            continue
        if INFLATED not in header or DEFLATED not in header:
            raise ValueError("a page has no size")
        return header, length
