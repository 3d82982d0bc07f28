"""Attacks as text: `pgd:steps=40,restarts=5`, `smallest(fgsm):steps=20`, `cascade(fgsm;pgd:steps=40)`."""

import re
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, replace
from difflib import get_close_matches
from itertools import accumulate
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from brittle.arguments import fitted, parse_number, seen
from brittle.core.attack import Attack
from brittle.defences import Defence
from brittle.defences.chain import Chain
from brittle.errors import InputError
from brittle.older_names import by_todays_names
from brittle.plugins import parts_of_spec
from brittle.registry import ATTACKS, COMBINATORS, DEFENCES, UNIVERSAL
from brittle.training.objective import OBJECTIVES, PLAIN, Objective
from brittle.universal.search import UniversalAttack
from brittle.words import with_article

EPS = "eps"
"""The one option that is no field of an attack: its own radius, in place of the audit's."""
STEP = "deepfool:steps=10"
"""What finds the steps of the published universal perturbation (Moosavi-Dezfooli et al., CVPR 2017)."""
LONGEST, DEEPEST = 10_000, 10
"""Letters of a spec, and brackets within each other."""
IN_FILE = re.compile(r"((?:^|(?<=[();]))[^();]*\.py)(?=:)")
"""The path of a Python file within a spec; brackets and semicolons belong to the spec. It is looked for behind these
and at the beginning alone: from every letter on, a spec of a million of them would take hours."""
PLUS = re.compile(r"\+(?=[^\W\d])")
"""What stands between two defences; that of 1e+3 is none."""
Settings = TypeVar("Settings", bound=Any)
"""A frozen dataclass whose fields have defaults."""


@dataclass(frozen=True)
class Spec:
    """An attack as the user wrote it.

    Attributes:
        text: what was written, without spaces.
        name: in the registry.
        attack: the value it stands for.
        radius: its own radius, None for the audit's.
    """

    text: str
    name: str
    attack: Attack
    radius: float | None = None


def parse_attack(text: str) -> Spec:
    """Read an attack from text.

    Args:
        text: `NAME[(INNER[;INNER...])][:FIELD=VALUE,...]`, with `FILE.py:CLASS` as the name of an attack of your own;
            numbers may be fractions such as 8/255; `eps` gives the attack a radius of its own.

    Returns:
        The attack and what was written.

    Raises:
        InputError: an unknown name or field, or a value of the wrong kind; the message lists what there is.

    Example:
        >>> parse_attack("pgd:steps=40,restarts=5").attack.restarts
        5
        >>> parse_attack("smallest(fgsm):steps=20").attack.attack
        FGSM(loss='cross_entropy')
    """
    text, name, inner, options = _parts(text)
    values = _options(text, options)
    radius = parse_number(values.pop(EPS)) if EPS in values else None
    kind = COMBINATORS[name] if name in COMBINATORS else ATTACKS.find(name, also=COMBINATORS)
    arguments = _values(kind, values, text)
    if (name in COMBINATORS) != bool(inner) or "" in inner:
        raise InputError(f"{text!r}: expected {spec_syntax(name)}[:FIELD=VALUE,...]")
    if inner:
        attacks = tuple(_inner(part) for part in inner)
        if name == "cascade":
            arguments["attacks"] = attacks
        elif len(attacks) == 1:
            arguments["attack"] = attacks[0]
        else:
            raise InputError(f"{text!r}: {name} takes one attack; several go into cascade(...;...)")
    return Spec(text, name, kind(**arguments), radius)


def parse_universal(text: str) -> UniversalAttack:
    """Read a way to make a universal perturbation: `ascent:passes=5`, `uap(deepfool:steps=10):rate=0.9`.

    Raises:
        InputError: an unknown name or field, or a value of the wrong kind.

    Example:
        >>> parse_universal("ascent:passes=5").most_passes
        5
    """
    text, name, inner, options = _parts(text)
    kind = UNIVERSAL.find(name)
    values = _options(text, options)
    arguments = _values(kind, values, text)
    if any(field.name == "attack" for field in fields(kind)):
        if len(inner) > 1:
            raise InputError(f"{text!r}: {name} takes one attack")
        arguments["attack"] = _inner(inner[0] if inner else STEP)
    elif inner:
        raise InputError(f"{text!r}: {name} takes no attack; expected {name}[:FIELD=VALUE,...]")
    return kind(**arguments)


def parse_defence(text: str) -> Defence:
    """Read a defence: `NAME[:FIELD=VALUE,...]`, with a name of `DEFENCES` or `FILE.py:CLASS`; several with + between.

    Raises:
        InputError: an unknown name or field, a value of the wrong kind, or something that is no defence.
    """
    links = [_defence(one) for one in PLUS.split(text)]
    return links[0] if len(links) == 1 else Chain(tuple(links))


