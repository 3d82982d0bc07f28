"""The command that gives a result again, as it is written into what was made."""

from collections.abc import Mapping, Sequence
from typing import cast

from brittle.limits import current, stated_limits


def command_words(words: Sequence[str], options: Mapping[str, object]) -> list[str]:
    """Return a command of `brittle` with every option that is not as it is when left out, limits of files too.

    Args:
        words: the command and its arguments.
        options: by their names in Python; None, False, "" and an empty list are left out, True is a word without a
            value, and an option with a list is given for each of its members.

    Example:
        >>> command_words(["train", "lenet"], {"data": "my images", "clean_epochs": 2, "seed": None, "binary": True})
        ['brittle', 'train', 'lenet', '--data', 'my images', '--clean-epochs', '2', '--binary']
    """
    command, *arguments = words
    written: list[str] = []
    for name, value in {**options, "limits": stated_limits(current())}.items():
        if value is None or value is False or value == "":
            continue
        option = "--" + name.replace("_", "-")
        for one in cast("list[object]", value) if isinstance(value, list) else [value]:
            written += [option] if one is True else [option, str(one)]
    if any(word.startswith("-") for word in arguments):  # else taken for an option
        return ["brittle", command, *written, "--", *arguments]
    return ["brittle", *words, *written]


def without_option(words: Sequence[str], option: str) -> list[str]:
    """Return a command without an option that takes a value.

    Args:
        words: the command line.
        option: with its dashes.

    Example:
        >>> without_option(["brittle", "audit", "net", "--shard", "1/2", "--eps=0.1"], "--shard")
        ['brittle', 'audit', 'net', '--eps=0.1']
        >>> without_option(["brittle", "audit", "--shard=1/2", "--", "--shard"], "--shard")
        ['brittle', 'audit', '--', '--shard']
    """
    ends = words.index("--") if "--" in words else len(words)
    kept = [
        word
        for before, word in zip(["", *words], words[:ends], strict=False)
        if option not in (word, before) and not word.startswith(f"{option}=")
    ]
    return [*kept, *words[ends:]]
