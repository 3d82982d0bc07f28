"""Parts done by the workers of Ray, on this machine or on a cluster. Ray places and watches them; parts are ours."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from brittle.arguments import Within, check_fields
from brittle.engine.crew import Did, Died, Event, Failed, Ready, Sharing, Shown, by_workers
from brittle.engine.engine import Part, ignore_part
from brittle.engine.lease import lease, new_lease
from brittle.engine.portable import PortablePart, sent
from brittle.engine.ray_cluster import joined, share_of
from brittle.engine.share import Share
from brittle.engine.worker import Worker, unpickled_elsewhere
from brittle.errors import InputError
from brittle.words import plural

EVERY = 1.0
"""Seconds between two questions to a worker how far it is."""
FAREWELL = 2.0
"""Seconds that workers get to tidy up before they are ended."""


@dataclass(frozen=True)
class RayEngine:
    """Does parts by workers of Ray, each a process that holds the network once and does one part at a time.

    Workers, and what kills them, change no row: whoever does a part, the same is written.

    Attributes:
        address: "auto" for the cluster that this machine belongs to, or HOST:PORT of a cluster's head node; by default
            workers are started on this machine, and ended with the work.
        workers: how many; by default one for each GPU where the network lies on one, and otherwise one for each core,
            16 at most on a machine. The cores are divided among them.

    Raises:
        InputError: another address, or no number of workers.

    Example:
        >>> RayEngine("auto", workers=8)
        RayEngine(address='auto', workers=8)
    """

    address: str | None = None
    workers: Annotated[int, Within(1)] | None = None

    def __post_init__(self):
        check_fields(self)
        host, _, port = ("", "", "") if self.address is None else self.address.rpartition(":")
        if self.address not in (None, "auto") and not (host and "/" not in host and port.isdecimal()):
            raise InputError(
                f"the address is {self.address!r}; expected auto, or HOST:PORT of the head node, such as 10.0.0.1:6379"
            )

    def run(self, parts: Sequence[Part], leases: Path, elsewhere: Callable[[Part], None] = ignore_part) -> int:
        """Do every part that is not done and not claimed, until all are done.

        Parts that cannot leave this process are done here, after the others.

        Raises:
            MissingExtra: Ray is not installed.
            RunError: the cluster cannot be reached or has no room, a worker finds other files than this process, or
                a part cost several workers.
            InputError: network, images or attacks are values that cannot be sent.
            BrittleError: what a part raised.
        """
        return by_workers(parts, leases, elsewhere, self._shared_out)

    def _shared_out(self, parts: deque[PortablePart], leases: Path, elsewhere: Callable[[Part], None]) -> int:
        recipe, mark = parts[0].recipe, new_lease(leases.absolute(), "ray")
        with joined(self.address, self.workers, recipe.device) as ray, lease(mark):
            share = share_of(ray, self.workers, recipe.device)
            crew = RayCrew(ray, sent(recipe, ray.put), mark, share)
            try:
                return Sharing(crew, leases, elsewhere, parts).run(share.workers)
            finally:
                crew.dismiss()


@dataclass(eq=False)
class RayCrew:
    """Workers that Ray runs.

    Attributes:
        ray: the package.
        recipe: where Ray keeps it.
        mark: see `Recipe.open`.
        share: what each of them gets.
    """

    ray: Any
    recipe: Any
    mark: Path
    share: Share
    _actors: dict[int, Any] = field(default_factory=dict[int, Any], init=False)
    _calls: dict[Any, tuple[int, str]] = field(default_factory=dict[Any, "tuple[int, str]"], init=False)
    _asked: dict[int, float] = field(default_factory=dict[int, float], init=False)
    _hired: int = field(default=0, init=False)

    def hire(self) -> int:
        """See `Crew`."""
        number, self._hired = self._hired, self._hired + 1
        kind = self.ray.remote(Worker).options(
            num_cpus=self.share.cores, num_gpus=self.share.gpus, max_concurrency=2, max_restarts=0
        )
        actor = self._actors[number] = kind.remote()
        self._calls[actor.open.remote(self.recipe, self.mark, self.share.threads)] = number, "open"
        return number

    def give(self, worker: int, part: str) -> None:
        """See `Crew`."""
        self._calls[self._actors[worker].do.remote(part)] = worker, "do"
        self._asked[worker] = time.monotonic()

    def look(self, seconds: float) -> list[Event]:
        """See `Crew`."""
        for worker, asked in self._asked.items():
            if time.monotonic() - asked > EVERY and (worker, "points") not in self._calls.values():
                self._calls[self._actors[worker].points.remote()] = worker, "points"
                self._asked[worker] = time.monotonic()
        if not self._calls:
            time.sleep(seconds)
            return []
        ready, _ = self.ray.wait([*self._calls], num_returns=1, timeout=seconds)
        found = (self._event(call, *self._calls.pop(call)) for call in ready)
        return [event for event in found if event is not None]

    def lacking(self) -> str:
        """See `Crew`."""
        return f"each needs {self.share.said()}, and of {_resources(self.ray.cluster_resources())} there are free " + (
            f"{_resources(self.ray.available_resources())}; take fewer workers, or wait until others are done"
        )

    def dismiss(self) -> None:
        """End all workers, whatever they are at."""
        closing = [actor.close.remote() for actor in self._actors.values()]
        if closing:
            self.ray.wait(closing, num_returns=len(closing), timeout=FAREWELL)
        for actor in self._actors.values():
            self.ray.kill(actor)

    def _event(self, call: Any, worker: int, what: str) -> Event | None:
        if worker not in self._actors:
            return None  # its death is known
        try:
            value = self.ray.get(call)
        except self.ray.exceptions.RayActorError as error:
            del self._actors[worker]
            self._asked.pop(worker, None)
            return Died(worker, str(error))
        except self.ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            if what == "open":
                return Failed(worker, unpickled_elsewhere(cause))
            cause.add_note(f"raised in a worker:\n{error}")
            return Failed(worker, cause)
        if what == "points":
            return Shown(worker, value)
        if what == "open":
            return Ready(worker) if value is None else Failed(worker, value)
        self._asked.pop(worker, None)
        result, error = value
        return Did(worker, result) if error is None else Failed(worker, error)


def _resources(found: dict[str, float]) -> str:
    """Cores and GPUs of a cluster, in words."""
    return f"{plural(int(found.get('CPU', 0)), 'core')} and {plural(int(found.get('GPU', 0)), 'GPU')}"
