"""One value against one type: what fits comes back in the form that the type says."""

import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from brittle.addresses import is_address
from brittle.arguments.rules import EXPECTED, WORDS, Misfit, Rule, seen
from brittle.errors import InputError
from brittle.near import meant


def fitted(name: str, value: object, hint: Any) -> Any:
    """Return a value in the form that its type says.

    Args:
        name: of the argument, for the message.
        value: what was given.
        hint: the type, such as `int`, `Count | None`, `str | Network` or `tuple[Attack, ...]`.

    Raises:
        InputError: it has another type, is NaN, or is a number outside the range.

    Example:
        >>> import numpy as np
        >>> from brittle.arguments.rules import Count
        >>> fitted("batch", np.int64(3), Count), fitted("attacks", ["pgd"], tuple[str, ...])
        (3, ('pgd',))
    """
    try:
        return _fit(value, hint)
    except Misfit as misfit:
        raise InputError(f"{name} is {seen(value)}; expected {misfit}") from misfit.__cause__


def _fit(value: Any, hint: Any) -> Any:
    """A value in the form of a type, simple or composed."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        rules = [rule for rule in hint.__metadata__ if isinstance(rule, Rule)]
        for rule in rules:
            value = rule.taken(value)
        value = _fit(value, inner[0])
        for rule in rules:
            value = rule.fit(value)
        return value
    if origin in (Union, UnionType):
        return value if any(_name_of(one) == "numpy.ndarray" for one in inner) else _one_of(value, inner)
    if origin is Literal:
        if isinstance(value, str | int) and value in inner:
            return value
        raise Misfit(f"{' or '.join(map(repr, inner))}{meant(value, inner)}")
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return _row(value, origin, inner)
    return _simple(value, origin or hint)


def _name_of(kind: Any) -> str:
    """The full name of a class, by which one is known that is not imported here."""
    return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', '')}"


def _simple(value: Any, kind: Any) -> Any:
    """A value in the form of a class; shapes of tensors and types of no class are not looked at."""
    if kind is NoneType:
        return _instance(value, value is None, "None")
    if kind in (bool, int, float):
        return _number(value, kind)
    if kind is Path:
        right = isinstance(value, str | PathLike) and not is_address(value)
        return Path(cast("Path", _instance(value, right, EXPECTED["Path"])))
    if kind is Callable:
        return _instance(value, callable(value), "a function")
    if kind in (Any, object) or not isinstance(kind, type) or kind.__module__.startswith("jaxtyping"):
        return value
    return _instance(value, _is(value, kind), EXPECTED.get(kind.__name__, f"a value of {kind.__name__}"))


def _is(value: object, kind: type) -> bool:
    """Whether a value is of a class; of a protocol, whether it has what that names."""
    if getattr(kind, "_is_protocol", False):
        names = {name for one in kind.__mro__[:-1] for name in vars(one) if name == "__call__" or name[0] != "_"}
        return not isinstance(value, type) and all(hasattr(value, name) for name in names)
    return isinstance(value, kind)


def _instance(value: object, right: bool, expected: str) -> object:
    if not right:
        raise Misfit(expected)
    return value


def _one_of(value: object, hints: Sequence[Any]) -> object:
    """The first of several types that fits; None is told last."""
    reasons: list[str] = []
    cause: BaseException | None = None
    for hint in sorted(hints, key=lambda one: one is NoneType):
        try:
            return _fit(value, hint)
        except Misfit as misfit:
            reasons.append(str(misfit))
            cause = misfit.__cause__
    raise Misfit(", or ".join(reasons)) from cause


def _row(value: Any, origin: Any, inner: tuple[Any, ...]) -> Any:
    """A list or tuple, with each of its members fitted; a text is no row of letters."""
    if not isinstance(value, list | tuple):
        each = ", ".join(_told(one) for one in inner if one is not Ellipsis)
        raise Misfit(f"several in a tuple: ({each}{', ...' if Ellipsis in inner or origin is not tuple else ''})")
    members = cast("Sequence[object]", value)
    if origin is tuple and Ellipsis not in inner and len(members) != len(inner):
        raise Misfit(f"{len(inner)} values ({', '.join(map(_told, inner))})")
    wanted = inner if origin is tuple and Ellipsis not in inner else [inner[0]] * len(members)
    try:
        fitting = tuple(_fit(one, hint) for one, hint in zip(members, wanted, strict=True))
        return cast("object", value) if origin is list and isinstance(value, list) else fitting  # a list stays itself
    except Misfit as misfit:
        raise Misfit(f"each to be {misfit}") from misfit.__cause__


def _told(hint: Any) -> str:
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    name = getattr(plain, "__name__", str(plain))
    return EXPECTED.get(name, name)


def _number(value: Any, hint: type) -> object:
    """A number as Python's own; no truth value for a number, and NaN for none at all."""
    import numpy as np
    from torch import Tensor

    if isinstance(value, np.generic) or (isinstance(value, Tensor) and value.ndim == 0 and not value.is_meta):
        value = value.item()
    if hint is bool or isinstance(value, bool):
        return _instance(value, hint is bool and isinstance(value, bool), EXPECTED[hint.__name__])
    if hint is int:
        number = int(cast("int", _instance(value, isinstance(value, Integral), EXPECTED["int"])))
        return _instance(number, -(2**WORDS) <= number < 2**WORDS, f"a whole number below 2**{WORDS}")
    try:
        right = isinstance(value, Real) and not math.isnan(float(value))
    except (OverflowError, ValueError):
        right = False
    return (
        value if isinstance(value, int) and right else float(cast("float", _instance(value, right, EXPECTED["float"])))
    )
