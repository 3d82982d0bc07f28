"""What somebody may have meant who wrote what does not exist."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from brittle.errors import quoted

SHOWN = 3
"""Most guesses in a message."""
SLIP = 0.8
"""Likeness, from 0 to 1, of a name with a letter wrong: nearer than one that begins what was written."""
LEAST = 3
"""Fewest letters of a name that tell which one is begun."""


def closest(text: str, known: Iterable[str]) -> list[str]:
    """Return the names that are near to what was written, begin with it, or begin it.

    Capitals and underscores count for nothing.

    Args:
        text: what was written.
        known: names that there are.

    Example:
        >>> closest("FGMS", ["fgsm", "pgd"]), closest("bit", ["jpeg", "bit-depth"]), closest("x", ["y"])
        (['fgsm'], ['bit-depth'], [])
        >>> closest("epsilon", ["version", "eps"])[0]
        'eps'
    """
    plain = {_plain(name): name for name in reversed([*known])}
    short = _plain(text)
    begin = [name for name in reversed(plain) if len(short) >= LEAST and name.startswith(short)]
    near = get_close_matches(short, plain, SHOWN)
    begun = sorted((name for name in plain if len(name) >= LEAST and short.startswith(name)), key=len, reverse=True)
    slips = get_close_matches(short, plain, SHOWN, SLIP)
    return [plain[name] for name in dict.fromkeys([*slips, *begun, *near, *begin])][:SHOWN]


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def meant(text: object, known: Iterable[object]) -> str:
    """Return the name that is nearest to what was written, in brackets before the list of all; "" where none is near.

    Args:
        text: what was written; what is no text is near to nothing.
        known: names that there are.

    Example:
        >>> meant("lnf", ["linf", "l2"]), meant("nothing", ["linf", "l2"])
        (" (did you mean 'linf'?)", '')
    """
    near = closest(text, map(str, known)) if isinstance(text, str) else []
    return f" (did you mean {quoted(near[0])!r}?)" if near else ""


def did_you_mean(text: str, known: Iterable[str], before: str = "") -> str:
    """Return the names that are near to what was written as the end of a sentence; "" where none is.

    Args:
        text: what was written.
        known: names that there are.
        before: what is written before each of them.

    Example:
        >>> did_you_mean("resnet81", ["resnet18", "vgg11"], "timm:"), did_you_mean("x", ["resnet18"])
        ("; did you mean 'timm:resnet18'?", '')
    """
    return or_said(f"{before}{name}" for name in closest(text, known))


def or_said(names: Iterable[str]) -> str:
    """Return guesses as the end of a sentence; "" where there are none.

    Example:
        >>> or_said(["a", "b"]), or_said([])
        ("; did you mean 'a' or 'b'?", '')
    """
    shown = " or ".join(repr(quoted(name)) for name in [*names][:SHOWN])
    return f"; did you mean {shown}?" if shown else ""


def files_like(path: Path) -> list[Path]:
    """Return what lies beside a path where nothing lies, by its name with another ending, or by a near one.

    Example:
        >>> files_like(Path("/nowhere/network.pt"))
        []
    """
    try:
        there = sorted(entry.name for entry in path.parent.iterdir()) if path.name else []
    except OSError:
        return []
    same = [name for name in there if name != path.name and Path(name).stem == Path(path.name).stem]
    near = [name for name in get_close_matches(path.name, there, SHOWN) if name not in same]
    return [path.parent / name for name in [*same, *near]]
