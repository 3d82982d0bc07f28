"""The door between our tensors and the user's code: a copy goes in, in the type the network takes; numbers come out."""

import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from brittle.base.random_state import RandomState
from brittle.classifiers.conv_backward import fast_conv_backward
from brittle.classifiers.frozen import as_called, autocast_around
from brittle.classifiers.memory_format import ask, to_channels_last
from brittle.classifiers.slopes import carried, meets_halves
from brittle.classifiers.turns import turn
from brittle.errors import ModelError
from brittle.types import HALF_TYPES, Images

Ask = Callable[[nn.Module, Images], Any]
"""Asks a module about images; returns a tensor, a list of tensors, or what the user's code returns instead."""
HIDDEN = (*HALF_TYPES, torch.float64, torch.float32)
"""Types that are tried where the network's own tensors cannot be seen, as those of a callable."""
MISMATCH = re.compile(r"dtype|scalar type|data type|half|float16|same type|type.*should be the same", re.IGNORECASE)
"""How an error reads when the images have another type than the weights: torch, torch.export, ONNX Runtime."""


@dataclass
class _Manner:
    """How a module is to be asked.

    Attributes:
        when: what it was like when that was learnt: the type of its first floating tensor, and autocast around it.
        kind: of the images that it takes.
        compiled: whether a part of it is one that torch.compile made.
        narrow: whether slopes pass through float16 on their way back; None while that is not known.
        grain: by what share its numbers round where it calculates in halves, otherwise 0; None while not known.
    """

    when: object
    kind: torch.dtype
    compiled: bool
    narrow: bool | None = None
    grain: float | None = None


_MANNERS: WeakKeyDictionary[nn.Module, dict[torch.dtype, _Manner]] = WeakKeyDictionary()


def answer(module: nn.Module, images: Images, asking: Ask = ask, *, arranged: bool = True) -> Any:
    """Ask the user's module, so that nothing of ours depends on what it does with what it is given.

    It gets a copy, which it may write to, in the type that it takes: that of the images where it can, otherwise one of
    its own floating types, found by trying. What it returns is a copy too, never in halves, and can be differentiated
    by the images as given. Slopes that go back through float16 are brought into its range, image by image, and back
    again (loss scaling of Micikevicius et al., ICLR 2018, section 3.2, arXiv:1710.03740); where they overflow, the way
    back is gone once more with smaller ones.

    Args:
        module: the user's.
        images: (n, c, h, w), which stay as they are.
        asking: how; by default the module is called, and of an object with `.logits` these are taken.
        arranged: give the images in the order in memory that suits the module, and shorten its way back.

    Returns:
        What the module returned; floating tensors, alone or in a list, at least as wide as the images.

    Raises:
        ModelError: it holds float8 weights and takes no images of any type.
        Exception: whatever the module raises.
    """
    if not images.is_floating_point():
        with turn(module, (images.shape[1:], images.dtype)), as_called():
            return own(asking(module, images.clone()), torch.float32)
    images = images.to(torch.promote_types(images.dtype, torch.float32))
    with turn(module, (images.shape[1:], images.dtype)):
        return _answer(_Call(module, asking, arranged), images)


def _answer(call: "_Call", images: Images) -> Any:
    """Ask in the manner that is known, otherwise find one."""
    module = call.module
    known, when = _MANNERS.setdefault(module, {}), (_first_type(module), autocast_around())
    manner = known.get(images.dtype)
    if manner is not None and manner.when != when:
        manner = None
    if manner is not None:
        try:
            return call(images, manner)
        except Exception as error:
            if not MISMATCH.search(str(error)):
                raise
    found, said = _tried(call, images, when)
    known[images.dtype] = found
    return said


