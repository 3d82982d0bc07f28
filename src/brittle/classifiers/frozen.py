"""A module held still while it is asked: modes, gradients, buffers and random state put back, autocast kept outside."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from threading import local
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

from brittle.classifiers.held import Held, this_thread
from brittle.classifiers.turns import own_randomness

_KINDS = ("cpu", "cuda", "mps")
_WRITERS: WeakSet[nn.Module] = WeakSet()


class _Around(local):
    """Autocast around the outermost block of this thread; autocast itself is the thread's too."""

    on: tuple[tuple[str, torch.dtype], ...] = ()


_AROUND = _Around()


@contextmanager
def preserving_state(module: nn.Module, seed: int = 0) -> Generator[None]:
    """Hold a module still: eval mode, no gradients of parameters, its own random state; then put all back.

    A module of `torch.export` has no modes; it is used as it is, and the modules around it are put in eval mode. A
    stochastic network draws from the global random state, which is therefore set from `seed` and put back. Where the
    caller is within `torch.autocast`, our own arithmetic is not: the network alone goes on with it (`as_called`).

    Args:
        module: the user's module; its modes, `requires_grad` and buffers are restored also after an exception. Buffers
            change where a forward pass counts or averages, as that of a program exported in train mode does.
        seed: of the random state that the network sees.
    """
    held = Held(module)
    devices = {tensor.device.index or 0 for tensor in (*module.parameters(), *module.buffers()) if tensor.is_cuda}
    try:
        held.take(lambda: _found(held))
        with own_randomness(seed, devices), _thread_as_ours():
            evaluating(module)
            for parameter in held.parameters:
                parameter.requires_grad_(False)
            yield
    finally:
        held.release()


def _found(held: Held) -> dict[Any, Callable[[], object]]:
    """Return what puts back each mode, flag and buffer."""
    back: dict[Any, Callable[[], object]] = {}
    for child in held.modules:
        if hasattr(child, "training"):  # frozen: none
            back[id(child)] = partial(setattr, child, "training", child.training)
    for parameter in held.parameters:
        back[id(parameter)] = partial(parameter.requires_grad_, parameter.requires_grad)
    for child in held.modules:
        for name, buffer in child.named_buffers(recurse=False):
            back[id(child), name] = _Kept(child, name, buffer).restore
    return back


@contextmanager
def _thread_as_ours() -> Generator[None]:
    """Differentiate and leave autocast within the block; both belong to the thread, and are put back in it alone."""
    thread = this_thread()
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(_without_autocast())
        try:
            yield
        finally:
            if this_thread() != thread:
                stack.pop_all()


def evaluating(module: nn.Module) -> nn.Module:
    """Put a module in eval mode and return it.

    A program of `torch.export` refuses `eval()` because its graph has no modes; it is used as it is, also inside of
    another module, and the modules around it are put in eval mode. A frozen program of TorchScript has no modes at all.

    Example:
        >>> evaluating(nn.Dropout()).training
        False
    """
    try:
        return module.eval()
    except (NotImplementedError, AttributeError):
        for part in module.modules():
            if hasattr(part, "training"):
                part.training = False
    return module


class _Kept:
    """A buffer as it was found."""

    def __init__(self, owner: nn.Module, name: str, buffer: Tensor):
        self.owner, self.name, self.buffer = owner, name, buffer
        plain = type(buffer) is Tensor and buffer.layout == torch.strided and not buffer.is_meta
        self.copy = buffer.detach().clone() if plain else None
        self.version = None if buffer.is_inference() else buffer._version

    def restore(self) -> None:
        """Put the buffer back: its values, and itself where another one of the same form has taken its place.

        One of another form is left: networks keep tables there that grow with the images, and note how far elsewhere.
        """
        now = getattr(self.owner, self.name, None)
        if now is not self.buffer:
            if not isinstance(now, Tensor) or _form(now) != _form(self.buffer):
                return
            if self.copy is not None and not torch.equal(now, self.copy):
                _WRITERS.add(self.owner)
            setattr(self.owner, self.name, self.buffer)
        if self.copy is not None and self._changed(self.copy):
            _WRITERS.add(self.owner)
            with torch.inference_mode():
                self.buffer.copy_(self.copy)

    def _changed(self, copy: Tensor) -> bool:
        """Whether the values are others; on a GPU only where the version says so, for a comparison waits for it."""
        same = self.version is not None and self.version == self.buffer._version
        return not (same and self.buffer.is_cuda) and not torch.equal(self.buffer, copy)


@contextmanager
def buffers_kept(module: nn.Module) -> Generator[None]:
    """Put a module's buffers back at the end of the block, as after passes that are none of an evaluation."""
    kept = [
        _Kept(child, name, buffer) for child in module.modules() for name, buffer in child.named_buffers(recurse=False)
    ]
    try:
        yield
    finally:
        for one in kept:
            one.restore()


def _form(tensor: Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.dtype, tensor.device


@contextmanager
def _without_autocast() -> Generator[None]:
    """Switch autocast off within the block, and note what was on."""
    on, before = _autocast_now(), _AROUND.on
    try:
        _AROUND.on = on or before
        with ExitStack() as stack:
            for kind, _ in on:
                stack.enter_context(torch.autocast(kind, enabled=False))
            yield
    finally:
        _AROUND.on = before


def has_written(module: nn.Module) -> bool:
    """Say whether a module, or one within it, has changed its buffers while it was held still."""
    return any(child in _WRITERS for child in module.modules())


def _autocast_now() -> tuple[tuple[str, torch.dtype], ...]:
    return tuple((kind, torch.get_autocast_dtype(kind)) for kind in _KINDS if torch.is_autocast_enabled(kind))


def said_of_autocast() -> str:
    """Say under which autocast networks are asked in this thread, such as "autocast to bfloat16 on cpu"; "" for none.

    Example:
        >>> with torch.autocast("cpu", dtype=torch.bfloat16):
        ...     said_of_autocast()
        'autocast to bfloat16 on cpu'
    """
    on = [f"{str(dtype).removeprefix('torch.')} on {kind}" for kind, dtype in autocast_around()]
    return f"autocast to {' and '.join(on)}" if on else ""


def remarks_on_autocast() -> list[str]:
    """Return a sentence on the caller's autocast where there is one."""
    on = said_of_autocast()
    return [f"the network is asked and judged under {on}, as the caller is"] if on else []


def autocast_around() -> tuple[tuple[str, torch.dtype], ...]:
    """Return the devices for which autocast is on for the network, each with its type."""
    return _autocast_now() or _AROUND.on


def as_called() -> AbstractContextManager[None]:
    """Switch on for the network what autocast was on where `preserving_state` was entered."""
    return _as_around() if _AROUND.on else nullcontext()


@contextmanager
def _as_around() -> Generator[None]:
    with ExitStack() as stack:
        for kind, dtype in _AROUND.on:
            stack.enter_context(torch.autocast(kind, dtype=dtype))
        yield
