"""What runs parts: here, one after the other, beside any other process that runs parts of the same folder."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from brittle.engine.lease import LEASE, lease, remove_stale
from brittle.errors import RunError
from brittle.words import plural

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
        count, missing = 0, _left(parts, elsewhere)
        if not missing:
            return 0
        try:
            while missing:
                before, left = count, list[Part]()
                for part in missing:
                    mine = False
                    with lease(leases / f"{part.name}{LEASE}") as claimed:
                        if claimed and not part.done():  # it may have been finished between the look and the claim
                            part.do()
                            mine, count = True, count + 1
                    if not mine:
                        left.append(part)
                missing = _left(left, elsewhere)
                if missing and count == before:
                    time.sleep(WAIT)
        finally:
            clear_away(leases)
        return count


def clear_away(leases: Path) -> None:
    """Remove the leases of the dead, and their folder where nobody else works there."""
    remove_stale(leases)
    with contextlib.suppress(OSError):
        leases.rmdir()


def get_done(
    engine: Engine, parts: Sequence[Part], leases: Path, elsewhere: Callable[[Part], None] = ignore_part
) -> None:
    """Get parts done by an engine, and see that they are.

    Args:
        engine: whatever gets them done.
        parts: see `Engine.run`.
        leases: see `Engine.run`.
        elsewhere: see `Engine.run`.

    Raises:
        RunError: an engine of somebody else's returned before every part was done.
    """
    engine.run(parts, leases, elsewhere)
    undone = [] if isinstance(engine, LocalEngine) else [part.name for part in parts if not part.done()]
    if undone:
        named = ", ".join(undone[:3]) + (", ..." if len(undone) > 3 else "")
        raise RunError(
            f"{type(engine).__name__}.run returned with {len(undone)} of {plural(len(parts), 'part')} undone "
            f"({named}); expected it to return once every part is done, such as by part.do()"
        )


def _left(parts: Sequence[Part], elsewhere: Callable[[Part], None]) -> list[Part]:
    """Return the parts that are not done, and tell of the others."""
    left = list[Part]()
    for part in parts:
        if part.done():
            elsewhere(part)
        else:
            left.append(part)
    return left
