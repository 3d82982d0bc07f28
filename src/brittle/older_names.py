"""Names of options, arguments and settings as the version before called them; they are taken for one more version."""

import warnings
from collections.abc import Collection, Mapping
from typing import TypeVar

TODAY = {
    "draws": "eot_samples",
    "lattice": "quantization",
    "limit": "max_images",
    "rivals": "candidates",
    "share": "fraction",
    "unseen": "held_out",
}
"""What is called so today, by the older name."""

T = TypeVar("T")


def by_todays_names(given: Mapping[str, T], known: Collection[str], level: int = 2) -> dict[str, T]:
    """Return keywords by the names of today.

    Args:
        given: values by name.
        known: the names that there are; an older name of one of them is replaced, with a `DeprecationWarning`, where
            today's is not given too.
        level: how many frames above this function the warning points to.

    Example:
        >>> with warnings.catch_warnings(record=True, action="always") as seen:
        ...     found = by_todays_names({"limit": 20, "seed": 1}, ["max_images", "seed"])
        >>> found, str(seen[0].message)
        ({'max_images': 20, 'seed': 1}, 'limit is called max_images now')
    """
    named: dict[str, T] = {}
    for name, value in given.items():
        today = TODAY.get(name, name)
        if name not in known and today in known and today not in given:
            warnings.warn(f"{name} is called {today} now", DeprecationWarning, stacklevel=level + 1)
            named[today] = value
        else:
            named[name] = value
    return named


def todays_option(word: str) -> str:
    """Return a word of the command line with the name that its option has today.

    Example:
        >>> todays_option("--limit"), todays_option("--draws=20"), todays_option("--limits")
        ('--max-images', '--eot-samples=20', '--limits')
    """
    flag, equals, value = word.partition("=")
    name = flag.removeprefix("--")
    if flag == name or name not in TODAY:
        return word
    return f"--{TODAY[name].replace('_', '-')}{equals}{value}"
