"""Parquet files in the layout of Hugging Face `datasets`: encoded images and integer labels."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from brittle.data.classes import read_names
from brittle.data.decode import decode
from brittle.data.fit import Fit, Picture
from brittle.data.source import UNLABELLED, Item, Source
from brittle.errors import BadImage, DataError, LabelError

IMAGE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("label", "labels", "fine_label")
# The functions below take Arrow's schemas and types as Any: pyarrow ships no types.
ROWS = 64  # rows that are read at a time
PIECE = 1 << 20  # bytes that are read or hashed at a time
SHARD = re.compile(r"(.*?)(-\d+(-of-\d+)?)?\.parquet", re.IGNORECASE | re.DOTALL)


class Parquet(Source):
    """Rows of one Parquet file, or of several (shards) one after another.

    The image column is `image` or `img`, or else the only one that the Hugging Face metadata or its type (a struct with
    `bytes`) shows to be one. The label column is `label`, `labels` or `fine_label`, or else the only `ClassLabel`. The
    class names come from the schema's metadata (key `huggingface`), or else from a `classes.json` beside the file.

    Args:
        paths: the files in order.
        spec: what the user wrote; the first path by default.
        fit: how images are brought to the form that the network takes.
        limit: how many of the first rows are used.
        skip_bad: whether images that cannot be read are left out and listed in `bad`.

    Raises:
        DataError: if a file cannot be read, is empty, or has no column of images.
        LabelError: if the labels are not integers.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        spec: str | None = None,
        fit: Fit | None = None,
        limit: int | None = None,
        skip_bad: bool = False,
    ):
        super().__init__(spec or str(paths[0]), fit=fit, limit=limit, skip_bad=skip_bad)
        self._paths = list(paths)
        counts: list[int] = []
        for path in self._paths:
            with open_file(path) as file:
                counts.append(file.metadata.num_rows)
                columns = find_columns(file.schema_arrow, path)
                if path is self._paths[0]:
                    self._image, self._label = columns
                    self.classes = class_names(file.schema_arrow, self._label) or read_names(path.parent)
                elif columns != (self._image, self._label):
                    raise DataError(f"{path} has the columns {columns}, {paths[0]} {(self._image, self._label)}")
        self._ends = list(accumulate(counts))
        self.total, self.labelled = self._ends[-1], self._label is not None
        if not self.total:
            raise DataError(f"{self.spec} has no rows; expected at least one image")

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Yield the rows start..stop - 1; a name is the row's path, or the number of the row."""
        for shard in range(bisect_right(self._ends, start), len(self._paths)):
            first = self._ends[shard - 1] if shard else 0
            if first >= stop:
                return
            columns = [name for name in (self._image, self._label) if name is not None]
            for index, row in read_rows(self._paths[shard], columns, first, max(start, first), stop):
                yield self._item(index, row)

    def content(self) -> Iterator[bytes]:
        """Yield the bytes of the files gone through."""
        last = bisect_right(self._ends, len(self) - 1)
        for path in self._paths[: last + 1]:
            with path.open("rb") as file:
                while piece := file.read(PIECE):
                    yield piece

    def _item(self, index: int, row: dict[str, Any]) -> Item:
        cell = row[self._image]
        content, name = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)
        name = name or f"row {index}"
        label = UNLABELLED if self._label is None else row[self._label]
        if label is None:
            raise LabelError(f"row {index} of {self.spec} ({name}) has no label in column {self._label!r}")
        return Item(index, name, label, partial(load, content, name))


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
        pattern = f"{splits[0]}-*.parquet" if example.stem != splits[0] else example.name
        raise DataError(
            f"folder {path} holds Parquet files of {len(splits)} splits ({', '.join(splits[:6])}); "
            f"name one, e.g. {path / pattern}"
        )
    return files


def open_file(path: Path) -> pq.ParquetFile:
    """Open a Parquet file that is read as a stream; raises DataError."""
    try:
        return pq.ParquetFile(path, buffer_size=PIECE, pre_buffer=False)  # else a whole row group is held
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; expected a Parquet file") from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}; is it complete?") from error


def read_rows(
    path: Path, columns: Sequence[str], first: int, start: int, stop: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (index, row) for the indices start..stop - 1 of a file whose first row has the index `first`."""
    with open_file(path) as file:
        groups: list[int] = []
        skipped, end = first, first
        for group in range(file.metadata.num_row_groups):
            begin, end = end, end + file.metadata.row_group(group).num_rows
            if end <= start:
                skipped = end
            elif begin < stop:
                groups.append(group)
        index = skipped
        try:
            for batch in file.iter_batches(ROWS, row_groups=groups, columns=list(columns), use_threads=False):
                rows = batch.slice(max(0, start - index), max(0, stop - max(start, index)))
                index += max(0, min(start - index, len(batch)))
                for row in rows.to_pylist():
                    yield index, row
                    index += 1
                if index >= stop:
                    return
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path} is damaged near row {index - first}: {error}") from error


def find_columns(schema: Any, path: Path) -> tuple[str, str | None]:
    """Return the names of the column of images and of that of labels (None if there is none).

    Raises:
        DataError: if there is no column of images, or more than one.
        LabelError: if the labels are not integers.
    """
    kinds = {name: feature.get("_type") for name, feature in features(schema).items() if isinstance(feature, dict)}
    named = [name for name in IMAGE_COLUMNS if name in schema.names]
    images = named[:1] or [f.name for f in schema if kinds.get(f.name) == "Image" or is_encoded(f.type)]
    seen = f"columns are {', '.join(f'{field.name} ({brief(field.type)})' for field in schema)}"
    if len(images) != 1:
        raise DataError(f"{path} has {len(images) or 'no'} columns of images; {seen}; expected one called 'image'")
    if not (is_encoded(schema.field(images[0]).type) or is_bytes(schema.field(images[0]).type)):
        raise DataError(f"{path}: column {images[0]!r} holds no encoded images; {seen}; expected struct(bytes, path)")
    named = [name for name in LABEL_COLUMNS if name in schema.names]
    labels = named[:1] or [name for name, kind in kinds.items() if kind == "ClassLabel" and name in schema.names]
    label = labels[0] if len(labels) == 1 else None
    if label is not None and not pa.types.is_integer(schema.field(label).type):
        raise LabelError(f"{path}: labels in column {label!r} are {schema.field(label).type}; expected integers from 0")
    return images[0], label


def features(schema: Any) -> dict[str, Any]:
    """Return the Hugging Face features of a schema, {} if it has none that can be read."""
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def class_names(schema: Any, label: str | None) -> tuple[str, ...]:
    """Return the class names in a schema's metadata, () if there are none."""
    feature = features(schema).get(label or "")
    names = feature.get("names") if isinstance(feature, dict) else None
    return tuple(str(name) for name in names) if isinstance(names, list) else ()


def is_bytes(kind: Any) -> bool:
    """Return whether a column holds bytes."""
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def is_encoded(kind: Any) -> bool:
    """Return whether a column holds structs with bytes."""
    return pa.types.is_struct(kind) and any(field.name == "bytes" and is_bytes(field.type) for field in kind)


def brief(kind: Any) -> str:
    """Return a type in few characters."""
    return text if len(text := str(kind)) <= 40 else text[:37] + "..."


def load(content: bytes | None, name: str) -> Picture:
    """Decode one cell."""
    if content is None:
        raise BadImage(name, "the cell has no bytes (only a path, or nothing)")
    return decode(content, name)
