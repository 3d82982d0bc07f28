"""What the loggers of other packages may say while they work for us."""

import contextlib
import logging
from collections.abc import Generator


@contextlib.contextmanager
def held_to(level: int, name: str) -> Generator[None]:
    """Let a logger say what is at least as grave as a level, and leave it as it was.

    Args:
        level: such as `logging.ERROR`.
        name: of the logger.

    Example:
        >>> with held_to(logging.ERROR, "talkative"):
        ...     logging.getLogger("talkative").isEnabledFor(logging.WARNING)
        False
    """
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
