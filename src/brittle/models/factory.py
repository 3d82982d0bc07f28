"""Networks built by a function in the user's own Python file."""

import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from torch import Tensor, nn

from brittle.classifiers.classifier import Called
from brittle.classifiers.still import evaluating
from brittle.errors import ModelError
from brittle.files import path_of
from brittle.identity.sources import noting
from brittle.identity.walk import reach
from brittle.models.network import Network, digest_of, parameters_of, seeded, telling
from brittle.models.weights import load_weights


def load_factory(spec: str, weights: Path | None = None) -> Network:
    """Runs `FILE.py:FACTORY`, a function without arguments that returns an `nn.Module` or another callable.

    The file is the user's program and is run as such, with its folder on the import path. A module that carries
    `input_shape` (channels, height, width) or `classes` (names) tells them; otherwise they are unknown.

    Args:
        spec: path of the file, a colon, name of the function.
        weights: a safetensors file with the names of the module's `state_dict`; without it the factory's own stay.

    Raises:
        ModelError: no such file or function, one that fails or returns something else, or weights of another network.
    """
    location, _, name = spec.rpartition(":")
    path = path_of(location)
    if not path.is_file():
        raise ModelError(f"there is no file {str(path)!r}; write PATH/FILE.py:FACTORY")
    origin = _name_of(path)
    with _importable(path.resolve().parent), seeded(), noting(origin):
        factory = _factory(_run(path, origin), name, path)
        with telling(f"{spec} failed", "it is called without arguments and must return a network"):
            module = factory()
    with telling(f"{spec} returned a module that cannot be looked at", "mend its attributes input_shape and classes"):
        shape, classes = getattr(module, "input_shape", None), _names(getattr(module, "classes", None))
    if not isinstance(module, nn.Module):
        if isinstance(module, type) or not callable(module):
            raise ModelError(
                f"{spec} returned a {type(module).__name__}; it must return a torch.nn.Module, or another "
                "callable from images to outputs"
            )
        module = Called(cast("Callable[[Tensor], Tensor]", module))
    if weights is not None:
        load_weights(module, weights)
    with telling(f"{spec} returned a module that cannot be used", "call super().__init__() and give it its weights"):
        return Network(
            spec,
            evaluating(module),
            digest_of(module, path.read_bytes(), reach(module).digest().encode()),
            _shape(shape),
            classes,
            parameters_of(module),
            (origin,),
        )


def _names(classes: Any) -> tuple[str, ...]:
    """Class names in their order; () where the module says none."""
    if classes is None:
        return ()
    if isinstance(classes, str):
        raise ValueError(f"classes is {classes!r}, one text in place of a list of names")
    return tuple(str(label) for label in classes)


def _name_of(path: Path) -> str:
    return f"brittle_factory_{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]}"


def _run(path: Path, name: str) -> ModuleType:
    """The Python file as a module, run once more each time."""
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise ModelError(f"{str(path)!r} is not a Python file; write PATH/FILE.py:FACTORY")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # dataclasses and the like look their module up
    with telling(f"{str(path)!r} cannot be run", "mend the file: it must define the factory, and end by itself"):
        found.loader.exec_module(module)
    return module


def _factory(module: ModuleType, name: str, path: Path) -> Callable[[], object]:
    """The function of that name, or an error that tells the names there are."""
    factory = getattr(module, name, None)
    if callable(factory):
        return factory
    own = (key for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__)
    there = ", ".join(sorted(key for key in own if not key.startswith("_"))) or "none"
    raise ModelError(f"{str(path)!r} has no function {name!r}; those it defines: {there}")


def _shape(shape: object) -> tuple[int, int, int] | None:
    """Three whole numbers, or None when the module says nothing usable."""
    if not isinstance(shape, tuple | list):
        return None
    sides = cast("tuple[object, ...]", tuple(shape))
    if len(sides) != 3 or not all(type(side) is int and side > 0 for side in sides):
        raise ModelError(f"the network's input_shape is {sides}; it must be (channels, height, width)")
    return cast("tuple[int, int, int]", sides)


@contextmanager
def _importable(folder: Path) -> Generator[None, None, None]:
    """Lets the user's file import its neighbours; the import path is then as before."""
    before = sys.path.copy()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before
