"""Parquet files in the layout of Hugging Face `datasets`: encoded images and integer labels."""

import re
from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from glob import escape
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow.parquet as pq

from brittle.data.arrays import layout, to_pixels
from brittle.data.cells import Cell, cells_of, is_text, unpacked
from brittle.data.classes import Order, read_names, sort_names
from brittle.data.columns import class_names, find_columns, numbered
from brittle.data.decode import decode, look
from brittle.data.fit import Fit, Picture
from brittle.data.header import Header, header_of_picture
from brittle.data.named_files import Where, content_of, contents, names_files
from brittle.data.source import Item, Source
from brittle.data.survey import UNLABELLED
from brittle.errors import BrittleError, DataError, LabelError, quoted
from brittle.limits import check_limit, current
from brittle.parquet_directory import Directory, read_directory
from brittle.parquet_pages import largest_page
from brittle.reading import open_ordinary

# The functions below take Arrow's schemas and types as Any: pyarrow ships no types.
SHOWN = 6  # names of classes that are told
ROWS = 64  # rows that are read at a time
LABELS = 1 << 16  # labels that are read at a time
PIECE = 1 << 20  # bytes that are read or hashed at a time
SHARD = re.compile(r"(.*?)(-\d+(-of-\d+)?)?\.parquet", re.IGNORECASE | re.DOTALL)


class Parquet(Source):
    """Rows of one Parquet file, or of several (shards) one after another.

    The image column is `image` or `img`, or else the only one that the Hugging Face metadata or its type (a struct with
    `bytes`, a tensor) shows to be one. It holds encoded images in bytes of any kind, the paths of their files within
    the folder of the table (in structs without bytes), or nested lists of numbers. The
    label column is `label`, `labels` or `fine_label`, or else the only `ClassLabel`; it holds integers, or names. The
    class names come from the schema's metadata (`datasets`, polars' Enum), or else from a `classes.json` beside the
    file; failing both, labels that are names are numbered in their order.

    Args:
        paths: the files in order.
        spec: what the user wrote; the first path by default.
        fit: how images are brought to the form that the network takes.
        max_images: how many of the first rows are used.
        skip_bad: whether images that cannot be read are left out and listed in `bad`.
        class_order: how labels that are names of whole numbers are ordered, see `Order`.

    Raises:
        OverLimit: if a page or a cell declares more than the limits allow.
        DataError: if a file cannot be read, is empty, or has no column of images.
        LabelError: if the labels are neither integers nor names.
    """

    ahead = True

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        spec: str | None = None,
        fit: Fit | None = None,
        max_images: int | None = None,
        skip_bad: bool = False,
        class_order: Order = "auto",
    ):
        super().__init__(spec or str(paths[0]), fit=fit, max_images=max_images, skip_bad=skip_bad)
        self._paths = list(paths)
        counts: list[int] = []
        for path in self._paths:
            with open_file(path) as file:
                counts.append(file.directory.rows)
                schema: Any = file.table.schema_arrow
                columns = find_columns(schema, path)
                if path is self._paths[0]:
                    self._image, self._label = columns
                    self.classes = class_names(schema, self._label) or read_names(path.parent)
                    kind = None if self._label is None else schema.field(self._label).type
                    self._by_name = kind is not None and is_text(kind)
                elif columns != (self._image, self._label):
                    raise DataError(f"{path} has the columns {columns}, {paths[0]} {(self._image, self._label)}")
        self._ends = list(accumulate(counts))
        self.total, self.labelled = self._ends[-1], self._label is not None
        if not self.total:
            raise DataError(f"{self.spec} has no rows; expected at least one image")
        if self._label is not None and self._by_name and not self.classes:
            self.classes, self.remarks = label_names(self._paths, self._label, class_order)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Yield the rows start..stop - 1; a name is the row's path, or the number of the row."""
        for shard in range(bisect_right(self._ends, start), len(self._paths)):
            first = self._ends[shard - 1] if shard else 0
            if first >= stop:
                return
            columns = [name for name in (self._image, self._label) if name is not None]
            for index, row in read_rows(self._paths[shard], columns, first, max(start, first), stop):
                yield self._item(index, row, self._paths[shard].parent)

    def content(self) -> Iterator[bytes]:
        """Yield the bytes of the files gone through.

        The files that these name for images follow, and the classes, where labels are names that these number.
        """
        last = bisect_right(self._ends, len(self) - 1)
        for path in self._paths[: last + 1]:
            with open_ordinary(path) as file:
                while piece := file.read(PIECE):
                    yield piece
        yield from self._named_content(last)
        if self._by_name:
            yield "\0".join(self.classes).encode("utf-8", "surrogatepass")

    def _named_content(self, last: int) -> Iterator[bytes]:
        """Yield the bytes of the images that tables up to a number name by their path."""
        for number, path in enumerate(self._paths[: last + 1]):
            with open_file(path) as file:
                if not names_files(file.table.schema_arrow, file.directory, self._image):
                    continue
            first = self._ends[number - 1] if number else 0
            stop = min(self._ends[number], len(self))
            yield from contents(
                (row[self._image] for _, row in read_rows(path, [self._image], first, first, stop)), path.parent
            )

    def _item(self, index: int, row: dict[str, Any], folder: Path) -> Item:
        cell = row[self._image]
        name = str((cell.get("path") if isinstance(cell, dict) else None) or f"row {index}")
        label = UNLABELLED if self._label is None else row[self._label]
        if label is None:
            raise LabelError(f"row {index} of {self.spec} ({quoted(name)}) has no label in column {self._label!r}")
        number = (
            numbered(self.classes, label, f"row {index} of {self.spec} ({quoted(name)})")
            if self._by_name
            else int(label)
        )
        return Item(index, name, number, partial(load, cell, name, folder), partial(look_at, cell, name, folder))


