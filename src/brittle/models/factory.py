"""Networks built by a function in the user's own Python file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from brittle.classifiers.callable_module import CallableModule
from brittle.classifiers.frozen import evaluating
from brittle.errors import ModelError
from brittle.files import path_of
from brittle.identity.walk import reach
from brittle.models.network import Network, digest_of, parameters_of, seeded, telling
from brittle.models.weights import load_weights
from brittle.plugins.user_file import named_in, running
from brittle.words import with_article


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
    with seeded():
        module, path, name = _run(spec)
    return _network(spec, module, weights, path.read_bytes(), name)


def builder(spec: str) -> Callable[[], nn.Module]:
    """Return what builds the module of `FILE.py:FACTORY` anew, with weights drawn from torch's global random state.

    Args:
        spec: path of the file, a colon, name of the function.

    Raises:
        ModelError: when it is called: no such file or function, one that fails, or that returns no module.
    """

    def build() -> nn.Module:
        module, _, _ = _run(spec)
        if not isinstance(module, nn.Module):
            raise ModelError(
                f"{spec} returned {with_article(type(module).__name__)}; expected a torch.nn.Module, whose weights can "
                "be trained"
            )
        return module

    return build


def load_announced(spec: str, factory: Callable[[], object], weights: Path | None = None) -> Network:
    """Calls a function without arguments that an installed package announces, as `load_factory` does one of a file.

    Raises:
        ModelError: a function that fails or returns something else, or weights of another network.
    """
    with seeded():
        module = _built(spec, factory)
    return _network(spec, module, weights, factory.__module__.encode(), factory.__module__)


def _run(spec: str) -> tuple[object, Path, str]:
    """Return what the function of a file returns, where the file lies, and the name of its module."""
    location, _, name = spec.rpartition(":")
    path = path_of(location)
    with running(path, ModelError, "FILE.py:FACTORY") as program:
        factory = named_in(program, name, "function", ModelError)
        if not callable(factory):
            raise ModelError(
                f"{spec} is {with_article(type(factory).__name__)}; expected a function that returns a network"
            )
        return _built(spec, cast("Callable[[], object]", factory)), path, program.__name__


def _built(spec: str, factory: Callable[[], object]) -> object:
    with telling(f"{spec} failed", "it is called without arguments and must return a network"):
        return factory()


def _network(spec: str, module: Any, weights: Path | None, program: bytes, source: str) -> Network:
    """What a factory returned as a network, with what it says of itself."""
    with telling(f"{spec} returned a module that cannot be looked at", "mend its attributes input_shape and classes"):
        shape, classes = getattr(module, "input_shape", None), _names(getattr(module, "classes", None))
    if not isinstance(module, nn.Module):
        if isinstance(module, type) or not callable(module):
            raise ModelError(
                f"{spec} returned {with_article(type(module).__name__)}; it must return a torch.nn.Module, or another "
                "callable from images to outputs"
            )
        module = CallableModule(cast("Callable[[Tensor], Tensor]", module))
    if weights is not None:
        load_weights(module, weights)
    with telling(f"{spec} returned a module that cannot be used", "call super().__init__() and give it its weights"):
        return Network(
            spec,
            evaluating(module),
            digest_of(module, program, reach(module).digest().encode()),
            _shape(shape),
            classes,
            parameters_of(module),
            (source,),
            own_weights=weights is None,
        )


def _names(classes: Any) -> tuple[str, ...]:
    """Class names in their order; () where the module says none."""
    if classes is None:
        return ()
    if isinstance(classes, str):
        raise ValueError(f"classes is {classes!r}, one text in place of a list of names")
    return tuple(str(label) for label in classes)


def _shape(shape: object) -> tuple[int, int, int] | None:
    """Three whole numbers, or None when the module says nothing usable."""
    if not isinstance(shape, tuple | list):
        return None
    sides = cast("tuple[object, ...]", tuple(shape))
    if len(sides) != 3 or not all(type(side) is int and side > 0 for side in sides):
        raise ModelError(f"the network's input_shape is {sides}; it must be (channels, height, width)")
    return cast("tuple[int, int, int]", sides)
