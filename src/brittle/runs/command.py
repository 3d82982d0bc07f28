"""Command lines that a folder keeps, changed to ask for something else."""

from collections.abc import Sequence


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
