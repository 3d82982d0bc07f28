"""What attacks and threats are called in a line: their class, with what is not as by default."""

import math
from dataclasses import Field, fields
from typing import Any, cast

import torch
from torch import Tensor

from brittle.base.bounds import Bounds
from brittle.core.attack import Attack
from brittle.errors import InputError
from brittle.metrics.formats import Units
from brittle.threats import Threat


def called(attack: Attack) -> str:
    """Return an attack as it would be made in Python, fields that are as by default left out.

    Example:
        >>> from brittle import PGD, Restarts
        >>> called(PGD(steps=7)), called(Restarts(PGD(), count=2))
        ('PGD(steps=7)', 'Restarts(attack=PGD(), count=2)')
    """
    changed = [f"{one.name}={_value(getattr(attack, one.name))}" for one in fields(attack) if is_changed(attack, one)]
    return f"{type(attack).__name__}({', '.join(changed)})"


def is_changed(of: Attack | Threat, field: Field[Any]) -> bool:
    """Whether a field is given to the constructor and is not as by default."""
    value: object = getattr(of, field.name)
    return field.init and not (type(value) is type(field.default) and value == field.default)


def keeps_to_radius(attack: Attack, threat: Threat) -> bool:
    """Whether an attack works within the radius of a threat that it takes, instead of searching the smallest change.

    Example:
        >>> from brittle import PGD, DeepFool, Lp, Restarts
        >>> keeps_to_radius(Restarts(PGD()), Lp(2, 1.0)), keeps_to_radius(DeepFool(), Lp(2, 1.0))
        (True, False)
    """
    try:
        attack.check(threat.within(math.inf))
    except InputError:
        return True
    return attack.fits_radius and threat.bounded


def allowed(threat: Threat, bounds: Bounds) -> str:
    """Return which changes a threat allows, in a few words.

    Example:
        >>> from brittle import Lp
        >>> allowed(Lp("inf", 8 / 255), Bounds()), allowed(Lp(2), Bounds())
        ('linf up to 8/255', 'l2 of any size')
    """
    radius = torch.as_tensor(threat.radius, dtype=torch.float64)
    ends = [float(radius.min()), float(radius.max())] if radius.numel() else [math.inf, math.inf]
    if math.isinf(ends[0]):
        return f"{threat.name} of any size"
    low, high = (Units(bounds.span).text(end, threat.name) for end in ends)
    return f"{threat.name} up to {high}" if low == high else f"{threat.name} up to {low} to {high}, by image"


def _value(value: object) -> str:
    if isinstance(value, Attack):
        return called(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_value, cast('tuple[object, ...]', value)))})"
    return "a tensor" if isinstance(value, Tensor) else repr(value)
