r"""Names of files, folders and classes as text: how they are shown to a reader, and how they are kept in a file.

A name is whatever others chose: it may hold line breaks, the codes that move a terminal's cursor, characters that turn
the direction of reading, and bytes that are no text at all, which Python carries as lone surrogates.
"""

import os
import re
import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import cast

_JOINERS = "\u200c\u200d"
"""Without a width, and part of words in some scripts and of pictures made of several."""
_USUAL = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}
_KEPT = re.compile(r"\\(?:x(?:[89a-f][0-9a-f]|5c)|ud[89a-f][0-9a-f]{2})")
"""What `stored` writes for what UTF-8 cannot say, and for a backslash that only looks like it."""

OLDER_NORMS = {"0": "l0", "1": "l1", "2": "l2", "inf": "linf"}
"""Names by which older versions knew the norms."""
OWN_THREAT = re.compile("(?!l[0-9]|linf)[a-z][a-z0-9-]{0,31}")
"""How a threat may be called that is not brittle's own: what begins like a norm is taken for one."""


def shown(text: str | os.PathLike[str]) -> str:
    r"""Return a name, or a line that quotes one, as a reader may see it: one line, nothing invisible, nothing obeyed.

    Control characters, line breaks, what changes the direction of reading and what has no glyph are written as in
    Python, bytes that are no text as ``\xff``. What is left is text and nothing else; whether a tag or a bracket means
    something is for the page or terminal to say. Shown twice is shown once.

    Args:
        text: a name, a path or a line.

    Example:
        >>> print(shown("cat\n\x1b[31m\u202e.png"), shown(b"\xff.png".decode("utf-8", "surrogateescape")))
        cat\n\x1b[31m\u202e.png \xff.png
    """
    text = os.fspath(text)
    return text if text.isprintable() else "".join(map(_visible, text))


def shown_lines(text: str) -> str:
    r"""Return a message of several lines, each as `shown`.

    The lines that a message of brittle adds are indented, and are kept; a line break before anything else comes from a
    name.

    Example:
        >>> print(shown_lines("two runs:\n  one\n  a\nb"))
        two runs:
          one
          a\nb
    """
    return "\n  ".join(map(shown, text.split("\n  ")))


def stored(name: str) -> str:
    r"""Return a name as UTF-8 can hold it, for JSON and Parquet; `restored` gives it back, bit by bit.

    Nearly every name is kept as it is. Only bytes that are no text become ``\xff``, other lone surrogates ``\ud800``,
    and a backslash before the like of these ``\x5c``.

    Example:
        >>> name = os.fsdecode(b"caf\xe9.png")
        >>> print(stored(name), stored(r"\alpha"), restored(stored(name)) == name)
        caf\xe9.png \alpha True
    """
    name = _KEPT.sub(lambda found: r"\x5c" + found[0][1:], name)
    return re.sub("[\ud800-\udfff]", lambda found: _surrogate(found[0]), name)


def restored(text: str) -> str:
    """Return the name that `stored` was given."""
    return _KEPT.sub(lambda found: _meant(found[0]), text)


def stored_within(value: object) -> object:
    r"""Return a value with every text and path in it as `stored`, at any depth of lists and mappings.

    Example:
        >>> stored_within({"names": ["a", "\udcff"], "n": 2})
        {'names': ['a', '\\xff'], 'n': 2}
    """
    if isinstance(value, str | PurePath):
        return stored(str(value))
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {stored(key) if isinstance(key, str) else key: stored_within(one) for key, one in pairs}
    if isinstance(value, list | tuple):
        inner = [stored_within(one) for one in cast("Iterable[object]", value)]
        return tuple(inner) if isinstance(value, tuple) else inner
    return value


def in_shell(words: Iterable[str]) -> str:
    r"""Return a command of one printable line that gives a shell these very words, bytes that are no text included.

    Words are quoted as ever. One that cannot be shown or stored as it is becomes ``$'...'`` with octal bytes, which
    bash, zsh, ksh and the `sh` of POSIX 2024 read.

    Example:
        >>> print(in_shell(["ls", "my cats", "line\nbreak"]))
        ls 'my cats' $'line\012break'
    """
    return " ".join(shlex.quote(word) if shown(word) == word == stored(word) else _octal(word) for word in words)


def told_apart(paths: Sequence[PurePath]) -> list[str]:
    """Return names for different paths: their last parts, as many as tell all of them apart.

    Example:
        >>> told_apart([PurePath("runs/old"), PurePath("runs/new")]), told_apart([PurePath("a/run"), PurePath("b/run")])
        (['old', 'new'], ['a/run', 'b/run'])
    """
    for count in range(1, max((len(path.parts) for path in paths), default=0) + 1):
        names = ["/".join(path.parts[-count:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def without_folders(spec: str) -> str:
    """What the user wrote, without the folders of a file.

    Example:
        >>> without_folders("models/net.pt2"), without_folders("timm:resnet18")
        ('net.pt2', 'timm:resnet18')
    """
    return spec if ":" in spec else spec.rstrip("/").rpartition("/")[2] or spec


def plain_name(name: str, most: int = 60) -> str:
    """Return a name made of letters, digits, hyphens, underscores and dots alone, of at most so many bytes.

    Example:
        >>> plain_name("my [cat]: 1.png"), plain_name("猫" * 50, 9)
        ('my--cat---1.png', '猫猫猫')
    """
    plain = "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in name)
    return plain.encode()[:most].decode(errors="ignore")


def _octal(word: str) -> str:
    plain = [shown(letter) == letter and letter not in "'\\" for letter in word]
    raw = (os.fsencode(letter) for letter in word)
    return (
        "$'"
        + "".join(
            letter if keep else "".join(rf"\{byte:03o}" for byte in piece)
            for letter, keep, piece in zip(word, plain, raw, strict=True)
        )
        + "'"
    )


def _visible(letter: str) -> str:
    if letter.isprintable() or letter in _JOINERS or unicodedata.category(letter) == "Zs":
        return letter
    code = ord(letter)
    if 0xD800 <= code <= 0xDFFF:
        return _surrogate(letter)
    if code < 0x80:
        return _USUAL.get(letter, rf"\x{code:02x}")
    return rf"\u{code:04x}" if code <= 0xFFFF else rf"\U{code:08x}"


def _surrogate(letter: str) -> str:
    code = ord(letter)
    return rf"\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else rf"\u{code:04x}"


def _meant(escape: str) -> str:
    code = int(escape[2:], 16)
    return chr(code + 0xDC00) if 0x80 <= code <= 0xFF else chr(code)
