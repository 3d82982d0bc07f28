"""Names are shown as text that nothing obeys, and kept so that they come back bit by bit."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_names import obeyed

from brittle.names import restored, shown, shown_lines, stored

ANYTHING = st.text(st.characters()) | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))
ESCAPES = st.text(st.sampled_from("\\xud89abcef05\udc80\udcff\ud800\udfff"))
"""Text that looks like what `stored` writes."""


@given(ANYTHING | ESCAPES)
def test_what_is_stored_is_utf8_and_comes_back(name: str):
    kept = stored(name)
    kept.encode("utf-8")
    assert restored(kept) == name


@given(st.text())
def test_ordinary_names_are_stored_as_they_are(name: str):
    if "\\" not in name:
        assert stored(name) == name


@given(ANYTHING)
def test_what_is_shown_has_nothing_to_obey(name: str):
    line = shown(name)
    assert not obeyed(line)
    assert "\n" not in line
    assert shown(line) == line


@pytest.mark.parametrize("name", ["katze.png", "猫.png", "[bold]", "a b", "C:\\x41", "café", "e\u0301", "1\u202f000"])
def test_readable_names_are_shown_as_they_are(name: str):
    assert shown(name) == name
    assert shown_lines(name) == name


def test_different_bytes_are_shown_differently():
    assert shown("\x85") != shown(os.fsdecode(b"\x85"))
