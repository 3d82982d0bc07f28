"""What a value holds, part by part: what a walk over everything that a network reaches goes on with."""

import functools
import sys
import types
from collections import ChainMap, UserDict, UserList, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar, cast

import torch
from torch import nn

from brittle.identity.sources import is_users

T = TypeVar("T")
Part = tuple[str, object]
"""What is added to the name of a value, and a value that it holds."""
SCALARS = (type(None), bool, int, float, complex, str, range, slice, torch.dtype, torch.device, torch.Size)
"""What holds nothing that is looked at."""
INTERNALS = tuple(
    f"torch.{name}"
    for name in ("_", "fx", "export", "jit", "utils", "cuda", "backends", "autograd", "multiprocessing", "distributed")
)
"""Beginnings of modules of torch whose objects hold bookkeeping alone."""
MOST_ITEMS = 10_000
"""Of a container that are looked at."""
MOST_NUMBERS = 64
"""Numbers of a list that counts as a setting of a module."""


@dataclass(frozen=True)
class Read:
    """A module of the user's together with the names that a function reads, as in `helpers.NETWORK`."""

    module: types.ModuleType
    names: frozenset[str]


@dataclass
class Memory(Generic[T]):
    """What is remembered of an earlier pass, and is no part of what a network is: no walk looks into it.

    Attributes:
        value: what is remembered; None for nothing.

    Example:
        >>> list(parts_of(Memory(torch.ones(3))))
        []
    """

    value: T | None = None


def parts_of(value: object) -> Iterator[Part]:
    """Yield the parts of a value, each with what is added to its name; nothing for what is not looked into."""
    for kind, parts in _KINDS:
        if isinstance(value, kind):
            yield from parts(cast(Any, value))
            return
    wrapped = getattr(type(value), "__wrapped__", None) if isinstance(value, type) else _own(value, "__wrapped__")
    if wrapped is not None:
        yield "", wrapped
    if descends(type(value)):
        yield from _attributes(value)


def descends(kind: type) -> bool:
    """Say whether the attributes of objects of this class are looked at."""
    module = kind.__module__
    if module.partition(".")[0] in sys.stdlib_module_names:
        return kind is types.SimpleNamespace or module == "__main__"
    return not module.startswith(INTERNALS)


def _own(value: object, name: str) -> object | None:
    """An attribute that is no property, so that asking for it runs nothing of the user's."""
    try:
        return cast(object, object.__getattribute__(value, name))
    except AttributeError:
        return None


def _attributes(value: object) -> Iterator[Part]:
    """The instance's own attributes, and the user's classes that it is made of."""
    held = _own(value, "__dict__")
    if isinstance(held, dict):
        yield from ((f".{name}", one) for name, one in cast(dict[str, object], held).items())
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else cast(Iterable[str], slots):
            one = _own(value, name)
            if one is not None and name not in ("__dict__", "__weakref__"):
                yield f".{name}", one
    if is_users(type(value).__module__):
        yield f"<{type(value).__qualname__}>", type(value)


def _mapping(value: Mapping[object, object]) -> Iterator[Part]:
    for number, (key, one) in enumerate(islice(value.items(), MOST_ITEMS)):
        yield (f"[{key!r}]" if isinstance(key, str) else f"[{number}]"), one
    if type(value) is not dict and descends(type(value)):
        yield from _attributes(value)


def _sequence(value: Iterable[object]) -> Iterator[Part]:
    yield from ((f"[{number}]", one) for number, one in enumerate(islice(value, MOST_ITEMS)))
    if is_users(type(value).__module__):
        yield from _attributes(value)


def _set(value: Iterable[object]) -> Iterator[Part]:
    yield from ((f"[{number}]", one) for number, one in enumerate(islice(value, MOST_ITEMS)))


