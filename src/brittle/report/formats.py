"""Text as a page wants it: counts, times, and names that fit."""

import shlex
from collections.abc import Iterable

from brittle.errors import escaped, truncate
from brittle.metrics.formats import THIN, significant
from brittle.names import in_shell, restored, without_folders
from brittle.runs.verdicts import placeless


def count(value: float) -> str:
    """A number of passes: whole when it is whole or large."""
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.1f}"


def duration(seconds: float) -> str:
    """A time with its unit."""
    if seconds < 0.0995:
        return f"{significant(1000 * seconds)}{THIN}ms"
    return f"{significant(seconds)}{THIN}s"


def subject(spec: str) -> str:
    """What a page is of, in short: a network or images as the user wrote them, without the folders of a file.

    Example:
        >>> subject("models/net.pt2"), subject("/home/me/net.py:make")
        ('net.pt2', 'net.py:make')
    """
    return placeless(without_folders(spec))


def command_text(command: Iterable[str] | str) -> str:
    """A command as it is typed, without the folders of absolute paths.

    Args:
        command: its words, or all of it as a shell reads it.

    Example:
        >>> command_text(["brittle", "audit", "/home/me/my net.pt2", "--out=/tmp/run"])
        "brittle audit 'my net.pt2' --out=run"
    """
    words = shlex.split(command) if isinstance(command, str) else command
    return in_shell(placeless(restored(word)) for word in words)


def figure_text(text: str, length: int = 28) -> str:
    """A name for a figure's label, shortened, with what would turn or hide the text around it escaped."""
    return truncate(escaped(text), length)
