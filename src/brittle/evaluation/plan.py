"""What an audit is going to do: which attacks, by which norm, within which radius."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

from torch import Tensor

from brittle.arguments import fitted, seen
from brittle.classifiers.classifier import Access
from brittle.core.attack import Attack
from brittle.core.called import called, is_changed
from brittle.dense.run import takes_pixels
from brittle.errors import InputError, UnsupportedThreat
from brittle.evaluation.spec import Spec, parse_attack
from brittle.registry import ATTACKS, COMBINATORS, DENSE
from brittle.runs.manifest import AttackInfo
from brittle.specs import Question
from brittle.threats import BUILT_IN, Lp, Threat, check_named, parse_threat

DEFAULT_ATTACKS = (
    "noise:draws=10",
    "fgsm:loss=scaled",
    "fast-ensemble",
    "boundary-descent:steps=7",
    "support-descent",
    "patch-ascent",
    "rotation-translation",
    "adef",
    "stadv:scaled=true",
)
"""A baseline that must not win, one step, the verdict at the radius, and the smallest change; where a norm suits them.
Of deformations a black box, the smallest one, and one within the radius. The losses have no scale of their own, so that
k times the same network gets the same figures."""

SINGLE_ATTACKS = ("deepfool", "support-descent", "patch-ascent", "adef")
"""What single images are attacked with: the first that knows the norm."""
BLACK_BOX_ATTACKS = {
    "scores": ("noise:draws=10", "random-direction", "square", "one-pixel", "rotation-translation"),
    "decision": ("noise:draws=10", "random-direction", "hop-skip-jump", "rotation-translation"),
}
"""The same for networks that give no gradients: by their scores, or by their decision alone."""
RESERVED_QUERIES = 3
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
    attacks: Sequence[str | Attack],
    threat: Threat | str,
    radius: float | None,
    *,
    access: Access = "white_box",
    budget: int | None = None,
    dense: bool = False,
) -> list[Planned]:
    """Turn what the user wrote into attacks with their threats.

    An attack that needs a radius runs at the one given; one that does not searches for the smallest change, whose size
    is compared with the radius afterwards.

    Args:
        attacks: as text or as values; none for `DEFAULT_ATTACKS`, or `BLACK_BOX_ATTACKS`, as far as they know the norm.
        threat: the question; its radius is for attacks that need one.
        radius: in the units of the images; for flow in pixels.
        access: what the network gives, for the default attacks.
        budget: most queries of an image and attack; Square's schedule is made for what it leaves.
        dense: whether the network has an answer for every pixel.

    Raises:
        InputError: an unknown attack, one for networks of the other kind, or a norm that it has no mathematics for.
    """
    threat = parse_threat(threat) if isinstance(threat, str) else threat
    specs = [spec_of(one) for one in attacks] or _suitable(threat, _defaults(access, budget))
    for spec in specs:
        _check_outputs(spec, dense=dense)
    taken: set[str] = set()
    return [_planned(spec, threat, radius, taken) for spec in specs]


def refuse_twice(planned: Sequence[Planned]) -> None:
    """Refuse an attack that is given twice: the second makes no image, and looks like a second opinion.

    Raises:
        InputError: two have one class, the same settings, norm and radius.
    """
    for number, one in enumerate(planned):
        same = {"key": one.info.key, "spec": one.info.spec}
        for other in planned[:number]:
            if type(other.attack) is type(one.attack) and other.info.model_copy(update=same) == one.info:
                alike = "" if other.info.spec == one.info.spec else f" as {other.info.spec} and {one.info.spec}"
                raise InputError(
                    f"the attack {one.info.name} is given twice{alike}, and the second would find what the first "
                    "finds; leave one out, or change a setting"
                )


def _check_outputs(spec: Spec, *, dense: bool) -> None:
    """Refuse an attack that goes by one class per image where there is one for every pixel, and the other way round."""
    if dense and not takes_pixels(spec.attack):
        raise InputError(
            f"{spec.text} goes by one class per image; expected an attack of networks with an answer for every pixel, "
            f"such as {', '.join(DENSE)} (an attack of your own says dense = True)"
        )
    if not dense and _needs_pixels(spec.attack):
        raise InputError(
            f"{spec.text} is for networks with a class or a depth for every pixel: say --task segmentation or --task "
            "depth (in Python brittle.run_dense), or take another attack"
        )


def _needs_pixels(attack: Attack) -> bool:
    return type(attack) in DENSE.values() or any(map(_needs_pixels, attack.parts()))


def threat_of(question: Question) -> tuple[Threat | None, float | None]:
    """Return a question's threat without a radius, and its radius, as far as they are given.

    Raises:
        InputError: two radii, a threat that nobody knows, or one with a radius for each image.

    Example:
        >>> threat_of(Question("linf:51/255")), threat_of(Question(radius=0.1))
        ((Lp(radius=inf, p=inf), 0.2), (None, 0.1))
    """
    given: object = fitted("norm", question.threat, str | Threat | None)
    if given is None:
        return None, question.radius
    threat = parse_threat(given) if isinstance(given, str) else check_named(cast(Threat, given))
    if isinstance(threat.radius, Tensor):
        raise InputError(f"the radius is {seen(threat.radius)}; expected one number for all images")
    inner = threat.radius if threat.bounded else None
    if inner is not None and question.radius is not None:
        raise InputError(f"the radius is given twice, as {inner:g} and as {question.radius:g}; leave one out")
    return threat.within(math.inf), question.radius if inner is None else inner


def usual(threat: Threat) -> float | None:
    """Return the radius most often reported for a threat; None where it names none."""
    return threat.default_radius if math.isfinite(threat.default_radius) else None


def threat_for(attack: str | Attack) -> Threat:
    """Return the threat that an attack is used with when none is named: l2, or the first other one that it knows.

    Raises:
        InputError: an unknown attack.

    Example:
        >>> threat_for("pgd:steps=3").name, threat_for("adef").name
        ('l2', 'flow')
    """
    spec = spec_of(attack)
    known = (parse_threat(name) for name in ("l2", *BUILT_IN))
    return next((threat for threat in known if _knows(spec, threat)), parse_threat("l2"))


def attack_for(threat: Threat | None) -> str:
    """Return the attack that a threat is used with when none is named: DeepFool, or the first other one that knows it.

    Example:
        >>> attack_for(None), attack_for(parse_threat("frame"))
        ('deepfool', 'patch-ascent')
    """
    known = (name for name in SINGLE_ATTACKS if threat is None or _knows(parse_attack(name), threat))
    return next(known, SINGLE_ATTACKS[0])


def _defaults(access: Access, budget: int | None) -> Sequence[str]:
    names = BLACK_BOX_ATTACKS.get(access, DEFAULT_ATTACKS)
    fitting = "square" if budget is None else f"square:queries={max(budget - RESERVED_QUERIES, 1)}"
    return [fitting if name == "square" else name for name in names]


def _suitable(threat: Threat, names: Sequence[str]) -> list[Spec]:
    return [spec for spec in map(parse_attack, names) if _knows(spec, threat)]


def _knows(spec: Spec, threat: Threat) -> bool:
    """Say whether an attack has mathematics for a threat, some radius given."""
    try:
        spec.attack.check(threat.within(1.0))
    except UnsupportedThreat:
        return False
    except InputError:  # it knows the threat, and wants another radius
        return True
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
        norm=threat.name,
        radius=own if kind == "fixed" else None,
    )
    return Planned(info, spec.attack, chosen)


def spec_of(attack: str | Attack) -> Spec:
    """Return an attack with how it is called: as it was written, or as its class with what is not as by default.

    Example:
        >>> from brittle import PGD
        >>> spec_of(PGD(steps=7)).text, spec_of("pgd:steps=40").name
        ('PGD(steps=7)', 'pgd')
    """
    if isinstance(attack, str):
        return parse_attack(attack)
    known = (name for name, kind in {**ATTACKS, **DENSE, **COMBINATORS}.items() if kind is type(attack))
    return Spec(called(attack), next(known, type(attack).__name__), attack)


def _settings(attack: Attack) -> dict[str, Any]:
    """Return every hyper-parameter; attacks inside another are named."""
    return {field.name: _recorded(getattr(attack, field.name)) for field in fields(attack)}


def threat_settings(threat: Threat) -> dict[str, Any]:
    """Return what a threat is made with beside its radius and its name, as far as it is not as by default.

    Example:
        >>> threat_settings(Lp("inf", 0.1))
        {}
    """
    told = ("radius", "p") if isinstance(threat, Lp) else ("radius",)
    changed = [field.name for field in fields(threat) if field.name not in told and is_changed(threat, field)]
    return {name: _recorded(getattr(threat, name)) for name in changed}


def _recorded(value: object) -> Any:
    """A setting as a manifest holds it."""
    if isinstance(value, Attack):
        return {"attack": type(value).__name__, **_settings(value)}
    if isinstance(value, tuple | list):
        return [_recorded(inner) for inner in cast(tuple[object, ...], value)]
    return value if isinstance(value, str | int | float | None) else repr(value)  # of the user's own


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
