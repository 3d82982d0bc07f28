"""Which columns of a Parquet file hold the images and the labels, and what the classes are called."""

# The functions below take Arrow's schemas and types as Any: pyarrow ships no types.
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from brittle.data.cells import is_encoded, is_image, is_tensor, is_text, plain
from brittle.errors import DataError, LabelError, quoted
from brittle.reading import parse_json

IMAGE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("label", "labels", "fine_label")
ENUM = b"_PL_ENUM_VALUES2"
"""Where polars keeps the values of an Enum: for each its length in bytes, a semicolon, and the value."""


def find_columns(schema: Any, path: Path) -> tuple[str, str | None]:
    """Return the names of the column of images and of that of labels (None if there is none).

    Raises:
        DataError: if there is no column of images, or more than one.
        LabelError: if the labels are neither integers nor names.
    """
    kinds = {name: feature.get("_type") for name, feature in features(schema).items() if isinstance(feature, dict)}
    named = [name for name in IMAGE_COLUMNS if name in schema.names]
    images = named[:1] or [
        field.name
        for field in schema
        if kinds.get(field.name) == "Image" or is_encoded(field.type) or is_tensor(field.type)
    ]
    seen = f"columns are {quoted(', '.join(f'{field.name} ({brief(field.type)})' for field in schema))}"
    if len(images) != 1:
        raise DataError(f"{path} has {len(images) or 'no'} columns of images; {seen}; expected one called 'image'")
    if not is_image(schema.field(images[0]).type):
        raise DataError(
            f"{path}: column {images[0]!r} holds no encoded images; {seen}; expected struct(bytes, path), bytes, or "
            "lists of lists of numbers (height x width, with the channels first or last)"
        )
    named = [name for name in LABEL_COLUMNS if name in schema.names]
    labels = named[:1] or [name for name, kind in kinds.items() if kind == "ClassLabel" and name in schema.names]
    label = labels[0] if len(labels) == 1 else None
    if label is not None and not is_label(schema.field(label).type):
        raise LabelError(
            f"{path}: labels in column {label!r} are {quoted(schema.field(label).type)}; expected integers from 0, "
            "or names"
        )
    return images[0], label


def is_label(kind: Any) -> bool:
    """Return whether a column can hold labels: integers, names, or true and false for 1 and 0."""
    return pa.types.is_integer(plain(kind)) or pa.types.is_boolean(plain(kind)) or is_text(kind)


def features(schema: Any) -> dict[str, Any]:
    """Return the Hugging Face features of a schema, {} if it has none that can be read."""
    try:
        found = parse_json((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def class_names(schema: Any, label: str | None) -> tuple[str, ...]:
    """Return the class names in a schema's metadata (of `datasets`, or of an Enum of polars), () if there are none."""
    feature = features(schema).get(label or "")
    names = feature.get("names") if isinstance(feature, dict) else None
    if isinstance(names, list):
        return tuple(str(name) for name in names)
    return () if label is None else enum_values((schema.field(label).metadata or {}).get(ENUM, b""))


def enum_values(packed: bytes) -> tuple[str, ...]:
    """Return the values of an Enum of polars, () for what cannot be read as such.

    >>> enum_values(b"3;dog3;cat")
    ('dog', 'cat')
    """
    values: list[str] = []
    while packed:
        length, _, rest = packed.partition(b";")
        if not length.isdigit() or len(rest) < int(length):
            return ()
        values.append(rest[: int(length)].decode("utf-8", "replace"))
        packed = rest[int(length) :]
    return tuple(values)


def numbered(names: Sequence[str], label: object, where: str) -> int:
    """Return the number of a class that a row calls by its name; raises LabelError."""
    try:
        return names.index(str(label))
    except ValueError:
        raise LabelError(
            f"{where} has the class {quoted(label)!r}, which is none of {quoted(', '.join(names[:6]))}"
        ) from None


def brief(kind: Any) -> str:
    """Return a type in few characters."""
    return text if len(text := str(kind)) <= 40 else text[:37] + "..."
