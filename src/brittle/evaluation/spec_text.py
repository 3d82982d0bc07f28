"""How text that names something with its settings is read: `NAME(INNER;INNER):FIELD=VALUE,...`."""

import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from itertools import accumulate
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from brittle.arguments import fitted, parse_number, seen
from brittle.errors import InputError
from brittle.near import meant
from brittle.older_names import by_todays_names
from brittle.plugins import parts_of_spec

T = TypeVar("T")
LONGEST, DEEPEST = 10_000, 10
"""Letters of a spec, and brackets within each other."""
IN_FILE = re.compile(r"((?:^|(?<=[();]))[^();]*\.py)(?=:)")
"""The path of a Python file within a spec; brackets and semicolons belong to the spec. It is looked for behind these
and at the beginning alone: from every letter on, a spec of a million of them would take hours."""
PLUS = re.compile(r"\+(?=[^\W\d])")
"""What stands between two defences; that of 1e+3 is none."""


def options_of(kind: type[Any]) -> dict[str, object]:
    """Return the fields of an attack, or of other settings, that can be written in text, with their defaults."""
    return {
        field.name: field.default
        for field in fields(kind)
        if field.init and field.repr and field.name not in ("attack", "attacks") and field.default is not MISSING
    }


def plain_spec(text: str) -> str:
    """Return what was written without spaces, but those of a file's path, if it is short and simple enough."""
    pieces = IN_FILE.split(fitted("the spec", text, str))
    text = "".join(piece.strip() if piece.endswith(".py") else "".join(piece.split()) for piece in pieces)
    if len(text) > LONGEST or not text.isprintable():
        raise InputError(f"{seen(text)} is no spec; expected at most {LONGEST} letters that can be printed")
    depth = max(accumulate(((letter == "(") - (letter == ")") for letter in text), initial=0))
    if depth > DEEPEST:
        raise InputError(f"{seen(text)} has {depth} brackets within each other; expected at most {DEEPEST}")
    return text


def split_spec(text: str) -> tuple[str, str, list[str], list[str]]:
    """Split NAME(INNER;INNER):OPTION,OPTION at its own brackets, after the whole of it without spaces."""
    text = plain_spec(text)
    head, bracket, rest = text.partition("(")
    own = parts_of_spec(text) if not bracket or ":" in head else None
    if not bracket or ":" in head:
        name, options = own or (text.partition(":")[0], text.partition(":")[2])
        return text, name, [], options.split(",") if options else []
    body, closing, tail = rest.rpartition(")")
    if not closing or (tail and not tail.startswith(":")):
        raise InputError(f"{text!r}: a bracket is missing; expected NAME(ATTACK):FIELD=VALUE,...")
    return text, head, _at_top(body), tail[1:].split(",") if tail[1:] else []


def _at_top(body: str) -> list[str]:
    """Split at the semicolons outside brackets."""
    pieces, depth = [""], 0
    for letter in body:
        depth += (letter == "(") - (letter == ")")
        if letter == ";" and not depth:
            pieces.append("")
        else:
            pieces[-1] += letter
    return pieces


def options_in(text: str, options: Sequence[str]) -> dict[str, str]:
    """Read FIELD=VALUE; a field that is named twice would silently lose one of its values."""
    values: dict[str, str] = {}
    for option in options:
        field, equals, value = option.partition("=")
        field = field.replace("-", "_")
        if not equals or not field or not value or not option.isascii():
            raise InputError(f"{text!r}: {option!r} is no option; expected FIELD=VALUE, several with commas between")
        if field in values:
            raise InputError(f"{text!r}: {field} is given twice, as {values[field]} and as {value}; leave one out")
        values[field] = value
    return values


def values_of(kind: type[Any], values: dict[str, str], text: str) -> dict[str, Any]:
    """Return what the fields of a dataclass are to be, which may be written by their older names."""
    return {
        field: _value(kind, field, value, text)
        for field, value in by_todays_names(values, options_of(kind), level=4).items()
    }


def _value(kind: type[Any], field: str, value: str, text: str) -> Any:
    known = options_of(kind)
    if field not in known:
        raise InputError(f"{text!r}: no field {field!r}{meant(field, known)}; there are {', '.join(known) or 'none'}")
    hint = get_type_hints(kind, include_extras=True)[field]
    plain: object = parse_number(value) if "/" in value and hint is not str else value  # or the path of a file
    if get_origin(hint) is tuple:
        plain = value.split("+")
    try:
        return TypeAdapter(hint).validate_python(plain)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        near = meant(value, get_args(hint)) if get_origin(hint) is Literal else ""
        raise InputError(f"{text!r}: {field}={value}: {reason[0].lower()}{reason[1:]}{near}") from None


def given_or_written(what: str, given: object, kind: type[T], parse: Callable[[str], T], example: str) -> T:
    """Return a value that is given as it is, or as text.

    Args:
        what: is asked for, as messages name it.
        given: the value or its text.
        kind: of the value.
        parse: reads the text.
        example: a text, for the message.

    Raises:
        InputError: it is neither, or nothing is written so.
    """
    if isinstance(given, kind):
        return given
    if isinstance(given, str):
        return parse(given)
    value = f"{kind.__module__.rpartition('.')[0]}.{kind.__name__}"
    raise InputError(f"the {what} is a {type(given).__name__}; expected text such as {example}, or a {value}")
