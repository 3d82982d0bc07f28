"""Getting parts done by whatever engine there is, and seeing that they are."""

from collections.abc import Callable, Sequence
from pathlib import Path

from brittle.engine.engine import Engine, LocalEngine, Part, ignore_part
from brittle.engine.shard import ShardEngine
from brittle.errors import RunError
from brittle.words import plural


def get_done(
    engine: Engine, parts: Sequence[Part], leases: Path, elsewhere: Callable[[Part], None] = ignore_part
) -> list[Part]:
    """Get parts done by an engine, and see that they are.

    Args:
        engine: whatever gets them done.
        parts: see `Engine.run`.
        leases: see `Engine.run`.
        elsewhere: see `Engine.run`.

    Returns:
        What is left to others; nothing but where the engine does a share alone.

    Raises:
        RunError: an engine of somebody else's returned before every part was done.
    """
    engine.run(parts, leases, elsewhere)
    undone = [] if isinstance(engine, LocalEngine) else [part for part in parts if not part.done()]
    if undone and not isinstance(engine, ShardEngine):
        named = ", ".join(part.name for part in undone[:3]) + (", ..." if len(undone) > 3 else "")
        raise RunError(
            f"{type(engine).__name__}.run returned with {len(undone)} of {plural(len(parts), 'part')} undone "
            f"({named}); expected it to return once every part is done, such as by part.do()"
        )
    return undone
