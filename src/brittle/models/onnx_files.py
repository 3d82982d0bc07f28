"""What an ONNX file declares, looked at before anything is read or computed: files beside it, and sizes of tensors."""

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from brittle.errors import ModelError
from brittle.limits import check_limit
from brittle.reading import check_ordinary

EXTERNAL = 1
"""ONNX's mark of a tensor whose values lie in another file."""
VALUE = 8
"""Most bytes of a value."""


def check_outside(model: Any, path: Path) -> None:
    """Refuse tensors that lie in files outside of the folder of the network, or that take too much.

    Args:
        model: with the tensors in other files not read yet.
        path: of the model's file.

    Raises:
        ModelError: a file lies elsewhere, is no ordinary one, or ends early.
        OverLimit: all of them together are too large.
    """
    folder, total = path.parent.resolve(), 0
    for tensor in (tensor for part in (model.graph, *model.functions) for tensor in tensors_of(part)):
        if tensor.data_location != EXTERNAL:
            continue
        told = {entry.key: entry.value for entry in tensor.external_data}
        place = (path.parent / told.get("location", "")).resolve()
        if not place.is_relative_to(folder) or Path(told.get("location", "")).is_absolute():
            raise ModelError(
                f"{path.name} takes the tensor {tensor.name!r} from {told.get('location', '')!r}, which lies outside "
                "of its own folder; such files are not read: put it beside the network and export that again"
            )
        size = check_ordinary(place).st_size
        offset = int(told.get("offset", 0))
        length = int(told.get("length", size - offset))
        if offset < 0 or length < 0 or offset + length > size:
            raise ModelError(
                f"the tensor {tensor.name!r} of {path.name} goes beyond the end of {place.name}; copy it again"
            )
        total += length
        check_limit("record", total, f"the tensors beside {path.name}")


def check_sizes(onnx: Any, model: Any, name: str) -> None:
    """Refuse a graph in which a tensor of known size would take too much, for one image.

    Args:
        onnx: the package.
        model: with all its tensors.
        name: of the file, for messages.

    Raises:
        OverLimit: which tensor.
    """
    inferred = model
    with suppress(Exception):  # graphs of 2 GB or more, and operators of others: what is not known is not looked at
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    for value in getattr(inferred.graph, "value_info", ()):
        sides = [side.dim_value for side in value.type.tensor_type.shape.dim]
        check_limit("record", VALUE * math.prod(side or 1 for side in sides), f"the tensor {value.name!r} of {name}")


def tensors_of(graph: Any) -> Iterator[Any]:
    """Yield every tensor that a graph or a function holds, those of its operators and of graphs within it too."""
    yield from getattr(graph, "initializer", ())
    for sparse in getattr(graph, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for within in (attribute.g, *attribute.graphs):
                yield from tensors_of(within)
