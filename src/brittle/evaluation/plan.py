"""What an audit is going to do: which attacks, by which norm, within which radius."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

from brittle.classifiers.classifier import Reveals
from brittle.core.attack import Attack
from brittle.errors import InputError, UnsupportedThreat
from brittle.evaluation.manifest import AttackInfo
from brittle.evaluation.spec import Spec, parse_attack
from brittle.threats import THREATS, Threat, parse_threat

DEFAULT_RADIUS = {name: make().default_radius for name, make in THREATS.items()}
"""The radii that the threats name."""
DEFAULT_ATTACKS = (
    "noise:draws=10",
    "fgsm:loss=scaled",
    "pgd:steps=40,restarts=3,loss=scaled",
    "deepfool",
    "support-descent",
    "rotation-translation",
    "adef",
    "stadv:scaled=true",
)
"""A baseline that must not win, one step, many steps, and the smallest change; where a norm suits them. Of deformations
a black box, the smallest one, and one within the radius. The losses have no scale of their own, so that k times the
same network gets the same figures."""

BLACK_BOX_ATTACKS = {
    "scores": ("noise:draws=10", "random-direction", "square", "one-pixel", "rotation-translation"),
    "labels": ("noise:draws=10", "random-direction", "hop-skip-jump", "rotation-translation"),
}
"""The same for networks that give no gradients: by their scores, or by their decision alone."""
ASIDE = 3
"""Queries of a budget that Square does not get: the clean image, what it returns, and that with 8 bits."""


@dataclass(frozen=True)
class Planned:
    """One attack of the plan.

    Attributes:
        info: how the manifest describes it.
        attack: the value to run.
        threat: the norm, with the radius for attacks that need one.
    """

    info: AttackInfo
    attack: Attack
    threat: Threat


def plan(
    attacks: Sequence[str],
    norm: str,
    radius: float | None,
    *,
    reveals: Reveals = "gradients",
    budget: int | None = None,
) -> list[Planned]:
    """Turn what the user wrote into attacks with their threats.

    An attack that needs a radius runs at the one given; one that does not searches for the smallest change, whose size
    is compared with the radius afterwards.

    Args:
        attacks: as text; none for `DEFAULT_ATTACKS`, or `BLACK_BOX_ATTACKS`, as far as they know the norm.
        norm: a threat as text, without a radius (`brittle.threats.parse_threat`): linf, l2, l1, l0, pixels, flow ...
        radius: in the units of the images; for flow in pixels.
        reveals: what the network reveals, for the default attacks.
        budget: most queries of an image and attack; Square's schedule is made for what it leaves.

    Raises:
        InputError: an unknown attack, or a norm that it has no mathematics for.
    """
    threat = parse_threat(norm)
    specs = [parse_attack(text) for text in attacks] or _suitable(threat, _defaults(reveals, budget))
    taken: set[str] = set()
    return [_planned(spec, threat, radius, taken) for spec in specs]


def norm_of(attack: str) -> str:
    """Return the norm that an attack is used with when none is named: l2, or the first other one that it knows.

    Raises:
        InputError: an unknown attack.

    Example:
        >>> norm_of("pgd:steps=3"), norm_of("adef")
        ('l2', 'flow')
    """
    spec = parse_attack(attack)
    return next((norm for norm, make in (("l2", THREATS["l2"]), *THREATS.items()) if _knows(spec, make())), "l2")


def _defaults(reveals: Reveals, budget: int | None) -> Sequence[str]:
    names = BLACK_BOX_ATTACKS.get(reveals, DEFAULT_ATTACKS)
    fitting = "square" if budget is None else f"square:queries={max(budget - ASIDE, 1)}"
    return [fitting if name == "square" else name for name in names]


def _suitable(threat: Threat, names: Sequence[str]) -> list[Spec]:
    return [spec for spec in map(parse_attack, names) if _knows(spec, threat)]


def _knows(spec: Spec, threat: Threat) -> bool:
    """Say whether an attack has mathematics for a threat, some radius given."""
    try:
        spec.attack.check(threat.within(1.0))
    except UnsupportedThreat:
        return False
    return True


def _planned(spec: Spec, threat: Threat, radius: float | None, taken: set[str]) -> Planned:
    own = radius if spec.radius is None else spec.radius
    if own is not None and not own > 0:
        raise InputError(
            f"the {threat.name} radius of {spec.text} is {own:g}, which allows no change, so that nothing could be "
            "broken and the robust accuracy would be the clean one; expected a radius above 0, such as --eps 8/255"
        )
    kind = _kind(spec, threat, own)
    chosen = threat if kind == "minimum" or own is None else threat.within(own)
    info = AttackInfo(
        key=_key(spec.text, taken),
        spec=spec.text,
        name=spec.name,
        settings=_settings(spec.attack),
        kind=kind,
        p=threat.name,
        radius=own if kind == "fixed" else None,
    )
    return Planned(info, spec.attack, chosen)


def _settings(attack: Attack) -> dict[str, Any]:
    """Return every hyper-parameter; attacks inside another are named."""

    def plain(value: object) -> Any:
        if isinstance(value, Attack):
            return {"attack": type(value).__name__, **_settings(value)}
        return [plain(inner) for inner in cast(tuple[object, ...], value)] if isinstance(value, tuple) else value

    return {field.name: plain(getattr(attack, field.name)) for field in fields(attack)}


def _kind(spec: Spec, threat: Threat, radius: float | None) -> Literal["fixed", "minimum"]:
    try:
        spec.attack.check(threat)
    except UnsupportedThreat:
        raise
    except InputError:
        if radius is None:
            raise
        spec.attack.check(threat.within(radius))
        return "fixed"
    if spec.attack.fits_radius and radius is not None:
        return "fixed"
    if spec.radius is not None:
        raise InputError(f"{spec.text!r} searches for the smallest change and takes no eps of its own")
    return "minimum"


def _key(text: str, taken: set[str]) -> str:
    """Return a name for the attack's folder of parts that no other attack of the plan has."""
    plain = re.sub(r"[^A-Za-z0-9._=,-]+", "_", text).strip("_")[:100]
    key, count = plain, 1
    while key in taken:
        count += 1
        key = f"{plain}-{count}"
    taken.add(key)
    return key
