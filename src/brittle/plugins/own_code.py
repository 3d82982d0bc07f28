"""Errors that the user's own code raises: whose they are, and where it raised them."""

import inspect
import os
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from brittle.errors import BrittleError, OwnCodeFailed, quoted
from brittle.identity.sources import is_users

KINDS = {
    "brittle.core.attack.Attack": "attack",
    "brittle.universal_attacks.search.UniversalAttack": "universal attack",
    "brittle.threats.threat.Threat": "threat",
    "brittle.data.source.Source": "source",
    "torch.nn.modules.module.Module": "network",
}
"""What an object is called in messages, by a class that it inherits from."""
SHOWN = 300
"""Characters of a foreign error that are shown."""


@contextmanager
def telling_of_own_code() -> Generator[None]:
    """Within it, an error that the user's own code raises says whose it is and where; others pass as they are.

    It serves as a decorator as well.

    Raises:
        OwnCodeFailed: from the error, which names the attack, threat, source or network and the line of its code.

    Example:
        >>> with telling_of_own_code():
        ...     {}["nothing"]
        Traceback (most recent call last):
        KeyError: 'nothing'
    """
    try:
        yield
    except (BrittleError, MemoryError):
        raise
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError" or not (said := _said(error)):
            raise
        raise OwnCodeFailed(said) from error


def place_of(error: BaseException) -> str:
    """Return where the user's own code was when an error was raised, such as "my.py, line 8, in Mine.perturb".

    Args:
        error: as it was caught, in code of brittle's.

    Returns:
        The place; "" where no code of the user's is among what was being called.
    """
    own = [(frame, line) for frame, line in _frames(error) if is_users(_module(frame))]
    return _place(*own[-1]) if own else ""


def raised(error: BaseException) -> str:
    """Return what was raised, and where in the user's own code: "KeyError: 'a', in my.py, line 8, in Mine.step"."""
    reason, place = quoted(error, SHOWN), place_of(error)
    return f"{type(error).__name__}{': ' * bool(reason)}{reason}{', in ' * bool(place)}{place}"


def _said(error: Exception) -> str:
    """Whose error it is, and where it was raised; "" for one that has nothing to do with the user's own code."""
    owner = next((found for frame, _ in _frames(error) if (found := _owner(frame))), None)
    whose = owner and f"the {_kind(owner)} {owner.__qualname__}"
    if place_of(error):
        return f"{whose or 'your code'} raised {raised(error)}; mend it there"
    if owner is None:
        return ""
    return f"{whose}{_source(owner)} does not work ({raised(error)}); look at what its methods take and return"


def _frames(error: BaseException) -> Generator[tuple[FrameType, int]]:
    """The calls under way when an error was raised, the outermost first, each with its line."""
    return ((frame, line) for frame, line in traceback.walk_tb(error.__traceback__))


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _owner(frame: FrameType) -> type | None:
    """The class of the attack, threat, source or network that a method was called on, if it is somebody else's."""
    one = type(frame.f_locals.get("self"))
    return one if _kind(one) and one.__module__.partition(".")[0] not in ("brittle", "torch") else None


def _kind(one: type) -> str:
    """What an object of a class is called in messages; "" where it is none of `KINDS`."""
    named = [f"{base.__module__}.{base.__qualname__}" for base in one.__mro__]
    return next((KINDS[name] for name in named if name in KINDS), "")


def _source(one: type) -> str:
    """Where a class is written, in brackets; "" where that is not known."""
    try:
        return f" ({_shown(inspect.getfile(one))}, line {inspect.getsourcelines(one)[1]})"
    except (OSError, TypeError):
        return ""


def _place(frame: FrameType, line: int) -> str:
    return f"{_shown(frame.f_code.co_filename)}, line {line}, in {quoted(frame.f_code.co_qualname)}"


def _shown(file: str) -> str:
    return quoted(os.path.relpath(file) if Path(file).is_relative_to(Path.cwd()) else file)