def _defence(text: str) -> Defence:
    text, name, inner, options = _parts(text)
    kind: Any = DEFENCES.find(name)
    takes = "attack" in getattr(kind, "__dataclass_fields__", {})
    if len(inner) > takes:
        most = "one attack" if takes else "no attack"
        raise InputError(f"{text!r}: this defence takes {most}; expected {name}[:FIELD=VALUE,...]")
    values = _options(text, options)
    if values and not hasattr(kind, "__dataclass_fields__"):
        raise InputError(f"{text!r}: {name} is no dataclass, and takes no settings in text")
    learns_from = {"attack": _inner(inner[0])} if inner else {}
    defence: object = kind(**_values(kind, values, text), **learns_from)
    if not isinstance(defence, Defence):
        made = with_article(type(defence).__name__)
        raise InputError(f"{text!r} made {made}; expected a brittle.defences.Defence")
    return defence


def _inner(part: str) -> Attack:
    spec = parse_attack(part)
    if spec.radius is not None:
        raise InputError(f"{part!r}: an attack inside another has no radius of its own; give eps to the outermost one")
    return spec.attack


def spec_syntax(name: str) -> str:
    """Return how an attack is written, with the attacks that it takes.

    Example:
        >>> spec_syntax("pgd"), spec_syntax("cascade")
        ('pgd', 'cascade(ATTACK;ATTACK;...)')
    """
    if name not in COMBINATORS:
        return name
    return f"{name}(ATTACK;ATTACK;...)" if name == "cascade" else f"{name}(ATTACK)"


def options_of(kind: type[Any]) -> dict[str, object]:
    """Return the fields of an attack, or of other settings, that can be written in text, with their defaults."""
    return {
        field.name: field.default
        for field in fields(kind)
        if field.init and field.repr and field.name not in ("attack", "attacks") and field.default is not MISSING
    }


def _plain(text: str) -> str:
    """Return what was written without spaces, but those of a file's path, if it is short and simple enough."""
    pieces = IN_FILE.split(fitted("the spec", text, str))
    text = "".join(piece.strip() if piece.endswith(".py") else "".join(piece.split()) for piece in pieces)
    if len(text) > LONGEST or not text.isprintable():
        raise InputError(f"{seen(text)} is no spec; expected at most {LONGEST} letters that can be printed")
    depth = max(accumulate(((letter == "(") - (letter == ")") for letter in text), initial=0))
    if depth > DEEPEST:
        raise InputError(f"{seen(text)} has {depth} brackets within each other; expected at most {DEEPEST}")
    return text


def _parts(text: str) -> tuple[str, str, list[str], list[str]]:
    """Split NAME(INNER;INNER):OPTION,OPTION at its own brackets, after the whole of it without spaces."""
    text = _plain(text)
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


def parse_objective(given: str | Objective | None) -> Objective:
    """Read what an adversarial training minimises: `NAME[:FIELD=VALUE,...]`, with a name of `OBJECTIVES`.

    Args:
        given: text, a value, or None for the cross-entropy of the attacked images.

    Raises:
        InputError: an unknown name or field, or a value of the wrong kind.

    Example:
        >>> parse_objective("trades:beta=1")
        Trades(beta=1.0)
    """
    if not isinstance(given, str):
        return PLAIN if given is None else given
    name, _, fields_given = _plain(given).partition(":")
    if name not in OBJECTIVES:
        raise InputError(f"there is no objective {name!r}; there are {', '.join(OBJECTIVES)}")
    return with_settings(OBJECTIVES[name](), fields_given)


def with_settings(value: Settings, text: str) -> Settings:
    """Return a dataclass of settings with the fields that the text names changed.

    Args:
        value: the settings to begin with.
        text: `FIELD=VALUE,...`; none for no change.

    Raises:
        InputError: an unknown field, or a value of the wrong kind.

    Example:
        >>> with_settings(parse_attack("pgd").attack, "steps=7,step_size=2/255").steps
        7
    """
    text = _plain(text)
    pairs = _options(text, [option for option in text.split(",") if option])
    return replace(value, **_values(type(value), pairs, text))


def _options(text: str, options: Sequence[str]) -> dict[str, str]:
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


def _values(kind: type[Any], values: dict[str, str], text: str) -> dict[str, Any]:
    """Return what the fields of a dataclass are to be, which may be written by their older names."""
    return {
        field: _value(kind, field, value, text)
        for field, value in by_todays_names(values, options_of(kind), level=4).items()
    }


def _value(kind: type[Any], field: str, value: str, text: str) -> Any:
    known = options_of(kind)
    if field not in known:
        raise InputError(f"{text!r}: no field {field!r}{_near(field, known)}; there are {', '.join(known) or 'none'}")
    hint = get_type_hints(kind)[field]
    plain: object = parse_number(value) if "/" in value and hint is not str else value  # or the path of a file
    try:
        return TypeAdapter(hint).validate_python(plain)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise InputError(f"{text!r}: {field}={value}: {reason[0].lower()}{reason[1:]}") from None


def _near(name: str, known: dict[str, Any]) -> str:
    near = get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
