"""Sentences in a terminal, which end their lines between words; in a log they are one line each."""

import re

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

LABEL = re.compile(r"(\S.{0,14}|)\s{2,}(?=\S)")
"""What a line begins with that has its own column: a label, or nothing, and the room after it."""
WORD = re.compile(r"\S+\s*")
"""A word, and the room after it."""


def put_sentence(out: Console, line: Text) -> None:
    """Print a sentence; in a terminal it is broken between words, and goes on below its beginning, not its label.

    Elsewhere it stays one line, which a log can be searched for.
    """
    if not out.is_terminal or line.cell_len <= out.width:
        out.print(line, soft_wrap=True)
        return
    label = LABEL.match(line.plain)
    side = label.end() if label is not None and label.end() < out.width // 2 else 0
    rest = line[side:]
    for number, part in enumerate(rest.divide(_between_words(rest.plain, out.width - side))):
        part.rstrip()
        out.print(Text.assemble(" " * side if number else line[:side], part), soft_wrap=True)


def _between_words(text: str, width: int) -> list[int]:
    """Return where a text is broken so that lines fit, but for words that are longer, such as paths."""
    places, used = list[int](), 0
    for word in WORD.finditer(text):
        if used and used + cell_len(word[0].rstrip()) > width:
            places.append(word.start())
            used = 0
        used += cell_len(word[0])
    return places
