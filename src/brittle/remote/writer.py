"""The mark of the one process that writes to a remote folder: no lock, which object stores do not have, but seen."""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field

from brittle.errors import BrittleError, RunError, quoted
from brittle.processes.alive import is_alive
from brittle.reading import parse_json
from brittle.remote.store import Store

MARK = ".brittle-writer"
"""The file by which others know that somebody writes; it is hidden, so that nobody fetches it."""
STALE = 60.0
"""Seconds without renewal after which a writer of another machine counts as dead; the clocks may differ by less."""
RENEW = STALE / 6
"""Seconds between two renewals."""
LARGEST = 4096
"""Bytes of a mark that are read."""


@dataclass(eq=False)
class Writer:
    """Who writes to a folder, as its mark says: renewed until `close`, and looked at with each renewal.

    Two that begin within the same moment both think that they are alone; the one whose mark was overwritten finds out
    at its next renewal, and stops. Until then both write the same bytes, but for the times that they took.
    """

    store: Store
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    lost: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """Put the mark.

        Raises:
            RunError: somebody else is writing, or the folder cannot be written.
        """
        held = self._held()
        if held is not None:
            raise RunError(
                f"{held} is writing to {self.store.title}, and a remote folder has one writer at a time; wait until it "
                "has ended, or give each shard (--shard I/N) a folder of its own and join them by brittle merge"
            )
        self._put()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """See that nobody has taken over.

        Raises:
            RunError: somebody has.
        """
        if self.lost:
            raise RunError(
                f"another process has begun to write to {self.store.title}; what was finished stands there, and that "
                "process goes on from it"
            )

    def close(self) -> None:
        """Remove the mark, if it is still this one's."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            with contextlib.suppress(BrittleError):
                if self._found().get("token") == self.token:
                    self.store.remove(MARK)

    def _held(self) -> str | None:
        """Return who writes there, in words; None where nobody does any more."""
        found = self._found()
        host, process, seen = found.get("host"), found.get("pid"), found.get("seen")
        if not isinstance(process, int) or not isinstance(seen, int | float) or not isinstance(host, str):
            return None
        if host == socket.gethostname():
            return f"process {process} of this machine" if is_alive(process) else None
        return f"process {process} of {quoted(host, 60)}" if abs(time.time() - seen) <= STALE else None

    def _found(self) -> dict[str, object]:
        content = self.store.read(MARK, LARGEST)
        with contextlib.suppress(ValueError, BrittleError):
            found: object = parse_json(content or b"", MARK)
            if isinstance(found, dict):
                return {str(name): one for name, one in found.items()}
        return {}

    def _put(self) -> None:
        words = {"host": socket.gethostname(), "pid": os.getpid(), "seen": time.time(), "token": self.token}
        self.store.write(MARK, json.dumps(words).encode())

    def _renew(self) -> None:
        while not self._stop.wait(RENEW):
            with contextlib.suppress(BrittleError):
                if self._found().get("token", self.token) != self.token:
                    self.lost = True
                    return
                self._put()