def shards(path: Path) -> list[Path]:
    """Return the Parquet files of a folder, or those that a pattern such as `data/test-*.parquet` matches, sorted.

    Raises:
        DataError: if there are none, or if they belong to more than one split.
    """
    files = sorted(path.glob("*.parquet") if path.is_dir() else path.parent.glob(path.name))
    splits = sorted({match[1] for file in files if (match := SHARD.fullmatch(file.name))})
    if not files:
        raise DataError(f"no file matches {path}; expected Parquet files")
    if len(splits) > 1 and path.is_dir():
        example = next(file for file in files if file.name.startswith(splits[0]))
        pattern = f"{escape(splits[0])}-*.parquet" if example.stem != splits[0] else example.name
        raise DataError(
            f"folder {path} holds Parquet files of {len(splits)} splits ({', '.join(splits[:6])}); "
            f"name one, e.g. {path / pattern}"
        )
    return files


@dataclass(frozen=True)
class Opened:
    """A file that is open: as pyarrow reads it, as a stream of bytes, and what it declares."""

    table: pq.ParquetFile
    stream: BinaryIO
    directory: Directory


@contextmanager
def open_file(path: Path) -> Generator[Opened]:
    """Open a Parquet file that is read as a stream; what goes wrong in it while it is open becomes a DataError."""
    try:
        with open_ordinary(path) as file:
            directory = read_directory(file, str(path))
            with pq.ParquetFile(file, buffer_size=PIECE, pre_buffer=False) as table:  # else a whole row group is held
                yield Opened(table, file, directory)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; expected a Parquet file") from error
    except BrittleError:
        raise
    except Exception as error:  # Arrow passes on whatever its parts raise at a damaged file
        raise DataError(f"{path} cannot be read as Parquet: {quoted(error)}; is it complete?") from error


def read_rows(
    path: Path, columns: Sequence[str], first: int, start: int, stop: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (index, row) for the indices start..stop - 1 of a file whose first row has the index `first`.

    The first of the columns is that of the images.
    """
    with open_file(path) as file:
        end = first
        for number, group in enumerate(file.directory.groups):
            begin, end = end, end + group.rows
            if end <= start:
                continue
            if begin >= stop:
                return
            index = begin
            try:
                for batch in batches(file, number, columns, ROWS):
                    rows = batch.slice(max(0, start - index), max(0, stop - max(start, index)))
                    index += max(0, min(start - index, len(batch)))
                    for row in rows_of(rows, columns, path):
                        yield index, row
                        index += 1
                    if index >= stop:
                        return
            except BrittleError:
                raise
            except Exception as error:  # Arrow passes on whatever its parts raise at a damaged file
                raise DataError(f"{path} is damaged near row {index - first}: {quoted(error)}") from error
            if index < end:
                raise DataError(
                    f"{path} is damaged near row {index - first}: it says that it has more rows than it has"
                )


def rows_of(batch: Any, columns: Sequence[str], path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a batch, images undecoded."""
    images = cells_of(batch.column(columns[0]), f"{path}: column {columns[0]!r}")
    others = [unpacked(batch.column(name)).to_pylist() for name in columns[1:]]
    for row in zip(images, *others, strict=True):
        yield dict(zip(columns, row, strict=True))


def batches(file: Opened, group: int, columns: Sequence[str], most: int, limit: str = "cell") -> Iterator[Any]:
    """Yield the rows of a group, so few at a time that they keep a limit although equal values are stored once."""
    stream = file.stream
    largest = largest_page(stream, file.directory.groups[group], tuple(columns), str(stream.name), limit)
    rows = max(1, min(most, current().cell // largest))
    yield from file.table.iter_batches(rows, row_groups=[group], columns=list(columns), use_threads=False)


def label_names(paths: Sequence[Path], label: str, order: Order) -> tuple[tuple[str, ...], list[str]]:
    """Return the names in a column of labels, in order, and what is to be said of their order."""
    names: set[str] = set()
    for path in paths:
        with open_file(path) as file:
            for group in range(len(file.directory.groups)):
                for batch in batches(file, group, [label], LABELS, "text"):
                    new = unpacked(batch.column(0)).unique().to_pylist()
                    names.update(str(name) for name in new if name is not None)
                check_limit("text", sum(map(len, names)), f"the names in column {label!r} of {path}")
    found, remarks = sort_names(names, order)
    some = ", ".join(found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
    return found, remarks or [f"labels of column {label!r} are names, numbered in their order ({some})"]


def load(cell: Cell, name: str, where: Where = ()) -> Picture:
    """Decode one cell; see `content_of` for where an image may lie that it names by its path."""
    if isinstance(cell, np.ndarray):
        _, last = layout((1, *cell.shape), cell.dtype, f"the array of {name}, with its number of images,")
        return to_pixels(cell, last, name)
    return decode(content_of(cell, name, where), name)


def look_at(cell: Cell, name: str, where: Where = ()) -> tuple[Header, float]:
    """Return a cell's header and its brightest value."""
    if isinstance(cell, np.ndarray):
        picture = load(cell, name)
        assert isinstance(picture, np.ndarray)
        return header_of_picture(picture), float(picture.max())
    return look(content_of(cell, name, where), name)
