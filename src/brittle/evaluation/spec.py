"""Attacks as text: `pgd:steps=40,restarts=5`, `smallest(fgsm):steps=20`, `cascade(fgsm;pgd:steps=40)`."""

from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from brittle.arguments import parse_number
from brittle.core.attack import Attack
from brittle.defences import Defence
from brittle.defences.chain import Chain
from brittle.errors import InputError
from brittle.evaluation.spec_text import PLUS, options_in, plain_spec, split_spec, values_of
from brittle.near import meant
from brittle.registry import ATTACKS, COMBINATORS, DEFENCES, DENSE, UNIVERSAL
from brittle.training.objective import OBJECTIVES, PLAIN, Objective
from brittle.universal_attacks.search import UniversalAttack
from brittle.words import with_article

EPS = "eps"
"""The one option that is no field of an attack: its own radius, in place of the audit's."""
STEP = "deepfool:steps=10"
"""What finds the steps of the published universal perturbation (Moosavi-Dezfooli et al., CVPR 2017)."""
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
    text, name, inner, options = split_spec(text)
    values = options_in(text, options)
    radius = parse_number(values.pop(EPS)) if EPS in values else None
    kind = _kind_of(name)
    arguments = values_of(kind, values, text)
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


def _kind_of(name: str) -> type[Attack]:
    named = next((there for there in (COMBINATORS, DENSE) if name in there), None)
    return ATTACKS.find(name, also=(*COMBINATORS, *DENSE)) if named is None else named[name]


def parse_universal(text: str) -> UniversalAttack:
    """Read a way to make a universal perturbation: `ascent:passes=5`, `uap(deepfool:steps=10):rate=0.9`.

    Raises:
        InputError: an unknown name or field, or a value of the wrong kind.

    Example:
        >>> parse_universal("ascent:passes=5").most_passes
        5
    """
    text, name, inner, options = split_spec(text)
    kind = UNIVERSAL.find(name)
    values = options_in(text, options)
    arguments = values_of(kind, values, text)
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
    text, name, inner, options = split_spec(text)
    kind: Any = DEFENCES.find(name)
    takes = "attack" in getattr(kind, "__dataclass_fields__", {})
    if len(inner) > takes:
        most = "one attack" if takes else "no attack"
        raise InputError(f"{text!r}: this defence takes {most}; expected {name}[:FIELD=VALUE,...]")
    values = options_in(text, options)
    if values and not hasattr(kind, "__dataclass_fields__"):
        raise InputError(f"{text!r}: {name} is no dataclass, and takes no settings in text")
    learns_from = {"attack": _inner(inner[0])} if inner else {}
    defence: object = kind(**values_of(kind, values, text), **learns_from)
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
    name, _, fields_given = plain_spec(given).partition(":")
    if name not in OBJECTIVES:
        raise InputError(f"there is no objective {name!r}{meant(name, OBJECTIVES)}; there are {', '.join(OBJECTIVES)}")
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
    text = plain_spec(text)
    pairs = options_in(text, [option for option in text.split(",") if option])
    return replace(value, **values_of(type(value), pairs, text))
