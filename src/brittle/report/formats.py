"""Text as a page wants it: counts, times, and names that fit."""

from brittle.errors import escaped, truncate
from brittle.metrics.formats import THIN, significant


def count(value: float) -> str:
    """A number of passes: whole when it is whole or large."""
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.1f}"


def duration(seconds: float) -> str:
    """A time with its unit."""
    if seconds < 0.0995:
        return f"{significant(1000 * seconds)}{THIN}ms"
    return f"{significant(seconds)}{THIN}s"


def figure_text(text: str, length: int = 28) -> str:
    """A name for a figure's label, shortened, with what would turn or hide the text around it escaped."""
    return truncate(escaped(text), length)