@dataclass(frozen=True)
class _Call:
    """One way of asking one module."""

    module: nn.Module
    asking: Ask
    arranged: bool

    def __call__(self, images: Images, manner: _Manner) -> Any:
        """Ask about images, in the given manner."""
        slopes = images.requires_grad and torch.is_grad_enabled()
        if not slopes or (manner.narrow is False and not manner.compiled):
            return self.owned(self.said(self.copied(images, manner)), images, manner)
        if manner.compiled:  # torch traces leaves without a warning
            leaf = given = self.copied(images.detach(), manner).requires_grad_()
        else:
            leaf = images.detach().requires_grad_()
            given = self.copied(leaf, manner)
        said = self.said(given)
        parts = cast("list[Any]", said) if isinstance(said, list) else [said]
        if not any(isinstance(part, Tensor) and part.requires_grad for part in parts):
            return self.owned(said, images, manner)
        if manner.narrow is None:
            manner.narrow = torch.float16 in (manner.kind, *_types(self.module)) or meets_halves(parts)
        lifted = carried(images, leaf, parts, self.module, narrow=manner.narrow)
        return lifted if isinstance(said, list) else lifted[0]

    def owned(self, said: Any, images: Images, manner: _Manner) -> Any:
        """Return what was said as our own, and learn how finely it was calculated."""
        if manner.grain is None and isinstance(said, Tensor):
            kinds = (said.dtype, manner.kind, *_types(self.module))
            manner.grain = max((torch.finfo(kind).eps for kind in kinds if kind in HALF_TYPES), default=0.0)
        return own(said, images.dtype)

    def copied(self, images: Images, manner: _Manner) -> Images:
        """Return a copy of the images in the type that the module takes, and in the order that suits it."""
        given = images.to(manner.kind)
        if self.arranged and not manner.compiled:  # it was made for the order in which it was traced
            with as_called():
                given = to_channels_last(self.module, given)
        return given.clone() if given is images else given

    def said(self, images: Images) -> Any:
        """Ask about a copy."""
        with as_called(), fast_conv_backward(images) if self.arranged else nullcontext():
            return self.asking(self.module, images)


def grain_of(module: nn.Module) -> float:
    """Return by what share a module's numbers round where it is known to calculate in halves; 0 otherwise."""
    return max((manner.grain or 0.0 for manner in _MANNERS.get(module, {}).values()), default=0.0)


def _tried(call: _Call, images: Images, when: object) -> tuple[_Manner, Any]:
    """Ask in the images' own type, and where that fails in the others that may be meant."""
    state = RandomState.now([images.device.index or 0] if images.is_cuda else [])
    compiled = any(type(part).__name__ == "OptimizedModule" for part in call.module.modules())
    manner = _Manner(when, images.dtype, compiled)
    try:
        return manner, call(images, manner)
    except torch.cuda.OutOfMemoryError:
        raise
    except Exception as error:
        own = _types(call.module)
        hidden = HIDDEN if MISMATCH.search(str(error)) else ()
        kinds = dict.fromkeys(kind for kind in (*own, *hidden) if kind != images.dtype and kind.itemsize > 1)
        better = None
        for kind in kinds:
            state.restore()
            manner = _Manner(when, kind, compiled)
            try:
                return manner, call(images, manner)
            except Exception as other:
                better = better or (None if MISMATCH.search(str(other)) else other)
        eighths = sorted({str(kind).removeprefix("torch.") for kind in own if kind.itemsize == 1})
        if eighths:
            raise ModelError(
                f"the network has weights in {' and '.join(eighths)}, which torch cannot calculate with here "
                f"({str(error).splitlines()[0]}); convert it first, for instance with module.float()"
            ) from error
        if hidden and better is not None:
            raise better from error
        raise


def _types(module: nn.Module) -> dict[torch.dtype, None]:
    """Return the floating types of a module's tensors, in the order in which they come."""
    tensors = (*module.parameters(), *module.buffers())
    return dict.fromkeys(tensor.dtype for tensor in tensors if tensor.is_floating_point())


def _first_type(module: nn.Module) -> torch.dtype | None:
    for tensors in (module.parameters(), module.buffers()):
        for tensor in tensors:
            if tensor.is_floating_point():
                return tensor.dtype
    return None


def own(said: Any, working: torch.dtype) -> Any:
    """Copy tensors, so that what the user's code writes to them later does not reach us; halves in the working type."""
    if isinstance(said, list):
        return [own(part, working) for part in cast("list[Any]", said)]
    if not isinstance(said, Tensor):
        return said
    kind = torch.promote_types(said.dtype, working) if said.is_floating_point() else said.dtype
    return said.to(kind, copy=True)
