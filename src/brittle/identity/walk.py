"""Everything that a network can reach: its tensors and arrays by name, and the code that reads them."""

import hashlib
import pickle
import types
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from brittle.identity.content import (
    Opaque,
    digest_of_array,
    digest_of_bytes,
    digest_of_script,
    digest_of_tensor,
)
from brittle.identity.parts import SCALARS, Read, descends, parts_of, structure_of
from brittle.identity.sources import is_users

MOST_OBJECTS = 200_000
"""That a walk looks at."""
MOST_STEPS = 60
"""From the network to what is looked at."""
SPOKEN = 5
"""Names that a message lists."""


@dataclass(frozen=True)
class Reached:
    """What a network reaches.

    Attributes:
        digests: of every tensor, array, program and structure, by the way that leads to it, such as `.fc.weight`.
        code: of functions whose source lies in no file, such as those of a notebook, by name.
        modules: names of the user's modules whose functions and classes were met.
        packages: names of installed packages likewise.
        unseen: what could not be looked into, in words.
    """

    digests: Mapping[str, str]
    code: Mapping[str, str]
    modules: frozenset[str]
    packages: frozenset[str]
    unseen: tuple[str, ...] = ()

    def digest(self) -> str:
        """Return one SHA-256 of all digests, in hexadecimal."""
        lines = "".join(f"{name} {one}\n" for name, one in sorted(self.digests.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    def settled(self, later: "Reached") -> "Reached":
        """Return what another look found unchanged; what changes from pass to pass is no weight, and is told instead.

        Args:
            later: what the same network reached after it was asked once more.
        """
        grown = {_container(name) for name in {*self.digests} ^ {*later.digests}} - {""}
        same = {
            name: one
            for name, one in self.digests.items()
            if later.digests.get(name) == one and _container(name) not in grown
        }
        moving = sorted({*self.digests, *later.digests} - {*same})
        told = tuple(f"{name} changes from pass to pass" for name in moving[:SPOKEN])
        if len(moving) > SPOKEN:
            told += (f"{len(moving) - SPOKEN:,} more change from pass to pass",)
        everywhere = {"modules": self.modules | later.modules, "packages": self.packages | later.packages}
        return replace(later, digests=same, unseen=(*later.unseen, *told), **everywhere)


def _container(name: str) -> str:
    """The list or dictionary that holds a value; "" for a module's own, which do not grow like a memory of answers."""
    holder, bracket, _ = name.rpartition("[")
    return "" if not bracket or holder.endswith(("._parameters", "._buffers", "._modules")) else holder


def reach(*roots: object, known: "Known | None" = None, without: Iterable[Tensor] = ()) -> Reached:
    """Walk over everything that some values hold: attributes, containers, closures, globals that their code reads.

    No code of the values is run. What was met once is not met again, and the walk ends after `MOST_OBJECTS`.

    Args:
        roots: such as a module, or any callable.
        known: digests of an earlier walk, which are taken again for tensors that have not been written to since.
        without: tensors that are not looked at.

    Example:
        >>> from functools import partial
        >>> len(reach(partial(torch.mul, torch.ones(3))).digests)
        1
    """
    walk = _Walk(known or Known(), met={id(tensor): tensor for tensor in without})
    for number, root in enumerate(roots):
        walk.go(f"{number}" if number else "", root)
    unseen = tuple(sorted(walk.unseen))
    if len(unseen) > SPOKEN:
        unseen = (*unseen[:SPOKEN], f"{len(unseen) - SPOKEN:,} more could not be read")
    return Reached(walk.digests, walk.code, frozenset(walk.modules), frozenset(walk.packages), unseen)


class Known:
    """Digests of tensors, good as long as nobody writes to them in a way that torch counts."""

    def __init__(self):
        self._kept: dict[int, tuple[weakref.ref[Tensor], int, int, str]] = {}

    def digest(self, tensor: Tensor) -> str:
        """Return the digest of a tensor; errors as in `digest_of_tensor`."""
        if tensor.is_inference():
            return digest_of_tensor(tensor)
        place, version = tensor.data_ptr() if tensor.layout == torch.strided else 0, tensor._version
        kept = self._kept.get(id(tensor))
        if kept is not None and kept[0]() is tensor and kept[1:3] == (place, version):
            return kept[3]
        digest = digest_of_tensor(tensor)
        self._kept[id(tensor)] = weakref.ref(tensor), place, version, digest
        return digest


@dataclass
class _Walk:
    """A walk under way."""

    known: Known
    digests: dict[str, str] = field(default_factory=dict[str, str])
    code: dict[str, str] = field(default_factory=dict[str, str])
    modules: set[str] = field(default_factory=set[str])
    packages: set[str] = field(default_factory=set[str])
    unseen: set[str] = field(default_factory=set[str])
    met: dict[object, object] = field(default_factory=dict[object, object])

    def go(self, name: str, root: object) -> None:
        """Look at a value and everything that it holds, in a fixed order."""
        waiting: list[tuple[str, object, int]] = [(name, root, 0)]
        while waiting:
            name, value, steps = waiting.pop()
            if isinstance(value, SCALARS) or self._was_met(value):
                continue
            if len(self.met) > MOST_OBJECTS or steps > MOST_STEPS:
                self.unseen.add(f"the search for tensors ended after {len(self.met):,} objects, at {name[:100]}")
                return
            if self._leaf(name, value):
                continue
            self._note_code(name, value)
            waiting += [(name + added, one, steps + 1) for added, one in parts_of(value)][::-1]

    def _was_met(self, value: object) -> bool:
        key: object = (id(value.module), value.names) if isinstance(value, Read) else id(value)
        if key in self.met:
            return True
        self.met[key] = value  # holds it, so that nothing else gets its number
        return False

    def _leaf(self, name: str, value: object) -> bool:
        """Note the content of a value that is not to be taken apart; say whether it is one."""
        for kind, digest in _LEAVES:
            if isinstance(value, kind):
                self._digest(name, value, lambda one, take=digest: take(self.known, one))
                return True
        if callable(getattr(type(value), "__array__", None)):  # other libraries' tensors
            self._digest(name, value, lambda one: digest_of_array(np.asarray(one)))
            return True
        return False

    def _digest(self, name: str, value: object, take: Callable[[Any], str]) -> None:
        try:
            self.digests[name] = take(value)
        except Opaque as error:
            self.unseen.add(f"{name}: {error}")
        except Exception as error:  # foreign arrays raise whatever they like
            self.unseen.add(f"{name} cannot be read ({type(error).__name__})")

    def _note_code(self, name: str, value: object) -> None:
        """Note where the code of a value comes from, and what cannot be looked into."""
        if isinstance(value, types.FunctionType):
            self._note_module(str(value.__globals__.get("__name__", "")))
            self._note_function(value)
        elif isinstance(value, type):
            self._note_module(value.__module__)
        else:
            self._note_module(type(value).__module__)
            if isinstance(value, nn.Module):
                self._digest(f"{name}()", value, lambda one: digest_of_bytes(structure_of(one).encode()))
            elif _is_closed(value):
                self._digest(name, value, _pickled)

    def _note_module(self, name: str) -> None:
        if is_users(name):
            self.modules.add(name)
        else:
            self.packages.add(name.partition(".")[0])

    def _note_function(self, function: types.FunctionType) -> None:
        origin, code = str(function.__globals__.get("__name__", "")), function.__code__
        if is_users(origin) and not Path(code.co_filename).is_file():
            self.code[f"{origin}.{function.__qualname__}"] = _digest_of_code(code)


def _digest_of_code(code: types.CodeType) -> str:
    """A digest of compiled code, without the places of its lines."""
    constants = [
        _digest_of_code(one)
        if isinstance(one, types.CodeType)
        else repr(sorted(map(repr, cast("frozenset[object]", one))) if isinstance(one, frozenset) else one)
        for one in code.co_consts
    ]
    text = repr((code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants))
    return digest_of_bytes(text.encode())


def _is_closed(value: object) -> bool:
    """Whether a value is an object of compiled code that shows no attributes, such as a tree of scikit-learn."""
    kind = type(value)
    if not descends(kind) or is_users(kind.__module__) or kind.__module__.startswith(("numpy", "torch", "brittle")):
        return False
    return not hasattr(value, "__dict__") and not any("__slots__" in vars(one) for one in kind.__mro__)


def _pickled(value: object) -> str:
    try:
        return digest_of_bytes(pickle.dumps(value, protocol=4))
    except Exception as error:  # whatever its own code raises
        raise Opaque(f"a {type(value).__module__}.{type(value).__qualname__} shows nothing of itself") from error


def _script_object(known: Known, value: Any) -> str:
    """Packed weights, as quantised layers hold them."""
    try:
        state = value.__getstate__()
    except Exception as error:  # torch raises what its own code raises
        raise Opaque("a compiled object of torch shows nothing of itself") from error
    inner = _Walk(known)
    inner.go("", state)
    return digest_of_bytes(repr(sorted(inner.digests.items())).encode())


_LEAVES: tuple[tuple[Any, Callable[[Known, Any], str]], ...] = (
    (Tensor, lambda known, one: known.digest(one)),
    ((torch.jit.ScriptModule, torch.jit.ScriptFunction), lambda _, one: digest_of_script(one)),
    (torch.ScriptObject, _script_object),
    (np.ndarray, lambda _, one: digest_of_array(one)),
    (np.generic, lambda _, one: digest_of_array(np.asarray(one))),
    ((bytes, bytearray, memoryview), lambda _, one: digest_of_bytes(one)),
)
"""What is read as a whole."""
