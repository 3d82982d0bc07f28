"""Threads that use brittle at the same time: one at a time on one network, each with random numbers of its own.

Two things are shared without being seen. A network is one set of modes, flags and buffers, so a thread holds it alone
from the first pass to the last (`Held`). The global random states are one for the process, so each thread has some of
its own, which are put in place for the passes of networks that draw from them (`turn`).
"""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

from torch import nn

from brittle.base.random_state import RandomState, seed_all
from brittle.classifiers.held import GATE, someone_waits, this_thread, wait


class _Entry:
    """One entry of a thread: the states that it goes back to when it is left; None for the first one."""

    def __init__(self) -> None:
        self.stream: _Stream | None = None
        self.before: RandomState | None = None


class _Stream:
    """The random states of one thread, while it is inside.

    Attributes:
        thread: its number.
        devices: the GPUs whose states are its own.
        entries: those under way, the outermost one first.
        state: where they have got to, while those of another thread are in place.
        quiet: kinds of passes that were seen to draw nothing, each with the module, whose number is thereby not reused.
        nested: whether the pass under way has entered once more, as that of a network that runs attacks of its own.
    """

    def __init__(self, thread: int):
        self.thread, self.devices = thread, set[int]()
        self.entries: list[_Entry] = []
        self.state: RandomState | None = None
        self.quiet: dict[Any, nn.Module] = {}
        self.nested = False


class _Place:
    """Whose states the global ones are; `outside` are those to be put back when nobody is inside any more."""

    def __init__(self) -> None:
        self.streams: dict[int, _Stream] = {}
        self.placed: _Stream | None = None
        self.outside: RandomState | None = None
        self.passing: dict[int, bool] = {}
        self.eager: list[int] = []

    def put(self, stream: _Stream | None) -> None:
        """Make the global states those of a thread; with None they are kept for their owner, and nobody's."""
        if self.placed is stream:
            return
        if self.placed is not None:
            self.placed.state = RandomState.now(self.placed.devices)
        if stream is not None and stream.state is not None:
            stream.state.restore()
        self.placed = stream

    def others(self, thread: int) -> set[int]:
        """Return the other threads that are in a pass."""
        return {other for other in self.passing if other != thread}

    def enter(self, entry: _Entry, seed: int, devices: set[int]) -> None:
        """Give the thread states of its own, from a seed."""
        thread = this_thread()
        with GATE:
            wait(thread, lambda: self.others(thread))
            if self.outside is None:
                self.outside = RandomState.now(devices)
            elif new := devices - set(self.outside.cuda):
                self.outside.cuda.update(RandomState.now(new).cuda)
            entry.stream = stream = self.streams.get(thread, _Stream(thread))
            self.put(stream)
            if stream.entries:
                entry.before = RandomState.now(stream.devices | devices)
                stream.nested = True
            stream.entries.append(entry)
            self.streams[thread] = stream
            stream.devices |= devices
            seed_all(seed, devices)

    def leave(self, entry: _Entry) -> None:
        """Go back to the states from before an entry, once the passes under way have ended."""
        stream = entry.stream
        if stream is None or entry not in stream.entries:  # interrupted on its way in
            return
        with GATE:
            try:
                wait(this_thread(), lambda: self.others(stream.thread), always=True)
            finally:
                place = stream.entries.index(entry)
                del stream.entries[place]
                if stream.entries[place:]:
                    stream.entries[place].before = entry.before
                elif entry.before is not None:
                    self.put(stream)
                    entry.before.restore()
                else:
                    self._close(stream)
                GATE.notify_all()

    def _close(self, stream: _Stream) -> None:
        del self.streams[stream.thread]
        self.placed = None if self.placed is stream else self.placed
        if len(self.streams) == 1:
            self.put(*self.streams.values())
        elif not self.streams and self.outside is not None:
            self.outside.restore()
            self.outside = None

    def begin(self, stream: _Stream, *, alone: bool) -> None:
        """Begin a pass: alone with the thread's states in place, or beside others that draw nothing either."""
        thread = stream.thread
        with GATE:
            if self.placed is stream and len(self.streams) == 1 and not self.passing and not self.eager:
                self.passing[thread], stream.nested = alone, False  # nobody else is inside
                return
            self.eager += [thread] if alone else []
            try:
                wait(thread, lambda: self._blockers(thread, alone=alone))
                self.passing[thread], stream.nested = alone, False
                if alone or len(self.streams) == 1:
                    self.put(stream)
                else:
                    self.put(None)
            finally:
                if alone:
                    self.eager.remove(thread)
                GATE.notify_all()

    def _blockers(self, thread: int, *, alone: bool) -> set[int]:
        passing = {other for other, single in self.passing.items() if other != thread and (alone or single)}
        return passing if alone else passing | set(self.eager)

    def end(self, stream: _Stream) -> None:
        """End a pass."""
        with GATE:
            self.passing.pop(stream.thread, None)
            if someone_waits():
                GATE.notify_all()


_PLACE = _Place()


@contextmanager
def own_randomness(seed: int, devices: Iterable[int] = ()) -> Generator[None]:
    """Give this thread global random states of its own within the block, from a seed; then put back the earlier ones.

    The states are one for the process: those from before are back when the last thread is out. Passes that draw from
    them go through `turn`.

    Args:
        seed: of all of them.
        devices: GPUs whose states are meant too.
    """
    entry = _Entry()
    try:
        _PLACE.enter(entry, seed, set(devices))
        yield
    finally:
        _PLACE.leave(entry)


@contextmanager
def turn(module: nn.Module, kind: Any = None, *, draws: bool = False) -> Generator[None]:
    """Keep other threads' random numbers apart from those that a network draws within the block.

    As long as one thread alone is inside, nothing happens. Of several, those whose network was seen to draw nothing in
    its first pass of this kind go on side by side; the others one at a time.

    Args:
        module: the network.
        kind: of the pass, such as the shape of the images.
        draws: it is known to use the random states.
    """
    stream = _PLACE.streams.get(this_thread())
    if stream is None or stream.thread in _PLACE.passing:  # a thread that is not inside, or a pass within a pass
        yield
        return
    key = (id(module), kind)
    alone = draws or key not in stream.quiet
    try:
        _PLACE.begin(stream, alone=alone)
        if alone and not draws and len(_PLACE.streams) > 1:
            before = RandomState.now(stream.devices)
            yield
            if not stream.nested and before.equals(RandomState.now(stream.devices)):
                stream.quiet[key] = module
        else:
            yield
    finally:
        _PLACE.end(stream)
