"""What older versions wrote, as this one would have written it: the manifests of format 1."""

from collections.abc import Collection, Mapping
from typing import Any, cast

from brittle.names import OLDER_NORMS
from brittle.older_names import TODAY
from brittle.threats import spelled


def spelt_anew(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest of format 1 with the fields of format 2; `format` stays 1, as its identity depends on it.

    What is of another shape stays as it is, for the manifest to refuse.

    Example:
        >>> spelt_anew({"format": 1, "threat": {"p": "inf", "radius": 0.1}})
        {'format': 1, 'threat': {'radius': 0.1, 'norm': 'linf'}}
    """
    changed = dict(content)
    if "threat" in content:
        changed["threat"] = _named(content["threat"])
    if isinstance(content.get("attacks"), list):
        changed["attacks"] = [_named(attack) for attack in content["attacks"]]
    return changed


def with_todays_fields(content: object, known: Collection[str]) -> object:
    """Return an object that was read with the names that its fields have today.

    Example:
        >>> with_todays_fields({"lattice": 256, "seed": 0}, ["quantization", "seed"])
        {'quantization': 256, 'seed': 0}
    """
    if not isinstance(content, dict):
        return content
    plain = cast("dict[str, Any]", content)
    return {TODAY[name] if name not in known and TODAY.get(name) in known else name: one for name, one in plain.items()}


def _named(info: object) -> object:
    if not isinstance(info, dict) or "p" not in info:
        return cast("object", info)
    plain = cast("dict[str, Any]", info)
    norm = spelled(plain["p"]) if isinstance(plain["p"], str) else plain["p"]
    return {**{name: one for name, one in plain.items() if name != "p"}, "norm": norm}


def spelt_before(norm: str) -> str:
    """Return how format 1 spelt a norm, for the identity of its runs.

    Example:
        >>> spelt_before("linf"), spelt_before("flow")
        ('inf', 'flow')
    """
    return next((old for old, new in OLDER_NORMS.items() if new == norm), norm)
