"""ONNX files as differentiable modules, through onnx2torch."""

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from brittle.errors import BrittleError, MissingExtra, ModelError, quoted
from brittle.models.class_names import names_in
from brittle.models.graph import COMPARED, TYPES, Graph
from brittle.models.network import Network, check_input, digest_of, parameters_of, telling
from brittle.models.onnx_files import check_outside, check_sizes
from brittle.reading import read_bytes

OPERATORS = 17
"""The newest version of ONNX's operators that onnx2torch knows nearly whole."""
REMEDY = "export with torch.onnx.export(..., dynamo=False, opset_version=17), or a .pt2 instead"
"""What helps where an operator is not known: without dynamo=False, torch writes operators of version 18 and later."""
BATCHES = (
    "export it for any number of images (dynamic_shapes=({0: torch.export.Dim('n')},), or with dynamo=False "
    "input_names=['input'], output_names=['output'], dynamic_axes={'input': {0: 'n'}, 'output': {0: 'n'}})"
)
"""How the number of images is left free."""
NAMES = {2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 16: "bfloat16"}
"""ONNX's numbers of other types."""


def load_onnx(path: Path) -> Network:
    """Converts an ONNX file to a module whose output can be differentiated by its input.

    Args:
        path: the `.onnx` file; tensors that it keeps in files beside it are read too, those elsewhere refused.

    Raises:
        MissingExtra: onnx or onnx2torch is not installed.
        ModelError: no such file, a broken one, an operator that onnx2torch does not know or converts to something else,
            images of another type than floats, or a graph that does not take a batch of any number of images.
        OverLimit: it, or a tensor in it, would take more than the limits allow.
    """
    graph, convert = _packages()
    with _read_whole(path):
        content = read_bytes(path)
        model = graph.load_model_from_string(content)
        check_outside(model, path)
        graph.external_data_helper.load_external_data_for_model(model, str(path.parent))
        graph.checker.check_model(model)
    shape, dtype = _input_shape(model, path.name), _input_type(model, path.name)
    if shape:
        check_input(shape, path.name)
    check_sizes(graph, model, path.name)
    with telling(f"onnx2torch cannot convert {str(path)!r}", REMEDY), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what may differ: the graphs are compared
        lowered = _lowered(graph, model)
        module: nn.Module = convert(lowered).eval()
    origin = Graph(path, tuple(lowered.graph.node), dtype)
    if shape:
        _check_batches(module, shape, dtype, path.name)
        noise = torch.rand(COMPARED, *shape, generator=torch.Generator().manual_seed(0))
        origin.compare(module, noise, "noise")
    names = names_in({entry.key: entry.value for entry in getattr(model, "metadata_props", ())})
    digest, weights = digest_of(module, content), parameters_of(module)
    return Network(str(path), module, digest, shape, names, weights, compare=origin.compare)


@contextmanager
def _read_whole(path: Path) -> Generator[None, None, None]:
    """Tells in one sentence what is wrong with a file; protobuf, onnx and onnx2torch raise whatever they meet."""
    try:
        yield
    except BrittleError:
        raise
    except OSError as error:
        raise ModelError(f"cannot read {str(path)!r}: {quoted(error.strerror or error)}") from error
    except NotImplementedError as error:
        raise ModelError(f"onnx2torch cannot convert {str(path)!r}: {quoted(error)}; {REMEDY}") from error
    except Exception as error:
        raise ModelError(
            f"{str(path)!r} is not a whole ONNX file ({type(error).__name__}: {quoted(error)}); "
            f"copy it again, or {REMEDY}"
        ) from error


def _packages() -> tuple[Any, Any]:
    """The module onnx and the function that converts."""
    try:
        graph: Any = importlib.import_module("onnx")
        importlib.import_module("onnx.version_converter")
        with _without_detection_operators():
            return graph, importlib.import_module("onnx2torch").convert
    except ImportError as error:
        missing = error.name or "onnx2torch"
        raise MissingExtra(missing, "onnx", "reading a network from an ONNX file") from error


