"""Parts done by several processes of this machine, each with its share of the cores or a GPU of its own."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Annotated, Any, cast

from brittle.arguments import Within, check_fields
from brittle.engine.crew import Did, Died, Event, Failed, Ready, Sharing, Shown, by_workers
from brittle.engine.engine import Part, ignore_part
from brittle.engine.lease import lease, new_lease
from brittle.engine.portable import PortablePart, sent
from brittle.engine.share import Share, cores_here, share
from brittle.engine.worker import Worker, unpickled_elsewhere
from brittle.errors import RunError
from brittle.processes import child
from brittle.processes.child import UNGUARDED, end_with_parent, portable_error

EVERY = 1.0
"""Seconds between two words of a worker about how far it is."""
FAREWELL = 2.0
"""Seconds that workers get to end by themselves."""
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class ProcessEngine:
    """Does parts by processes of this machine, each of which holds the network once and does one part at a time.

    Small layers keep several threads of one process waiting for each other; processes do not wait. Workers, and what
    kills them, change no row as long as the rows do not depend on the number of threads.

    Attributes:
        workers: how many; by default one for each GPU where the network lies on one, and otherwise one for each core,
            16 at most. The cores are divided among them.

    Raises:
        InputError: no number of workers.

    Example:
        >>> ProcessEngine(2)
        ProcessEngine(workers=2)
    """

    workers: Annotated[int, Within(1)] | None = None

    def __post_init__(self):
        check_fields(self)

    def run(self, parts: Sequence[Part], leases: Path, elsewhere: Callable[[Part], None] = ignore_part) -> int:
        """Do every part that is not done and not claimed, until all are done.

        Parts that cannot leave this process are done here, after the others.

        Raises:
            InputError: network, images or attacks are values that cannot be sent, or there is no room for so many.
            RunError: a worker finds other files than this process, or a part cost several workers.
            BrittleError: what a part raised.
        """
        return by_workers(parts, leases, elsewhere, self._shared_out)

    def _shared_out(self, parts: deque[PortablePart], leases: Path, elsewhere: Callable[[Part], None]) -> int:
        recipe, mark = parts[0].recipe, new_lease(leases.absolute(), "processes")
        given = share([(cores_here(), _gpus(recipe.device))], self.workers, recipe.device)
        crew = ProcessCrew(sent(recipe, pickle.dumps), mark, given)
        with lease(mark):
            try:
                return Sharing(crew, leases, elsewhere, parts).run(given.workers)
            finally:
                crew.dismiss()


def _gpus(device: str) -> int:
    if not device.startswith("cuda"):
        return 0
    import torch

    return torch.cuda.device_count()


@dataclass(eq=False)
class ProcessCrew:
    """Workers that are processes of this machine.

    Attributes:
        recipe: pickled.
        mark: see `Recipe.open`.
        share: what each of them gets.
    """

    recipe: bytes
    mark: Path
    share: Share
    _lines: dict[Connection, int] = field(default_factory=dict[Connection, int], init=False)
    _processes: dict[int, Any] = field(default_factory=dict[int, Any], init=False)
    _gpus: dict[int, int] = field(default_factory=dict[int, int], init=False)
    _ready: set[int] = field(default_factory=set[int], init=False)
    _hired: int = field(default=0, init=False)

    def hire(self) -> int:
        """See `Crew`."""
        number, self._hired = self._hired, self._hired + 1
        context = multiprocessing.get_context(child.START)
        ours, theirs = context.Pipe()
        gpu = None
        if self.share.gpus:
            gpu = self._gpus[number] = min({*range(self.share.workers)} - {*self._gpus.values()})
        given = theirs, self.mark, self.share.threads, gpu
        process = context.Process(target=_serve, args=given, daemon=True)
        process.start()
        theirs.close()
        threading.Thread(target=_send, args=(ours, self.recipe), daemon=True).start()  # nobody may be there
        self._lines[ours], self._processes[number] = number, process
        return number

    def give(self, worker: int, part: str) -> None:
        """See `Crew`."""
        line = next(line for line, number in self._lines.items() if number == worker)
        with contextlib.suppress(OSError):  # it has died, which is heard in turn
            line.send(part)

    def look(self, seconds: float) -> list[Event]:
        """See `Crew`."""
        if not self._lines:
            time.sleep(seconds)
            return []
        return [self._heard(cast(Connection, line)) for line in wait([*self._lines], seconds)]

    def lacking(self) -> str:
        """See `Crew`."""
        return "none of the processes has opened network and images; without --engine one does"

    def dismiss(self) -> None:
        """End all workers, whatever they are at."""
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.send(None)
        until = time.monotonic() + FAREWELL
        for process in self._processes.values():
            process.join(max(until - time.monotonic(), 0))
            process.kill()
            process.join()
            process.close()
        for line in self._lines:
            line.close()

    def _heard(self, line: Connection) -> Event:
        worker = self._lines[line]
        try:
            event = cast("type[Event]", _EVENTS[(said := line.recv())[0]])(worker, *said[1:])
            self._ready.add(worker)  # or what it says is its error
            return event
        except (EOFError, OSError):
            del self._lines[line]
            line.close()
            self._gpus.pop(worker, None)
            process = self._processes.pop(worker)
            process.join()
            code, begun = process.exitcode, worker in self._ready
            process.close()
            if code == 1 and not begun:
                return Failed(worker, RunError(UNGUARDED))
            return Died(worker, f"its process ended with {code}")


def _send(line: Connection, content: bytes) -> None:
    with contextlib.suppress(OSError):
        line.send_bytes(content)


_EVENTS = {"ready": Ready, "did": Did, "failed": Failed, "shown": Shown}
"""What a worker says, and what it means."""


def _serve(line: Connection, mark: Path, threads: int, gpu: int | None) -> None:
    """Be a worker until nothing more is asked, or until nobody is there who asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; who gave the parts out ends the workers
    end_with_parent()
    if gpu is not None:
        seen = os.environ.get(VISIBLE)
        os.environ[VISIBLE] = seen.split(",")[gpu] if seen else str(gpu)
    worker, lock = Worker(), threading.Lock()

    def say(*words: object) -> None:
        with lock, contextlib.suppress(BrokenPipeError):
            line.send(words)

    try:
        recipe = line.recv()
    except Exception as error:
        say("failed", unpickled_elsewhere(error))
        return
    error = worker.open(recipe, mark, threads)
    if error is not None:
        say("failed", error)
        return
    say("ready")
    threading.Thread(target=_tell, args=(worker, say), daemon=True).start()
    while True:
        part = line.recv()
        if part is None:
            break
        try:
            result, error = worker.do(part)
        except Exception as foreign:
            say("failed", portable_error(foreign))
            continue
        say("did", result) if error is None else say("failed", error)
    worker.close()


def _tell(worker: Worker, say: Callable[..., None]) -> None:
    """Say now and then how far a part is."""
    while True:
        time.sleep(EVERY)
        if points := worker.points():
            say("shown", points)
