"""How a field of a value is written on the command line, and how it is explained there."""

from dataclasses import Field, dataclass, fields, replace
from functools import cache
from typing import Any, get_type_hints


@dataclass(frozen=True)
class Option:
    """How a field is written on the command line.

    Attributes:
        help: what it means.
        name: its name there, and that of the keyword in Python; by default the field's own.
        metavar: what stands for the value in the help.
        kind: its type there, where it is not that of the field.
        argument: whether it is written without its name.
    """

    help: str
    name: str = ""
    metavar: str | None = None
    kind: Any = None
    argument: bool = False


def option_of(kind: type[Any], field: Field[Any]) -> Option:
    """Return how a field of a group is written on the command line."""
    return _options(kind)[field.name]


@cache
def _options(kind: type[Any]) -> dict[str, Option]:
    hints = get_type_hints(kind, include_extras=True)
    found = {field.name: _of_hint(hints[field.name]) for field in fields(kind)}
    return {name: option if option.name else replace(option, name=name) for name, option in found.items()}


def _of_hint(hint: Any) -> Option:
    return next(one for one in hint.__metadata__ if isinstance(one, Option))


def names_of(kind: type[Any]) -> dict[str, str]:
    """Return the fields of a group by their names on the command line.

    Example:
        >>> from brittle.specs import Question
        >>> names_of(Question)["eps"]
        'radius'
    """
    return {option_of(kind, field).name: field.name for field in fields(kind)}