def _lowered(graph: Any, model: Any) -> Any:
    """The same network in the older forms that onnx2torch knows, which today's exporters no longer write.

    The operators come from the set of version 17 where onnx can convert them. A reshape loses its `allowzero`, which
    differs only where a side is 0: it stays when the shape is a constant with a 0 in it. A cumulative sum without
    `reverse` gets what ONNX means by that, which onnx2torch takes for the reverse.
    """
    if max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0) > OPERATORS:
        # onnx's converter and its C++ errors have no common class; without it, onnx2torch names what it lacks
        with suppress(Exception):
            model = graph.version_converter.convert_version(model, OPERATORS)
    constants = {tensor.name: graph.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "CumSum" and not any(given.name == "reverse" for given in node.attribute):
            node.attribute.append(graph.helper.make_attribute("reverse", 0))
        if node.op_type == "Reshape" and 0 not in constants.get(node.input[1], ()):
            for attribute in [given for given in node.attribute if given.name == "allowzero"]:
                node.attribute.remove(attribute)
    return model


@contextmanager
def _without_detection_operators() -> Generator[None, None, None]:
    """Lets onnx2torch be imported where torchvision is missing or does not fit torch.

    Of onnx2torch only the converters of NonMaxSuppression and RoiAlign, operators of object detectors, import
    torchvision. Where it cannot be imported they get an empty stand-in, which is gone afterwards; a graph with one of
    those operators then fails with a clear error.
    """
    if "onnx2torch" in sys.modules or _usable("torchvision"):
        yield
        return
    names = ("torchvision", "torchvision.ops")
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "torchvision"}
    for name in before:
        del sys.modules[name]
    operators = _Absent("torchvision.ops")
    package = _Absent("torchvision")
    vars(package)["ops"] = operators
    sys.modules.update(dict(zip(names, (package, operators), strict=True)))
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(before)


class _Absent(ModuleType):
    """A module whose every function says that torchvision is needed."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(*_: object, **__: object) -> None:
            raise ModelError(
                f"this ONNX graph needs {self.__name__}.{name}, and torchvision is missing or does not fit torch "
                f"{torch.__version__}; install the torchvision that belongs to it"
            )

        return refuse


def _usable(package: str) -> bool:
    """Whether a package can be imported; one that is built for another torch raises all kinds of errors."""
    if importlib.util.find_spec(package) is None:
        return False
    try:
        importlib.import_module(package)
    except Exception:
        return False
    return True


def _input_shape(model: Any, name: str) -> tuple[int, int, int] | None:
    """Channels, height and width of the only input that is no weight; None where one of them is free."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [given for given in model.graph.input if given.name not in weights]
    sides = [side.dim_value for side in inputs[0].type.tensor_type.shape.dim] if len(inputs) == 1 else []
    if len(sides) != 4:
        seen = ", ".join(given.name for given in inputs)
        raise ModelError(f"{name} has the inputs ({quoted(seen)}); it must have one, of images n x c x h x w")
    _, channels, height, width = sides
    return (channels, height, width) if channels and height and width else None


def _input_type(model: Any, name: str) -> torch.dtype:
    """The type of the images; refuses whole numbers, which have no gradients, and what NumPy does not know."""
    weights = {tensor.name for tensor in model.graph.initializer}
    number = next(given for given in model.graph.input if given.name not in weights).type.tensor_type.elem_type
    if number not in TYPES:
        known = ", ".join(str(dtype).removeprefix("torch.") for dtype in TYPES.values())
        raise ModelError(
            f"{name} takes images of {NAMES.get(number, f'ONNX type {number}')}; brittle's are floats in [0, 1], and "
            f"the network must take {known}: export it from floats, with what it does to bytes (x * 255) inside"
        )
    return TYPES[number]


def _check_batches(module: nn.Module, shape: tuple[int, int, int], dtype: torch.dtype, name: str) -> None:
    """Refuses a graph that was exported for one fixed number of images."""
    for count in (1, 3):
        try:
            with torch.no_grad():
                rows = len(module(torch.zeros(count, *shape, dtype=dtype)))
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(
                f"{name} fails on {count} images of {shape} after its conversion by onnx2torch "
                f"({type(error).__name__}: {quoted(error)}); {BATCHES}; where it was, {REMEDY}"
            ) from error
        if rows != count:
            raise ModelError(f"{name} returns {rows} rows for {count} images; {BATCHES}")
