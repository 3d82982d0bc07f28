"""What a Parquet file declares, read from its own headers before anything of it is inflated.

Arrow inflates a page to the size that its header states, whatever the file's directory says of it, and values that are
equal are stored once. The headers are structures in Thrift's compact protocol.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow.parquet as pq

from brittle.limits import check_limit
from brittle.reading import open_ordinary

Fields = dict[int, Any]
"""A structure of Thrift: values by the numbers of their fields; of lists the elements, of text the bytes."""
MAGIC, TAIL = b"PAR1", 8
"""How a file ends, and the bytes of that with the length of what stands before it."""
SCHEMA, CHILDREN = 2, 5
"""Fields of the file's directory: the schema, and how many children an element of it has."""
INFLATED, DEFLATED, DATA, DICTIONARY, DATA_2, VALUES = 2, 3, 5, 7, 8, 1
"""Fields of a page's header: sizes, three kinds of pages, and of each kind the number of values."""
PIECE = 1 << 14  # bytes in which a page's header is looked for first
NESTED = 20  # structures of a header that lie within each other
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12, "BYTE_ARRAY": 4}
"""Least bytes that a value of a type takes in memory."""


@dataclass
class Compact:
    """A reader of Thrift's compact protocol; what is damaged raises ValueError or IndexError.

    Attributes:
        content: the bytes.
        place: where it reads next.
    """

    content: bytes
    place: int = 0

    def byte(self) -> int:
        """Read one byte."""
        self.place += 1
        return self.content[self.place - 1]

    def number(self) -> int:
        """Read a number from 0 up, of any length."""
        value = shift = 0
        while shift < 70:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise ValueError("a number of more than 64 bits")

    def signed(self) -> int:
        """Read a number of either sign."""
        value = self.number()
        return (value >> 1) ^ -(value & 1)

    def skip(self, length: int) -> bytes:
        """Read so many bytes."""
        if length > len(self.content) - self.place:
            raise IndexError("it ends early")
        self.place += length
        return self.content[self.place - length : self.place]

    def structure(self, last: int | None = None, depth: int = 0) -> Fields:
        """Read a structure, as far as the field `last`, or to its end."""
        if depth > NESTED:
            raise ValueError("structures within each other")
        found: Fields = {}
        field = 0
        while head := self.byte():
            field = field + (head >> 4) if head >> 4 else self.signed()
            found[field] = self.value(head & 15, depth, inside=False)
            if field == last:
                break
        return found

    def value(self, kind: int, depth: int, *, inside: bool) -> Any:
        """Read a value of a type; true and false stand in the type itself unless they lie inside a list."""
        if kind in (1, 2):
            return self.byte() == 1 if inside else kind == 1
        if kind == 3:
            return self.byte()
        if kind in (4, 5, 6):
            return self.signed()
        if kind in (7, 8):
            return self.skip(8 if kind == 7 else self.number())
        if kind in (9, 10):
            return self.elements(depth)
        if kind == 12:
            return self.structure(None, depth + 1)
        raise ValueError(f"a value of type {kind}")

    def elements(self, depth: int) -> list[Any]:
        """Read a list."""
        head = self.byte()
        count = head >> 4 if head >> 4 < 15 else self.number()
        if count > len(self.content) - self.place:
            raise IndexError("it ends early")
        return [self.value(head & 15, depth, inside=True) for _ in range(count)]


def check_directory(file: BinaryIO, what: str) -> None:
    """Refuse a file whose directory is too large, or whose schema is nested too deep.

    Raises:
        ValueError: it is no Parquet file, or a damaged one.
        OverLimit: as said.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - TAIL))
    tail = file.read(TAIL)
    length = int.from_bytes(tail[:4], "little")
    if len(tail) < TAIL or tail[4:] != MAGIC or length + TAIL > size:
        raise ValueError("it does not end as a Parquet file does")
    check_limit("text", length, f"the directory of {what}")
    file.seek(size - TAIL - length)
    try:
        schema = Compact(file.read(length)).structure(SCHEMA)[SCHEMA]
        counts = [int(cast("Fields", element).get(CHILDREN, 0)) for element in schema]
    except (IndexError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"its schema cannot be read ({error})") from error
    check_limit("depth", _depth(counts), f"the schema of {what}")


def _depth(counts: list[int]) -> int:
    """How deep a tree is, given the number of children of each element, parents first."""
    waiting: list[int] = []
    deepest = 0
    for count in counts:
        deepest = max(deepest, len(waiting))
        if count > 0:
            waiting.append(count)
            continue
        while waiting:
            waiting[-1] -= 1
            if waiting[-1]:
                break
            waiting.pop()
    return deepest


def largest_page(file: BinaryIO, group: Any, columns: tuple[str, ...], what: str, limit: str = "cell") -> int:
    """Return the bytes of the largest page in some columns of a group of rows, by the pages' own headers.

    Args:
        file: the Parquet file.
        group: pyarrow's description of the group.
        columns: their names; of nested ones all that is within.
        what: what to call the file in an error.
        limit: the name of the limit that a page must keep.

    Raises:
        ValueError: a header is damaged.
        OverLimit: a page would take too much, or a column as lists of numbers.
    """
    largest = 1
    for number in range(group.num_columns):
        chunk = group.column(number)
        if chunk.path_in_schema.partition(".")[0] in columns:
            largest = max(largest, _largest_of(file, chunk, f"column {chunk.path_in_schema!r} of {what}", limit))
    return largest


def check_table(path: Path) -> None:
    """Refuse a Parquet file that, read whole, would take more than the limits allow, by the headers of its pages.

    Raises:
        OSError: it is no ordinary file, or cannot be read.
        ValueError: it is no Parquet file, or a damaged one.
        OverLimit: as said.
    """
    with open_ordinary(path) as file:
        check_directory(file, str(path))
        metadata = pq.read_metadata(file)
        columns = tuple(metadata.schema.column(number).path.partition(".")[0] for number in range(metadata.num_columns))
        largest_of = (
            largest_page(file, metadata.row_group(group), columns, str(path))
            for group in range(metadata.num_row_groups)
        )
        check_limit("record", sum(largest_of), str(path))


def _largest_of(file: BinaryIO, chunk: Any, what: str, limit: str) -> int:
    place = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < (chunk.dictionary_page_offset or 0) < place:
        place = chunk.dictionary_page_offset
    end, width = place + chunk.total_compressed_size, WIDTHS.get(chunk.physical_type, 1)
    largest = total = 0
    while place < end and total < chunk.num_values:
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
        reader = Compact(file.read(min(piece, end - place)))
        try:
            header = reader.structure()
        except IndexError as error:
            if len(reader.content) < piece:
                raise ValueError("a page's header ends early") from error
            piece *= 16  # it may hold long statistics
            check_limit("text", piece, "a page's header")
            continue
        if INFLATED not in header or DEFLATED not in header:
            raise ValueError("a page has no size")
        return header, reader.place
