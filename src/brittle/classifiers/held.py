"""What a thread holds of a network: one thread at a time, which puts back what it found."""

import itertools
import threading
from collections.abc import Callable
from typing import Any

from torch import nn

from brittle.errors import RunError

_NUMBERS = itertools.count()


class _Thread(threading.local):
    def __init__(self) -> None:
        self.number = next(_NUMBERS)


_THREAD = _Thread()


def this_thread() -> int:
    """Return a number for the thread that no other one ever has, unlike `threading.get_ident`."""
    return _THREAD.number


GATE = threading.Condition()
"""Held for a moment by whoever looks at what follows, or changes it."""
_WAITING: dict[int, Callable[[], set[int]]] = {}
"""For each thread that waits, which threads it waits for now."""


def wait(thread: int, blockers: Callable[[], set[int]], *, always: bool = False) -> None:
    """Wait within the gate until no thread is in the way.

    Raises:
        RunError: the threads in the way wait for this one, so that nobody would ever go on; with `always` it returns.
    """
    try:
        while blockers():
            _WAITING[thread] = blockers
            if _in_a_ring(thread):
                if always:
                    return
                raise RunError(
                    "two threads each hold a network that the other one waits for; use networks in the same order in "
                    "both, or give one of the threads a copy (copy.deepcopy)"
                )
            GATE.wait()
    finally:
        _WAITING.pop(thread, None)


def someone_waits() -> bool:
    """Whether a thread waits; asked within the gate."""
    return bool(_WAITING)


def _in_a_ring(thread: int) -> bool:
    ahead, seen = list(_WAITING[thread]()), set[int]()
    while ahead:
        other = ahead.pop()
        if other == thread:
            return True
        if other not in seen and other in _WAITING:
            ahead += _WAITING[other]()
        seen.add(other)
    return False


class Held:
    """What one entrant holds of a network, and how it found it.

    Entrants of one thread may overlap in any order, as generators do: what the first one found is handed on to the next
    one that holds the same, and put back by the last.

    Args:
        module: the network. One without parameters and buffers, such as a callable, has nothing that must be held
            alone, so that several threads may ask a remote service at once.
    """

    _all: list["Held"] = []  # noqa: RUF012  # of all threads, in the order in which they came in
    _queue: list["Held"] = []  # noqa: RUF012

    def __init__(self, module: nn.Module):
        self.thread = this_thread()
        self.modules, self.parameters = list(module.modules()), list(module.parameters())
        tensors = [*self.parameters, *module.buffers()]
        self.keys = frozenset(map(id, [*self.modules, *tensors])) if tensors else frozenset[int]()
        self.found: dict[Any, Callable[[], object]] = {}

    def take(self, remember: Callable[[], dict[Any, Callable[[], object]]]) -> None:
        """Wait until no other thread holds a part of it, and remember how it is.

        Args:
            remember: returns what puts back each thing, by the name of that thing.
        """
        with GATE:
            if not any(held.thread == self.thread for held in Held._all):
                Held._queue.append(self)
            try:
                wait(self.thread, self._blockers)
                self.found = remember()
                Held._all.append(self)
            finally:
                if self in Held._queue:
                    Held._queue.remove(self)
                GATE.notify_all()

    def _blockers(self) -> set[int]:
        """Return the threads that hold a part of it, and those that came to wait for one before."""
        before = Held._queue[: Held._queue.index(self)] if self in Held._queue else []
        others = (held for held in (*Held._all, *before) if held.thread != self.thread)
        return {held.thread for held in others if not self.keys.isdisjoint(held.keys)}

    def release(self) -> None:
        """Put back what no later entrant holds too, and let others in; without effect where nothing was taken."""
        with GATE:
            if self not in Held._all:
                return
            later = Held._all[Held._all.index(self) + 1 :]
            own: list[Callable[[], object]] = []
            for key, back in self.found.items():
                heir = next((held for held in later if key in held.found), None)
                if heir is None:
                    own.append(back)
                else:
                    heir.found[key] = back
            try:
                _call(own)
            except KeyboardInterrupt:
                _call(own)
                raise
            finally:
                Held._all.remove(self)
                GATE.notify_all()


def _call(functions: list[Callable[[], object]]) -> None:
    for function in functions:
        function()
