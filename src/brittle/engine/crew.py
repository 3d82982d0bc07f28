"""Handing parts out to workers, one by one: who gets which, and what happens when one dies. It knows no cluster."""

import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from brittle.engine.engine import LocalEngine, Part, clear_away
from brittle.engine.lease import LEASE, lease
from brittle.engine.portable import PortablePart
from brittle.errors import RunError, quoted
from brittle.words import plural

TRIES = 3
"""Workers that may die of one part; then something is wrong with it."""
OPENINGS = 8
"""Workers that may die one after the other before any of them can begin."""
LOOK = 0.2
"""Seconds of waiting for news before parts that others have claimed are looked at again."""
PATIENCE = 300.0
"""Seconds without a single worker after which nobody waits any longer: a cluster may have to start machines first."""


@dataclass(frozen=True)
class Ready:
    """A worker has opened what it needs."""

    worker: int


@dataclass(frozen=True)
class Did:
    """A worker has done its part, and returned this."""

    worker: int
    result: Any


@dataclass(frozen=True)
class Failed:
    """A worker met an error that another one would meet as well."""

    worker: int
    error: BaseException


@dataclass(frozen=True)
class Died:
    """A worker is gone, whatever it was at."""

    worker: int
    reason: str


@dataclass(frozen=True)
class Shown:
    """A worker has shown its network so many points more."""

    worker: int
    points: int


Event = Ready | Did | Failed | Died | Shown


class Crew(Protocol):
    """Workers, wherever they are; each does one part at a time."""

    def hire(self) -> int:
        """Ask for a worker, and return its number; `Ready` tells when it is there."""
        ...

    def give(self, worker: int, part: str) -> None:
        """Let a worker that has nothing to do begin a part."""
        ...

    def look(self, seconds: float) -> Sequence[Event]:
        """Return what happened, after so many seconds at the latest."""
        ...

    def lacking(self) -> str:
        """Say what a worker needs and what there is, for the message that none came."""
        ...


@dataclass(eq=False)
class Sharing:
    """Parts that are being handed out to a crew.

    A part is claimed, as other processes of the same work see it, by the process that hands it out, so that it is free
    again at once when its worker dies, wherever that was.

    Attributes:
        crew: the workers.
        leases: see `Engine.run`.
        elsewhere: see `Engine.run`.
        left: parts that nobody of the crew is at, the next one first.
    """

    crew: Crew
    leases: Path
    elsewhere: Callable[[Part], None]
    left: deque[PortablePart]
    _idle: set[int] = field(default_factory=set[int], init=False)
    _busy: dict[int, PortablePart] = field(default_factory=dict[int, PortablePart], init=False)
    _claims: dict[int, contextlib.ExitStack] = field(default_factory=dict[int, contextlib.ExitStack], init=False)
    _deaths: Counter[str] = field(default_factory=Counter[str], init=False)
    _in_a_row: int = field(default=0, init=False)
    _count: int = field(default=0, init=False)

    def run(self, workers: int) -> int:
        """Get the parts done by so many workers, and return how many these did.

        Raises:
            RunError: one part cost `TRIES` workers, or the beginning `OPENINGS`; or no worker came.
            BrittleError: what a part raised.
        """
        wanted = min(workers, len(self.left))
        for _ in range(wanted):
            self.crew.hire()
        waits = time.monotonic()
        try:
            while self.left or self._busy:
                self._hand_out()
                for event in self.crew.look(LOOK):
                    self._hear(event)
                if self._idle or self._busy:
                    waits = time.monotonic()
                elif time.monotonic() - waits > PATIENCE:
                    raise RunError(f"no worker began within {PATIENCE:g} seconds: {self.crew.lacking()}")
        finally:
            for claim in self._claims.values():
                claim.close()
        return self._count

    def _hand_out(self) -> None:
        """Give each idle worker the next part that is neither done nor claimed by others."""
        for worker in sorted(self._idle):
            for _ in range(len(self.left)):
                part = self.left.popleft()
                claim = contextlib.ExitStack()
                claimed = claim.enter_context(lease(self.leases / f"{part.name}{LEASE}"))
                if part.done():
                    claim.close()
                    self.elsewhere(part)
                elif not claimed:
                    claim.close()
                    self.left.append(part)
                else:
                    self._idle.discard(worker)
                    self._busy[worker], self._claims[worker] = part, claim
                    self.crew.give(worker, part.name)
                    break

    def _hear(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._idle.add(event.worker)
            self._in_a_row = 0
        elif isinstance(event, Did):
            self._busy[event.worker].take(event.result)
            self._release(event.worker)
            self._idle.add(event.worker)
            self._count += 1
        elif isinstance(event, Shown):
            if event.worker in self._busy:
                self._busy[event.worker].passed(event.points)
        elif isinstance(event, Died):
            self._replace(event)
        else:
            raise event.error

    def _replace(self, event: Died) -> None:
        """Let another worker take the place of one that died, and its part be done again, unless that kills them."""
        part, idle = self._busy.get(event.worker), event.worker in self._idle
        self._idle.discard(event.worker)
        if part is not None:
            self._release(event.worker)
            self.left.appendleft(part)
            self._deaths[part.name] += 1
        elif not idle:
            self._in_a_row += 1
        lost = self._in_a_row if part is None else self._deaths[part.name]
        if lost >= (OPENINGS if part is None else TRIES):
            at = f"the part {part.name}" if part is not None else "network and images, before any part,"
            raise RunError(
                f"{at} cost {plural(lost, 'worker')}, one after the other (the last: {quoted(event.reason, 300)}); "
                "the parts that are done stay. Where memory ran out, take fewer workers for each machine; otherwise "
                "the same command without --engine shows what happens"
            )
        self.crew.hire()

    def _release(self, worker: int) -> None:
        del self._busy[worker]
        self._claims.pop(worker).close()


def by_workers(
    parts: Sequence[Part],
    leases: Path,
    elsewhere: Callable[[Part], None],
    shared_out: Callable[[deque[PortablePart], Path, Callable[[Part], None]], int],
) -> int:
    """Share out the parts that workers can do, and do the others here after them.

    Args:
        parts: see `Engine.run`.
        leases: see `Engine.run`.
        elsewhere: see `Engine.run`.
        shared_out: hires workers for some parts, and returns how many these did.

    Returns:
        The number of parts that were done, by workers and here.
    """
    portable, others = deque[PortablePart](), list[Part]()
    for part in parts:
        if isinstance(part, PortablePart) and not part.done():
            portable.append(part)
        else:
            others.append(part)
    try:
        count = shared_out(portable, leases, elsewhere) if portable else 0
    finally:
        clear_away(leases)
    return count + LocalEngine().run(others, leases, elsewhere)
