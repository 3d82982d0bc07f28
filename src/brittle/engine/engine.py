"""What runs parts: here, one after the other, beside any other process that runs parts of the same folder."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from brittle.engine.lease import LEASE, lease, remove_stale

WAIT = 0.2
"""Seconds before another look at parts that others have claimed."""


class Part(Protocol):
    """A pure function with a place for its result: whoever does it, and however often, the same bytes lie there.

    Attributes:
        name: of its own among the parts of one piece of work; it can be the name of a file.
        turn: its number in the deal among shards, see `brittle.engine.shard`; None where it is anybody's.
    """

    @property
    def name(self) -> str:
        """See the class."""
        ...

    @property
    def turn(self) -> int | None:
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

    def run(self, parts: Sequence[Part], leases: Path, elsewhere: Callable[[Part], None] = ...) -> int:
        """Return once every part is done, by whomever.

        Args:
            parts: in the order in which they are best done.
            leases: folder for the claims, the same for all processes that share the work; it is gone with the last one.
            elsewhere: is called for each part that this call did not do.

        Returns:
            The number of parts that this call did.
        """
        ...


def ignore_part(part: Part) -> None:
    """Do nothing with a part that was done elsewhere."""


@dataclass(frozen=True)
class LocalEngine:
    """Does parts in this process, in their order, and leaves to others what they have claimed.

    Example:
        >>> import tempfile
        >>> LocalEngine().run([], Path(tempfile.mkdtemp()) / "leases")
        0
    """

    def run(self, parts: Sequence[Part], leases: Path, elsewhere: Callable[[Part], None] = ignore_part) -> int:
        """Do every part that is not done and not claimed, until all are done.

        A part whose process dies is done here. An error of a part ends the call; parts done so far stay.

        Raises:
            RunError: the folder of the leases cannot be written.
        """
        count, missing = 0, left_of(parts, elsewhere)
        if not missing:
            return 0
        try:
            while missing:
                left = [part for part in missing if not do_claimed(part, leases)]
                count += len(missing) - len(left)
                idle = len(left) == len(missing)
                missing = left_of(left, elsewhere)
                if missing and idle:
                    time.sleep(WAIT)
        finally:
            clear_away(leases)
        return count


def do_claimed(part: Part, leases: Path) -> bool:
    """Do a part, unless somebody else has claimed it or it is done, and return whether it was done here."""
    with lease(leases / f"{part.name}{LEASE}") as claimed:
        if not claimed or part.done():  # it may have been finished between the look and the claim
            return False
        part.do()
        return True


def clear_away(leases: Path) -> None:
    """Remove the leases of the dead, and their folder where nobody else works there."""
    remove_stale(leases)
    with contextlib.suppress(OSError):
        leases.rmdir()


def left_of(parts: Sequence[Part], elsewhere: Callable[[Part], None]) -> list[Part]:
    """Return the parts that are not done, and tell of the others."""
    left = list[Part]()
    for part in parts:
        if part.done():
            elsewhere(part)
        else:
            left.append(part)
    return left