def _function(value: types.FunctionType) -> Iterator[Part]:
    """Closure, defaults, attributes; of the user's functions also the globals that their code reads."""
    for name, one in value.__dict__.items():
        yield f".{name}", one
    origin = value.__globals__.get("__name__", "")
    if isinstance(origin, str) and origin.startswith("torch._"):
        return
    for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        try:
            yield f"<{name}>", cell.cell_contents
        except ValueError:  # not filled yet
            continue
    yield from ((f"<default {number}>", one) for number, one in enumerate(value.__defaults__ or ()))
    yield from ((f"<default {name}>", one) for name, one in (value.__kwdefaults__ or {}).items())
    if isinstance(origin, str) and is_users(origin):
        yield from _read_globals(value)


def _read_globals(function: types.FunctionType) -> Iterator[Part]:
    names = names_in(function.__code__)
    for name in sorted(names):
        if name in function.__globals__:
            one = function.__globals__[name]
            yield f":{name}", Read(one, names) if isinstance(one, types.ModuleType) else one
        elif name in sys.modules:  # imported inside the function
            yield f":{name}", Read(sys.modules[name], names)


def names_in(code: types.CodeType) -> frozenset[str]:
    """Return every name that a piece of code looks up, those of the functions inside it too."""
    inner = [names_in(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return frozenset(code.co_names).union(*inner)


def _read(value: Read) -> Iterator[Part]:
    if is_users(value.module.__name__):
        for name in sorted(value.names):
            one = vars(value.module).get(name)
            if one is not None:
                yield f".{name}", Read(one, value.names) if isinstance(one, types.ModuleType) else one


def _class(value: type) -> Iterator[Part]:
    """What a class of the user's defines, and its bases of that kind."""
    if not is_users(value.__module__):
        return
    for name, one in vars(value).items():
        if name not in ("__dict__", "__weakref__", "__doc__", "__annotations__", "__slots__", "__static_attributes__"):
            yield f".{name}", one
    yield from ((f"<{base.__qualname__}>", base) for base in value.__bases__)


def _method(value: Any) -> Iterator[Part]:
    yield "<self>", value.__self__
    if isinstance(value, types.MethodType):
        yield "", value.__func__


def _partial(value: Any) -> Iterator[Part]:
    yield "<function>", value.func
    yield from ((f"<argument {number}>", one) for number, one in enumerate(value.args))
    yield from ((f"<argument {name}>", one) for name, one in value.keywords.items())


def _property(value: property) -> Iterator[Part]:
    yield "", value.fget


def _wrapper(value: Any) -> Iterator[Part]:
    yield "", getattr(value, "__func__", None) or getattr(value, "func", None) or getattr(value, "__wrapped__", None)


def _torch_module(value: nn.Module) -> Iterator[Part]:
    yield from _attributes(value)


def structure_of(module: nn.Module) -> str:
    """Return class and settings of a torch module as text: what it prints of itself, and its numbers."""
    said = getattr(module, "code", "") if isinstance(module, torch.fx.GraphModule) else module.extra_repr()
    counts = not is_users(type(module).__module__)  # those of the user's own may count their calls
    numbers = {
        name: one
        for name, one in vars(module).items()
        if not name.startswith("_") and name != "training" and _is_setting(one, counts=counts)
    }
    return f"{type(module).__qualname__}({said}) {sorted(numbers.items(), key=lambda pair: pair[0])}"


def _is_setting(value: object, *, counts: bool) -> bool:
    if isinstance(value, tuple | list):
        few = cast("tuple[object, ...]", value)
        return 0 < len(few) <= MOST_NUMBERS and all(_is_setting(one, counts=counts) for one in few)
    return isinstance(value, float) or (counts and isinstance(value, bool | int | str))


_KINDS: tuple[tuple[Any, Any], ...] = (
    ((*SCALARS, Memory), lambda _: ()),
    (nn.Module, _torch_module),
    (Read, _read),
    ((types.ModuleType, types.CodeType), lambda _: ()),
    (type, _class),
    (types.FunctionType, _function),
    ((types.MethodType, types.BuiltinMethodType), _method),
    (functools.partial, _partial),
    (property, _property),
    ((staticmethod, classmethod, functools.cached_property), _wrapper),
    (Mapping, _mapping),
    ((UserDict, UserList, ChainMap), _attributes),
    ((list, tuple, deque), _sequence),
    ((set, frozenset), _set),
)
"""Kinds of values in the order in which they are recognised, with what yields their parts."""
