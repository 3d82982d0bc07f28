"""The layouts in which Arrow and Parquet hold images: encoded in bytes of any kind, or as lists of numbers."""

# The functions below take Arrow's types and arrays as Any: pyarrow ships no types.
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from brittle.errors import DataError

Cell = bytes | dict[str, Any] | NDArray[Any] | None
"""One image as a column holds it: encoded bytes, a struct with `bytes`, an array of numbers, or nothing."""
MATRIX = 2  # least depth of nested lists that are an image


def plain(kind: Any) -> Any:
    """Return the type of the values themselves: without extension, dictionary and run lengths."""
    while True:
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind


def is_bytes(kind: Any) -> bool:
    """Return whether a column holds bytes, of any of Arrow's five kinds."""
    kind = plain(kind)
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    return any(test(kind) for test in tests)


def is_text(kind: Any) -> bool:
    """Return whether a column holds text, of any of Arrow's three kinds."""
    kind = plain(kind)
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def is_encoded(kind: Any) -> bool:
    """Return whether a column holds structs with bytes, or with the paths of files where no bytes are."""
    kind = plain(kind)
    fields = {field.name: field.type for field in kind} if pa.types.is_struct(kind) else {}
    held = fields.get("bytes", pa.null())
    return is_bytes(held) or (pa.types.is_null(held) and "path" in fields and is_text(fields["path"]))


def is_tensor(kind: Any) -> bool:
    """Return whether a column is of Arrow's own type of arrays of one shape."""
    return isinstance(kind, pa.FixedShapeTensorType)


def is_list(kind: Any) -> bool:
    """Return whether a type is one of Arrow's lists."""
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    views = (pa.types.is_list_view, pa.types.is_large_list_view)
    return any(test(kind) for test in (*tests, *views))


def is_matrix(kind: Any) -> bool:
    """Return whether a column holds arrays of numbers with at least two axes."""
    if is_tensor(kind):
        return len(kind.shape) >= MATRIX
    depth, kind = 0, plain(kind)
    while is_list(kind):
        depth, kind = depth + 1, kind.value_type
    return depth >= MATRIX and (pa.types.is_integer(kind) or pa.types.is_floating(kind))


def is_image(kind: Any) -> bool:
    """Return whether a column can hold images."""
    return is_bytes(kind) or is_encoded(kind) or is_matrix(kind)


def cells_of(column: Any, where: str) -> list[Cell]:
    """Return the images of a column, undecoded.

    Raises:
        DataError: if the rows of an array differ in length.
    """
    kind = column.type
    if not is_matrix(kind):
        return unpacked(column).to_pylist()
    values = unpacked(column)
    cells: list[Cell] = []
    for row in values:
        if not row.is_valid:
            cells.append(None)
            continue
        array = array_of(row.values, where)
        if is_tensor(kind):
            array = array.reshape(kind.shape)
            array = array if kind.permutation is None else array.transpose(kind.permutation)
        cells.append(array)
    return cells


def unpacked(column: Any) -> Any:
    """Return a column without extension, dictionary and run lengths."""
    while True:
        if isinstance(column.type, pa.BaseExtensionType):
            column = column.storage
        elif pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        elif pa.types.is_run_end_encoded(column.type):
            column = pa.array(column.to_pylist(), column.type.value_type)
        else:
            return column


def array_of(values: Any, where: str) -> NDArray[Any]:
    """Return nested lists as an array."""
    shape = [len(values)]
    while is_list(values.type):
        lengths = {len(row) for row in values}
        if len(lengths) != 1:
            raise DataError(f"{where} holds arrays whose rows have {sorted(lengths)[:3]} values; expected one length")
        shape.append(lengths.pop())
        values = values.flatten()
    return values.to_numpy(zero_copy_only=False).reshape(shape)
