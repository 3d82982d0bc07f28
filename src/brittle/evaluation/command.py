"""The command that gives a result again, as it is written into what was made."""

from collections.abc import Mapping, Sequence
from typing import cast

from brittle.arguments import parse_number
from brittle.arguments.numbers import levels_text
from brittle.limits import current, stated_limits

LONG = 8
"""Letters beyond which a number is not as somebody types it."""


def command_words(words: Sequence[str], options: Mapping[str, object]) -> list[str]:
    """Return a command of `brittle` with every option that is not as it is when left out, limits of files too.

    Args:
        words: the command and its arguments.
        options: by their names in Python; None, False, "" and an empty list are left out, True is a word without a
            value, and an option with a list is given for each of its members.

    Example:
        >>> command_words(["train", "lenet"], {"data": "my images", "clean_epochs": 2, "seed": None, "binary": True})
        ['brittle', 'train', 'lenet', '--data', 'my images', '--clean-epochs', '2', '--binary']
        >>> command_words(["train", "lenet"], {"eps": 8 / 255})[-1]
        '8/255'
    """
    command, *arguments = words
    written: list[str] = []
    for name, value in {**options, "limits": stated_limits(current())}.items():
        if value is None or value is False or value == "":
            continue
        option = "--" + name.replace("_", "-")
        for one in cast("list[object]", value) if isinstance(value, list) else [value]:
            written += [option] if one is True else [option, _word(one)]
    if any(word.startswith("-") for word in arguments):  # else taken for an option
        return ["brittle", command, *written, "--", *arguments]
    return ["brittle", *words, *written]


def _word(value: object) -> str:
    """A value as it is typed: a number with many digits as a fraction of 255, where that is the very same one."""
    text = str(value)
    levels = levels_text(value) if isinstance(value, float) and len(text) > LONG else None
    shorter = levels is not None and len(levels) < len(text) and parse_number(levels) == value
    return str(levels) if shorter else text
