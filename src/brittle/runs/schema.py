"""The columns of a part of a run folder: one row per image; docs/report.md says what each means."""

# pyright: reportUnknownParameterType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyarrow ships no types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from brittle.errors import RunError, quoted
from brittle.limits import check_limit
from brittle.parquet_pages import check_table
from brittle.reading import check_ordinary, named_in_text

_FIELDS: list[tuple[str, pa.DataType]] = [
    ("index", pa.int64()),
    ("name", pa.string()),
    ("label", pa.int32()),
    ("clean_prediction", pa.int32()),
    ("clean_confidence", pa.float32()),
    ("correct", pa.bool_()),
    ("prediction", pa.int32()),
    ("confidence", pa.float32()),
    ("success", pa.bool_()),
    ("rounded_success", pa.bool_()),
    ("size", pa.float64()),
    ("l0", pa.float64()),
    ("l1", pa.float64()),
    ("l2", pa.float64()),
    ("linf", pa.float64()),
    ("pixels", pa.float64()),
    ("flow", pa.float64()),
    ("image_l1", pa.float64()),
    ("image_l2", pa.float64()),
    ("image_linf", pa.float64()),
    ("forward", pa.int32()),
    ("backward", pa.int32()),
    ("iterations", pa.int32()),
    ("nonfinite_outputs", pa.int32()),
    ("nonfinite_gradients", pa.int32()),
    ("seconds", pa.float64()),
    ("channels", pa.int32()),
    ("height", pa.int32()),
    ("width", pa.int32()),
]
_BEFORE_ROUNDING = "size_unrounded"
_REFUSALS = ("clean_refused", "refused")
"""Columns of networks that may refuse images; files of older versions lack them."""
PICTURES = ("original", "adversarial", "field")
"""Columns of what an image looked like before and after, as bytes; most rows have none."""
SCHEMA = pa.schema(
    [pa.field(name, kind, nullable=False) for name, kind in _FIELDS]
    + [pa.field(_BEFORE_ROUNDING, pa.float64(), nullable=True)]
    + [pa.field(name, pa.bool_(), nullable=True) for name in _REFUSALS]
    + [pa.field(name, pa.binary(), nullable=True) for name in PICTURES]
)
"""Columns of a part."""
OLDER_SCHEMA = pa.schema([one for one in SCHEMA if one.name not in _REFUSALS])
"""Columns of a part that was written before networks could refuse images."""
NUMBERS = (*(name for name, _ in _FIELDS), _BEFORE_ROUNDING, *_REFUSALS)
"""Every column but the pictures."""
AT_ONCE = 256
"""Rows that are unpacked before their size is looked at."""
SMALL = 1 << 20
"""Bytes of a file below which starting the threads that unpack it takes longer than they save."""


def read_rows(path: Path, schema: pa.Schema | None = None, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet file that nobody need trust; a small one may unpack to any size, and is then read no further.

    Args:
        path: the file.
        schema: the columns that it must have; None for any. Those of `SCHEMA` that older versions did not write are
            null where they are missing.
        columns: which to read; None for all.

    Returns:
        The rows, with the metadata of the file's schema.

    Raises:
        OSError: it cannot be read, or is no ordinary file.
        pa.ArrowException: it is damaged.
        OverLimit: it unpacks to more than the limit `cell` allows.
        KeyError: it does not have the columns of `schema`.
    """
    check_ordinary(path)
    announced = check_table(path)
    with named_in_text(path) as name, pq.ParquetFile(name, page_checksum_verification=True) as file:
        found = file.schema_arrow
        plain = found.remove_metadata()
        older = schema is SCHEMA and plain.equals(OLDER_SCHEMA)
        if schema is not None and not (older or plain.equals(schema)):
            raise KeyError("columns")
        check_limit("cell", announced.inflated, f"the rows of {path}")
        batches: list[pa.RecordBatch] = []
        size = 0
        missing = [name for name in _REFUSALS if older and (columns is None or name in columns)]
        wanted = None if columns is None else [name for name in columns if name not in missing]
        threads = path.stat().st_size > SMALL
        for batch in file.iter_batches(AT_ONCE, columns=wanted, use_threads=threads):
            batches.append(batch)
            size += batch.nbytes
            check_limit("cell", size, f"the rows of {path}")
    kept = found if wanted is None else pa.schema([found.field(name) for name in wanted], found.metadata)
    return _with_refusals(pa.Table.from_batches(batches, kept), missing, columns)


def _with_refusals(table: pa.Table, missing: Sequence[str], columns: Sequence[str] | None) -> pa.Table:
    """Put the columns that an older file lacks, which say nothing, where they belong."""
    for name in missing:
        table = table.append_column(SCHEMA.field(name), pa.nulls(table.num_rows, pa.bool_()))
    return table.select(list(SCHEMA.names if columns is None else columns)) if missing else table


def pixels_in(row: Mapping[str, Any], column: str) -> NDArray[np.float64]:
    """Return a picture of a row, (channels, height, width); of the column "field" a deformation's vectors, (2, ...).

    Args:
        row: with `column`, the sides and the name of the image.
        column: one of `PICTURES`, which the row has.

    Raises:
        RunError: it is not as long as the sides say.
    """
    shape = (2 if column == "field" else int(row["channels"]), int(row["height"]), int(row["width"]))
    raw: bytes = row[column]
    if min(shape) < 1 or len(raw) != 4 * int(np.prod(shape)):
        raise RunError(
            f"the {column} picture of image {quoted(row['name'])!r} has {len(raw)} bytes, not the 4 x {shape} it "
            "should have; the run folder is damaged, run the audit again in another one"
        )
    return np.frombuffer(raw, dtype="<f4").reshape(shape).astype(np.float64)
