"""By which words network and images of a command opened, kept beside what it made, to open them again."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from brittle.addresses import path_or_address, plain_address
from brittle.defences import Defence
from brittle.errors import InputError, RunError, quoted
from brittle.evaluation.defended import spelled_defence
from brittle.names import restored, stored
from brittle.plugins import parts_of_spec
from brittle.runs.manifest_info import NAIVELY, DataInfo, NetworkInfo, ThreatInfo
from brittle.specs import DataSpec, ModelSpec
from brittle.specs.groups import AUTO


def words_of(model: ModelSpec, data: DataSpec) -> dict[str, dict[str, object]]:
    """Return by which words network and images are opened again, as JSON can hold them; values have none."""
    groups = (("model", model, ("channel", "naive", "defence_data")), ("data", data, ()))
    found: dict[str, dict[str, object]] = {}
    for name, group, without in groups:
        if isinstance(group.spec, str | Path):
            given = {one.name: getattr(group, one.name) for one in fields(group) if one.name not in without}
            if isinstance(given.get("defence"), Defence):
                given["defence"] = spelled_defence(given["defence"])
            found[name] = {
                key: stored(plain_address(str(value))) if isinstance(value, str | Path) else value
                for key, value in given.items()
                if value is None or isinstance(value, str | Path | int)
            }
    return found


def words_of_network(info: NetworkInfo) -> dict[str, Any]:
    """Return by which words the network of a run is opened again."""
    outputs = info.outputs.split()
    labels = next((int(one.removeprefix("labels=")) for one in outputs if one.startswith("labels=")), None)
    words: dict[str, Any] = {"spec": info.spec, "defence": restored(info.defence) or None, "labels": labels}
    words |= {"dtype": info.dtype or None, "mean": info.mean or None, "std": info.std or None}
    words["output"] = restored(info.output) if isinstance(info.output, str) else info.output
    words |= {"weights": path_or_address(restored(info.weights))} if info.weights else {}
    return words | {name: name in outputs for name in ("binary", "probabilities")}


def network_again(info: NetworkInfo) -> ModelSpec:
    """Return the network of a run with all that stood before and around it, to be opened again."""
    words: dict[str, Any] = {
        **words_of_network(info),
        "spec": restored(info.spec),
        "channel": restored(info.channel) or None,
    }
    return ModelSpec(**words, naive=info.attacked == NAIVELY, defence_data=restored(info.defence_data) or None)


def threat_again(info: ThreatInfo) -> str:
    """Return the name of the threat of a run, or FILE.py:CLASS, by which it opens again.

    Raises:
        RunError: it has settings, which only a value can have.
    """
    if info.settings:
        settings = quoted(", ".join(f"{name} {one}" for name, one in info.settings.items()), 200)
        raise RunError(f"the threat {info.norm} has settings of its own ({settings}), which were given as a value")
    return restored(info.spec or info.norm)


def own_file(threat: object) -> str:
    """Return FILE.py:CLASS of a threat that was asked for so; "" of others.

    Example:
        >>> own_file("my.py:Half:0.1"), own_file("linf:0.1")
        ('my.py:Half', '')
    """
    own = parts_of_spec(threat) if isinstance(threat, str) else None
    return "" if own is None else stored(own[0])


def words_of_images(info: DataInfo) -> dict[str, Any]:
    """Return by which words the images of a run are opened again."""
    fit = info.fit
    sides = (fit.get("height"), fit.get("width"))
    return {
        "spec": restored(info.spec),
        "size": None if None in sides else "x".join(map(str, sides)),
        "resize": fit.get("resize"),
        "crop": None if fit.get("crop") == "center" else fit.get("crop"),
        "interpolation": fit.get("interpolation"),
        "skip_bad": bool(info.bad),
        "class_order": info.class_order or AUTO,
    }


def reopened(kind: type[Any], words: Mapping[str, Any], given: Any, run: Path) -> Any:
    """Open again by the words that were kept, but where the user gives others; options alone change these words."""
    if given.spec is not None:
        return given
    known = {one.name: one.default for one in fields(kind)}
    plain = {key: restored(one) if isinstance(one, str) else one for key, one in words.items() if key in known}
    plain |= {name: value for name in known if (value := getattr(given, name)) not in (None, known[name])}
    if "spec" not in plain:
        what = "network" if kind is ModelSpec else "images"
        option = "model" if kind is ModelSpec else "data"
        raise InputError(
            f"{run} does not say by which words its {what} opened, as a value was attacked; give --{option} ({option}= "
            "in Python)"
        )
    return kind(**plain)
