"""What there is to choose from, as rows for a table."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast

from brittle.arguments.numbers import levels_text
from brittle.core.attack import Attack
from brittle.data import FORMS
from brittle.errors import InputError
from brittle.evaluation.generative import MEANINGS as GENERATIVE_MEANINGS
from brittle.evaluation.spec import spec_syntax
from brittle.evaluation.spec_text import options_of
from brittle.models import ARCHITECTURES
from brittle.near import meant
from brittle.plugins.names import OWN
from brittle.registry import (
    ATTACKS,
    CHANNELS,
    CHECKS,
    COMBINATORS,
    DEFENCES,
    DENSE,
    NETWORKS,
    SOURCES,
    STUDIES,
    THREATS,
    UNIVERSAL,
    Registry,
)
from brittle.studies.bench.catalogue import STUDIES as OWN_STUDIES

T = TypeVar("T")
KINDS = ("attacks", "universal", "threats", "defences", "channels", "models", "data", "checks", "studies")


@dataclass(frozen=True)
class Listed:
    """One thing to choose.

    Attributes:
        kind: one of `KINDS`.
        name: what to write.
        meaning: in one line.
        options: fields with their defaults.
        origin: brittle, or the package that brings it with its version.
        group: of its kind, under a heading of which it is shown; "" where the kind has none.
    """

    kind: str
    name: str
    meaning: str
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    origin: str = OWN
    group: str = ""

    @property
    def defaults(self) -> str:
        """The options in one line, as they are written."""
        return ", ".join(f"{name}={_short(value)}" for name, value in self.options.items())

    def plain(self) -> dict[str, Any]:
        """Return everything as JSON can hold it; a default that is no number, no text and no truth value as text."""
        return {**vars(self), "options": {name: _plain(value) for name, value in self.options.items()}}


GRADIENTS, SMALLEST = "by gradients, within a radius", "by gradients, the smallest change"
SCORES, DECISIONS = "by scores alone", "by decisions alone"
DEFORMATIONS, PLACES, BASELINES = "deformations", "patches and frames", "baselines"
DENSE_OUTPUTS, AROUND = "an answer for every pixel (--task segmentation, depth)", "around other attacks"
GROUPS = (GRADIENTS, SMALLEST, SCORES, DECISIONS, DEFORMATIONS, PLACES, BASELINES, DENSE_OUTPUTS, AROUND)
"""The headings under which attacks are listed, in their order."""
NETWORK_FORMS = {
    "FILE.pt2": "a torch.export archive",
    "FILE.onnx": "an ONNX network (extra: onnx)",
    "FILE.py:FACTORY": "a function that returns a module, with --weights FILE.safetensors",
    "torchvision:NAME": "a torchvision network with its weights (extra: vision)",
    "timm:NAME": "a timm network with its weights (extra: vision)",
    "hf:NAME": "an image classifier of the Hugging Face hub (extra: hub)",
    "http://HOST:PORT/": "a service that answers images with labels or scores, such as `brittle serve` starts",
}


def listing(what: str = "all") -> list[Listed]:
    """List what there is of one of `KINDS`, or all of them, with what installed packages bring.

    Raises:
        InputError: anything else.

    Example:
        >>> [row.name for row in listing("attacks")][:2]
        ['apgd', 'autoattack']
    """
    if what not in (*KINDS, "all"):
        raise InputError(f"{what!r} cannot be listed{meant(what, KINDS)}; expected {', '.join(KINDS)} or all")
    return [row for kind, rows in ROWS.items() if what in (kind, "all") for row in rows()]


def _attacks() -> list[Listed]:
    rows = [_attack(name, kind, origin, group_of(kind)) for name, kind, origin in _brought(ATTACKS)]
    rows += [_attack(name, kind, origin, DENSE_OUTPUTS) for name, kind, origin in _brought(DENSE)]
    rows += [
        Listed("attacks", spec_syntax(name), _first_line(kind), options_of(kind), origin, AROUND)
        for name, kind, origin in _brought(COMBINATORS)
    ]
    return [*sorted(rows, key=lambda row: GROUPS.index(row.group)), *_faults("attacks", ATTACKS)]


def _attack(name: str, kind: type[Attack], origin: str, group: str) -> Listed:
    meaning = f"{_first_line(kind)} [{', '.join(kind.threats)}]"
    return Listed("attacks", name, meaning, options_of(kind), origin, group)


def group_of(kind: type[Attack]) -> str:
    """Return the heading of an attack: what it changes, what it goes by, and what it looks for.

    Example:
        >>> from brittle import PGD, DeepFool, HopSkipJump
        >>> group_of(PGD), group_of(DeepFool), group_of(HopSkipJump)
        ('by gradients, within a radius', 'by gradients, the smallest change', 'by decisions alone')
    """
    if kind.goes_by == "nothing":
        return BASELINES
    for group, threats in ((DEFORMATIONS, {"flow"}), (PLACES, {"patch", "frame"})):
        if {*kind.threats} <= threats:
            return group
    if kind.dense:
        return DENSE_OUTPUTS
    if kind.gradients:
        return GRADIENTS if kind.needs_radius else SMALLEST
    return SCORES if kind.goes_by == "scores" else DECISIONS


def _universal() -> list[Listed]:
    rows = [
        Listed("universal", name, f"{_first_line(kind)} [{', '.join(kind.threats)}]", options_of(kind), origin)
        for name, kind, origin in _brought(UNIVERSAL)
    ]
    return [*rows, *_faults("universal", UNIVERSAL)]


def _defences() -> list[Listed]:
    """Return the defences, each with what it does to gradients."""
    rows = [
        Listed("defences", name, f"{_first_line(kind)} [{kind.masking}]", options_of(kind), origin)
        for name, kind, origin in _brought(DEFENCES)
    ]
    return [*rows, *_faults("defences", DEFENCES)]


def _channels() -> list[Listed]:
    rows = [
        Listed("channels", name, _first_line(kind), options_of(kind), origin)
        for name, kind, origin in _brought(CHANNELS)
    ]
    return [*rows, *_faults("channels", CHANNELS)]


def _threats() -> list[Listed]:
    """Return the threats, each with what its usual radius means."""
    rows: list[Listed] = []
    for name, make, origin in _brought(THREATS):
        threat = make(math.inf)
        size = (levels_text(threat.default_radius) if threat.levels else None) or f"{threat.default_radius:g}"
        usual = f"{threat.sentence(size)} [--eps {size} by default]"
        meaning = usual if math.isfinite(threat.default_radius) else _first_line(make)
        rows.append(Listed("threats", name, meaning, origin=origin))
    return [*rows, *_faults("threats", THREATS)]


def _described(kind: str, registry: Registry[Any], but: Collection[str] = ()) -> list[Listed]:
    """Return what has a documentation of its own, with what cannot be used."""
    rows = [
        Listed(kind, name, _first_line(one), origin=origin)
        for name, one, origin in _brought(registry)
        if name not in but
    ]
    return [*rows, *_faults(kind, registry)]


def _brought(registry: Registry[T]) -> Iterator[tuple[str, T, str]]:
    """Yield name, value and origin of what can be used."""
    for name, value in registry.items():
        yield name, value, registry.origin(name)


def _faults(kind: str, registry: Registry[Any]) -> list[Listed]:
    return [
        Listed(kind, fault.name, f"cannot be used: {fault.reason}", origin=fault.origin) for fault in registry.faults()
    ]


def _models() -> list[Listed]:
    built = [
        Listed(
            "models", name, "built in, with weights" if one.shipped else "built in, needs --weights or `brittle train`"
        )
        for name, one in ARCHITECTURES.items()
    ]
    built += [Listed("models", name, meaning) for name, meaning in GENERATIVE_MEANINGS.items()]
    forms = [Listed("models", form, meaning) for form, meaning in NETWORK_FORMS.items()]
    return [*built, *_described("models", NETWORKS, ARCHITECTURES), *forms]


def _data() -> list[Listed]:
    forms = [Listed("data", name, meaning) for name, meaning in FORMS.items()]
    return [*forms, *_described("data", SOURCES, [name.partition(":")[0] for name in FORMS])]


def _studies() -> list[Listed]:
    """Return the studies with their titles; brittle's own are not imported for that."""
    own = [Listed("studies", name, OWN_STUDIES.title(name)) for name in OWN_STUDIES]
    return [*own, *_titled("studies", STUDIES, [*OWN_STUDIES])]


def _titled(kind: str, registry: Registry[Any], but: Collection[str] = ()) -> list[Listed]:
    """Return what has a title, without what is listed already."""
    names = [name for name in registry if name not in but]
    rows = [Listed(kind, name, registry[name].title, origin=registry.origin(name)) for name in names]
    return [*rows, *_faults(kind, registry)]


def _first_line(value: object) -> str:
    """Return the first line of the documentation; of a partial, that of its function."""
    value = value.func if isinstance(value, partial) else value
    return (getattr(value, "__doc__", None) or "").strip().partition("\n")[0]


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(one) for one in cast("tuple[object, ...]", value)]
    return value if isinstance(value, str | int | float | None) else str(value)


def _short(value: object) -> str:
    return (
        f"{value:.4g}"
        if isinstance(value, float)
        else str(value).lower()
        if isinstance(value, bool | None)
        else str(value)
    )


ROWS: dict[str, Callable[[], list[Listed]]] = {
    "attacks": _attacks,
    "universal": _universal,
    "threats": _threats,
    "defences": _defences,
    "channels": _channels,
    "models": _models,
    "data": _data,
    "checks": lambda: _titled("checks", CHECKS),
    "studies": _studies,
}
