"""What a Parquet file's directory declares: its schema, groups of rows and their columns.

It is read here and not by pyarrow, whose accessors end the process where the entries of a column contradict each other.
The directory is a structure in Thrift's compact protocol.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, cast

from brittle.limits import check_limit
from brittle.thrift import Fields, structure

MAGIC, TAIL = b"PAR1", 8
"""How a file ends, and the bytes of that with the length of what stands before it."""
SCHEMA, ROWS, GROUPS, CHILDREN = 2, 3, 4, 5
"""Fields of the directory, and of an element of the schema: how many children it has."""
COLUMNS, BYTES, META, ENCRYPTED = 1, 2, 3, 8
"""Fields of a group: its columns, its bytes when inflated (its rows are field 3 as well); and of a column."""
TYPE, PATH, VALUES, DEFLATED, PAGES, DICTIONARY, STATISTICS, NULLS = 1, 3, 5, 7, 9, 11, 12, 3
"""Fields of what a column says of itself, and of its statistics."""


@dataclass(frozen=True)
class Chunk:
    """One column of a group of rows.

    Attributes:
        path: its name, and those of what lies within it.
        kind: number of its type.
        values: how many it has.
        begin: where its first page lies.
        deflated: bytes of all its pages.
        nulls: how many values are missing; None where it does not say.
    """

    path: tuple[str, ...]
    kind: int
    values: int
    begin: int
    deflated: int
    nulls: int | None


@dataclass(frozen=True)
class Group:
    """A group of rows: how many, their bytes when inflated, and their columns."""

    rows: int
    inflated: int
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True)
class Directory:
    """What a file declares: its rows, and the groups that they lie in."""

    rows: int
    groups: tuple[Group, ...]


def read_directory(file: BinaryIO, what: str) -> Directory:
    """Read the directory of a file.

    Args:
        file: the Parquet file.
        what: what to call it in an error.

    Raises:
        ValueError: it is no Parquet file, or a damaged or encrypted one.
        OverLimit: its directory is too large, or its schema is nested too deep.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - TAIL))
    tail = file.read(TAIL)
    length = int.from_bytes(tail[:4], "little")
    if len(tail) < TAIL or tail[4:] != MAGIC or length + TAIL > size:
        raise ValueError("it does not end as a Parquet file does")
    check_limit("text", length, f"the directory of {what}")
    file.seek(size - TAIL - length)
    directory, depth = _parsed(file.read(length))
    check_limit("depth", depth, f"the schema of {what}")
    return directory


@lru_cache(maxsize=4)  # a file is opened again for every block of its rows
def _parsed(content: bytes) -> tuple[Directory, int]:
    """Read a directory out of its bytes; return it with the depth of its schema."""
    try:
        found, _ = structure(content, last=GROUPS)
        elements = cast("list[Fields]", found[SCHEMA])
        counts = [int(element.get(CHILDREN, 0)) for element in elements]
        groups = tuple(_group(one) for one in found[GROUPS])
        rows = _count(found, ROWS)
    except (IndexError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"its directory cannot be read ({error})") from error
    leaves = sum(count == 0 for count in counts[1:])
    if any(len(group.chunks) != leaves for group in groups) or sum(group.rows for group in groups) != rows:
        raise ValueError("the groups of its rows do not fit its schema")
    return Directory(rows, groups), _depth(counts)


def _group(fields: Fields) -> Group:
    return Group(_count(fields, ROWS), _count(fields, BYTES), tuple(_chunk(one) for one in fields[COLUMNS]))


def _chunk(fields: Fields) -> Chunk:
    if ENCRYPTED in fields or META not in fields:
        raise ValueError("a column is encrypted, or says nothing of itself")
    meta = cast("Fields", fields[META])
    begin, dictionary = _count(meta, PAGES), meta.get(DICTIONARY, 0)
    return Chunk(
        path=tuple(bytes(name).decode("utf-8", "replace") for name in meta[PATH]),
        kind=_count(meta, TYPE),
        values=_count(meta, VALUES),
        begin=dictionary if 0 < dictionary < begin else begin,
        deflated=_count(meta, DEFLATED),
        nulls=meta.get(STATISTICS, {}).get(NULLS),
    )


def _count(fields: Fields, number: int) -> int:
    value = fields[number]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no number from 0 up")
    return value


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
