"""Counts, times and names as text."""

from brittle.metrics.formats import THIN
from brittle.report import formats
from brittle.words import plural


def plain(text):
    return text.replace(THIN, " ")


def test_passes_times_and_plurals():
    assert [formats.count(value) for value in (41.0, 12.34, 1234.5)] == ["41", "12.3", "1,234"]
    assert plain(formats.duration(0.0123)) == "12.3 ms"
    assert plain(formats.duration(12)) == "12.0 s"
    assert [plural(1, "image"), plural(2000, "class", "classes")] == ["1 image", "2,000 classes"]


def test_names_in_figures_are_short_and_turn_nothing():
    assert formats.figure_text("<b>&\u202ex", 28) == "<b>&\\u202ex"
    assert formats.figure_text("a" * 30, 5) == "aaaa…"
