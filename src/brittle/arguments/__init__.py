"""What an argument must be, read off the type that is written for it: one door for functions and one for settings.

`checked` stands before a public function and `check_fields` within a frozen dataclass. Both compare every value with
its type hint, and refuse what does not fit in one sentence, before anything is done with it. NumPy's and torch's
numbers become Python's, lists become the tuples that settings keep, paths given as text become paths. Images, labels
and ids, tensors or arrays, have a door of their own: `brittle.core.inputs`. torch is imported when a value
is looked at, so that a command line that runs nothing waits for nothing.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar, cast, get_type_hints

from brittle.arguments.fit import fitted
from brittle.arguments.numbers import parse_number
from brittle.arguments.rules import Count, CountOrNone, Device, FileName, Seed, Within, seen
from brittle.near import closest, or_said
from brittle.older_names import TODAY, by_todays_names

__all__ = [
    "Count",
    "CountOrNone",
    "Device",
    "FileName",
    "Seed",
    "UnknownKeyword",
    "Within",
    "check_fields",
    "checked",
    "fields_first",
    "fitted",
    "parse_number",
    "seen",
    "several",
]

P = ParamSpec("P")
R = TypeVar("R")


class UnknownKeyword(TypeError):
    """A keyword that a function does not know, with those of the groups of options that it does.

    Attributes:
        name: the keyword.
        known: those that it may have meant.
    """

    def __init__(self, name: str, known: Iterable[str]):
        super().__init__(f"unexpected keyword argument {name!r}")
        self.name, self.known = name, [*known]

    def beside(self, function: str, parameters: Iterable[str]) -> "UnknownKeyword":
        """Return the error with the function's name and the nearest of all keywords.

        Where that function was called by another one that hands keywords on, it is said anew with the other's name.
        """
        found = UnknownKeyword(self.name, [*parameters, *self.known])
        near = or_said(closest(self.name, found.known)[:1])
        found.args = (f"{function}() got an unexpected keyword argument {self.name!r}{near}",)
        return found


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function see arguments that are what their types say, and no others.

    Names that it does not know are a TypeError with the nearest one, arguments that are missing Python's own; older
    names of arguments are taken with a `DeprecationWarning`.
    """
    signature = inspect.signature(function)
    takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in signature.parameters.values())

    @wraps(function)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        if not TODAY.keys().isdisjoint(kwargs):
            named = by_todays_names(kwargs, signature.parameters)
            if named != kwargs:
                return cast("Callable[..., R]", asked)(*args, **named)
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            unknown = [] if takes_any else [name for name in kwargs if name not in signature.parameters]
            if unknown:
                raise UnknownKeyword(unknown[0], ()).beside(function.__name__, signature.parameters) from None
            return function(*args, **kwargs)  # says so in the words that everyone knows
        hints = _hints(function)
        for name, value in bound.arguments.items():
            bound.arguments[name] = fitted(name, value, hints.get(name, Any))
        try:
            return function(*bound.args, **bound.kwargs)
        except UnknownKeyword as unknown:
            raise unknown.beside(function.__name__, signature.parameters) from None

    return asked


def check_fields(value: Any) -> None:
    """Bring the fields of a frozen dataclass into the form that their types say; for the top of `__post_init__`.

    Raises:
        InputError: a field that is not what its type says.
    """
    hints = _hints(type(value))
    for field in fields(value):
        given = getattr(value, field.name)
        taken = fitted(field.name, given, hints.get(field.name, Any))
        if taken is not given:
            object.__setattr__(value, field.name, taken)


def several(given: Any) -> tuple[Any, ...]:
    """Return what was given, one value or several in a list or tuple, as a tuple.

    Example:
        >>> several("pgd"), several(["pgd", "fgsm"])
        (('pgd',), ('pgd', 'fgsm'))
    """
    return tuple(cast("Iterable[Any]", given)) if isinstance(given, list | tuple) else (given,)


def fields_first(kind: type[Any]) -> None:
    """Let a dataclass that is about to be made check its fields' types before what its own `__post_init__` checks."""
    own = vars(kind).get("__post_init__")
    if own is None:
        return

    @wraps(own)
    def after(self: Any) -> None:
        check_fields(self)
        own(self)

    kind.__post_init__ = after


@cache
def _hints(owner: Any) -> dict[str, Any]:
    """The types written for a function or a class; none where they name what cannot be found."""
    try:
        return get_type_hints(owner, include_extras=True)
    except Exception:  # names of a function's own scope, or of type checking alone
        return {}
