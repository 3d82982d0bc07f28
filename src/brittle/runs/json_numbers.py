"""Numbers that JSON has no word for: how they are written, in manifests and in what commands print."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

INTERVAL = {"low", "high", "n"}
"""Keys of an estimate as a mapping."""


def json_numbers(value: Any, undefined: str | None = None) -> Any:
    """Return a value as JSON can hold it: what is infinite as text, so that it is told from what is absent.

    Args:
        value: of mappings, lists, tuples and numbers, at any depth; everything else is kept.
        undefined: in the place of what is no number (NaN); null by default, since there is nothing to tell.

    Returns:
        "inf" and "-inf" in the place of infinite numbers. An estimate whose n allows no interval, which would reach
        from -inf to inf, has null for both ends.

    Example:
        >>> json_numbers({"size": math.inf, "rate": (0.5, math.nan), "radius": None})
        {'size': 'inf', 'rate': [0.5, None], 'radius': None}
        >>> json_numbers({"value": 0.5, "low": -math.inf, "high": math.inf, "n": 3})
        {'value': 0.5, 'low': None, 'high': None, 'n': 3}
    """
    if isinstance(value, Mapping):
        plain = dict(cast("Mapping[object, object]", value))
        if plain.keys() >= INTERVAL and (plain["low"], plain["high"]) == (-math.inf, math.inf):
            plain |= {"low": None, "high": None}
        return {key: json_numbers(inner, undefined) for key, inner in plain.items()}
    if isinstance(value, list | tuple):
        return [json_numbers(inner, undefined) for inner in cast("Iterable[object]", value)]
    if isinstance(value, float) and not math.isfinite(value):
        return undefined if math.isnan(value) else str(float(value))
    return value
