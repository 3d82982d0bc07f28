"""Columns of images and labels in every layout that datasets, pyarrow and polars write."""

import json
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from .conftest import encoded, grey

PNG = [encoded(grey(level, 4, 2)) for level in (51, 102)]
WHOLE = max(len(content) for content in PNG)
ARRAYS = np.stack([np.full((2, 4), level, np.uint8) for level in (51, 102)])
CELLS = [{"bytes": content, "path": f"{i}.png"} for i, content in enumerate(PNG)]


def struct(content: pa.DataType, path: pa.DataType) -> pa.Array:
    return pa.array(CELLS, pa.struct([("bytes", content), ("path", path)]))


def fixed(content: bytes) -> bytes:
    """A PNG is read up to its end, so what is behind it may be filled."""
    return content.ljust(WHOLE, b"\0")


def nested(kind: Callable[[pa.DataType], pa.DataType], arrays: np.ndarray) -> pa.Array:
    inner = pa.from_numpy_dtype(arrays.dtype)
    for _ in arrays.shape[1:]:
        inner = kind(inner)
    return pa.array(arrays.tolist(), inner)


class Blob(pa.ExtensionType):
    """An extension type of somebody's own."""

    def __init__(self):
        super().__init__(pa.binary(), "example.blob")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, serialized: bytes) -> "Blob":
        return cls()


def tensor(arrays: np.ndarray) -> pa.Array:
    return pa.FixedShapeTensorArray.from_numpy_ndarray(arrays)


def permuted() -> pa.Array:
    """Stored width first, to be read height first."""
    kind = pa.fixed_shape_tensor(pa.uint8(), (4, 2), permutation=[1, 0])
    rows = np.ascontiguousarray(ARRAYS.transpose(0, 2, 1)).reshape(2, -1).tolist()
    return pa.ExtensionArray.from_storage(kind, pa.array(rows, pa.list_(pa.uint8(), 8)))


IMAGES: dict[str, Callable[[], pa.Array]] = {
    "struct of bytes and path (`datasets`)": lambda: struct(pa.binary(), pa.string()),
    "struct of large bytes and large path (polars)": lambda: struct(pa.large_binary(), pa.large_string()),
    "struct of views": lambda: struct(pa.binary_view(), pa.string_view()),
    "`binary`": lambda: pa.array(PNG, pa.binary()),
    "`large_binary` (polars)": lambda: pa.array(PNG, pa.large_binary()),
    "`binary_view`": lambda: pa.array(PNG, pa.binary_view()),
    "`fixed_size_binary`": lambda: pa.array([fixed(one) for one in PNG], pa.binary(WHOLE)),
    "dictionary of bytes": lambda: pa.array(PNG, pa.binary()).dictionary_encode(),
    "an extension type over bytes": lambda: pa.ExtensionArray.from_storage(Blob(), pa.array(PNG, pa.binary())),
    "lists of lists of uint8 (`datasets` Array2D)": lambda: nested(pa.list_, ARRAYS),
    "large lists of uint8 (polars List)": lambda: nested(pa.large_list, ARRAYS),
    "fixed-size lists of uint8 (polars Array)": lambda: pa.array(ARRAYS.tolist(), pa.list_(pa.list_(pa.uint8(), 4), 2)),
    "lists of floats in 0..1": lambda: nested(pa.list_, ARRAYS.astype(np.float32) / np.float32(255)),
    "lists with the channels last (Array3D)": lambda: nested(pa.list_, ARRAYS[..., None]),
    "lists with the channels first (Array3D)": lambda: nested(pa.list_, ARRAYS[:, None]),
    "`fixed_shape_tensor`": lambda: tensor(ARRAYS),
    "`fixed_shape_tensor` with a permutation": permuted,
}
"""Rows of docs/data.md that are read."""

REFUSED: dict[str, tuple[Callable[[], pa.Array], str]] = {
    "lists of other integers": (lambda: nested(pa.list_, ARRAYS.astype(np.int64)), "is int64; expected uint8"),
    "flat lists": (lambda: pa.array(ARRAYS.reshape(2, -1).tolist(), pa.list_(pa.uint8())), "lists of lists of numbers"),
    "lists whose rows differ in length": (
        lambda: pa.array([[[1, 2], [3]]] * 2, pa.list_(pa.list_(pa.uint8()))),
        r"rows have \[1, 2\] values",
    ),
}
"""Rows of docs/data.md that are refused, with part of the message."""

LABELS: dict[str, tuple[Callable[[], pa.Array], tuple[str, ...], list[int]]] = {
    "integers of any width": (lambda: pa.array([1, 0], pa.uint16()), (), [1, 0]),
    "true and false": (lambda: pa.array([True, False]), (), [1, 0]),
    "`string`": (lambda: pa.array(["dog", "cat"]), ("cat", "dog"), [1, 0]),
    "`large_string` (polars)": (lambda: pa.array(["dog", "cat"], pa.large_string()), ("cat", "dog"), [1, 0]),
    "`string_view`": (lambda: pa.array(["dog", "cat"], pa.string_view()), ("cat", "dog"), [1, 0]),
    "dictionary of names (polars Categorical)": (
        lambda: pa.array(["dog", "cat"]).dictionary_encode(),
        ("cat", "dog"),
        [1, 0],
    ),
    "dictionary of integers": (lambda: pa.array([1, 0]).dictionary_encode(), (), [1, 0]),
    "names that are whole numbers": (lambda: pa.array(["10", "9"]), ("9", "10"), [1, 0]),
}
"""Rows of docs/data.md about labels: the column, the classes, the labels."""


def huggingface(names: list[str]) -> dict[str, str]:
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": names}}
    return {"huggingface": json.dumps({"info": {"features": features}})}
