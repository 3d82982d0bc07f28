"""One of several processes that share a piece of work, each with a share of its own, in one folder or in several."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from brittle.arguments import seen
from brittle.engine.engine import WAIT, Engine, LocalEngine, Part, clear_away, do_claimed, ignore_part, left_of
from brittle.engine.lease import lease, new_lease, others_at_work
from brittle.errors import InputError
from brittle.words import plural

WRITTEN = re.compile(r"(\d{1,6})/(\d{1,6})", re.ASCII)
"""How a shard is written."""


@dataclass(frozen=True)
class ShardEngine:
    """Does its share of the parts in this process, in their order, and helps others as long as they are at work.

    Parts are dealt out by their `turn`, so that shares are alike where neighbours in the deal are.

    Attributes:
        number: of this shard, from 1.
        count: of all shards.

    Raises:
        InputError: there is no such shard.

    Example:
        >>> ShardEngine(2, 4).text
        '2/4'
        >>> ShardEngine(0, 4)
        Traceback (most recent call last):
            ...
        brittle.errors.InputError: the shard is 0/4; expected NUMBER/COUNT with a number from 1 to 4
    """

    number: int
    count: int

    def __post_init__(self):
        if self.count < 1:
            raise InputError(
                f"the shard is {self.text}; expected NUMBER/COUNT, such as 2/4, with a count of at least 1"
            )
        if not 1 <= self.number <= self.count:
            raise InputError(f"the shard is {self.text}; expected NUMBER/COUNT with a number from 1 to {self.count}")

    @classmethod
    def of(cls, shard: str | tuple[int, int]) -> "ShardEngine":
        """Read a shard as it is written.

        Args:
            shard: ``"2/4"`` or ``(2, 4)``, the second of four.

        Raises:
            InputError: it is none.

        Example:
            >>> ShardEngine.of("2/4") == ShardEngine.of((2, 4))
            True
        """
        if isinstance(shard, tuple):
            return cls(*shard)
        found = WRITTEN.fullmatch(shard)
        if found is None:
            raise InputError(f"the shard is {seen(shard)}; expected NUMBER/COUNT, such as 2/4 for the second of four")
        return cls(int(found[1]), int(found[2]))

    @property
    def text(self) -> str:
        """How it is written."""
        return f"{self.number}/{self.count}"

    def owns(self, part: Part) -> bool:
        """Whether a part is of this shard's share; what is anybody's is of every share."""
        return part.turn is None or part.turn % self.count == self.number - 1

    def run(self, parts: Sequence[Part], leases: Path, elsewhere: Callable[[Part], None] = ignore_part) -> int:
        """Do this shard's share; then what nobody has claimed, as long as others are at work in the same folder.

        Returns:
            The number of parts that this call did. Parts may be left when nobody else is at work.

        Raises:
            RunError: the folder of the leases cannot be written.
        """
        missing = left_of(parts, elsewhere)
        if not missing:
            return 0
        presence = new_lease(leases, f"shard-{self.number}-of-{self.count}")
        try:
            with lease(presence):
                count = LocalEngine().run([part for part in missing if self.owns(part)], leases, elsewhere)
                missing = left_of([part for part in missing if not self.owns(part)], elsewhere)
                while missing and others_at_work(leases, presence):
                    part = next((part for part in missing if do_claimed(part, leases)), None)
                    if part is None:
                        time.sleep(WAIT)
                    else:
                        count += 1
                        missing.remove(part)
                    missing = left_of(missing, elsewhere)
        finally:
            clear_away(leases)
        return count

    def said(self, parts: Sequence[Part], left: Sequence[Part], way_on: str = "") -> str:
        """Return in one line what was done and what is left.

        Args:
            parts: all of them.
            left: those that are not done.
            way_on: what else than the other shards brings the work to its end, in words.
        """
        own = sum(self.owns(part) for part in parts)
        done = f"its {own:,} of {plural(len(parts), 'part')} {'is' if own == 1 else 'are'} done"
        verb = "is" if len(left) == 1 else "are"
        return f"shard {self.number} of {self.count}: {done}; {len(left):,} {verb} left for the others{way_on}"


def engine_of(engine: Engine | None, shard: str | tuple[int, int] | None) -> Engine:
    """Return what gets parts done: an engine that is given, a shard, or this process one part after the other.

    Args:
        engine: a user's own, if any.
        shard: which share this process does; None for all.

    Raises:
        InputError: both are given, or there is no such shard.

    Example:
        >>> engine_of(None, "1/2")
        ShardEngine(number=1, count=2)
    """
    if shard is None:
        return engine or LocalEngine()
    if engine is not None:
        raise InputError(
            "an engine and a shard are given; expected one of the two, as a shard is done by its own engine"
        )
    return ShardEngine.of(shard)
