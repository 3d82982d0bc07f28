"""What runs parts: here, one after the other, beside any other process that runs parts of the same folder."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from brittle.engine.lease import LEASE, lease

WAIT = 0.2
"""Seconds before another look at parts that others have claimed."""


class Part(Protocol):
    """A pure function with a place for its result: whoever does it, and however often, the same bytes lie there.

    Attributes:
        name: of its own among the parts of one piece of work; it can be the name of a file.
    """

    @property
    def name(self) -> str:
        """See the class."""
        ...

    def done(self) -> bool:
        """Whether the result lies there, whole."""
        ...

    def do(self) -> None:
        """Work it out, and write it all or not at all."""
        ...


class Engine(Protocol):
    """Whatever gets parts done, on this machine or on others."""

    def run(self, parts: Sequence[Part]) -> int:
        """Return once every part is done, by whomever; the number of those that this call did."""
        ...


@dataclass(frozen=True)
class LocalEngine:
    """Does parts in this process, in their order, and leaves to others what they have claimed.

    Attributes:
        leases: folder for the claims, the same for all processes that share the work; it is gone with the last one.

    Example:
        >>> import tempfile
        >>> LocalEngine(Path(tempfile.mkdtemp()) / "leases").run([])
        0
    """

    leases: Path

    def run(self, parts: Sequence[Part]) -> int:
        """Do every part that is not done and not claimed, until all are done.

        A part whose process dies is done here. An error of a part ends the call; parts done so far stay.

        Raises:
            RunError: the folder of the leases cannot be written.
        """
        count, left = 0, [*parts]
        while left := [part for part in left if not part.done()]:
            before = count
            for part in left:
                with lease(self.leases / f"{part.name}{LEASE}") as mine:
                    if mine and not part.done():  # it may have been finished between the look and the claim
                        part.do()
                        count += 1
            if count == before and not all(part.done() for part in left):
                time.sleep(WAIT)
        return count
