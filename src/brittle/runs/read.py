"""Reading a ``manifest.json`` of any kind; nobody need trust it."""

import json
from pathlib import Path
from typing import Any, TypeVar, cast, overload

from pydantic import ValidationError

from brittle.errors import RunError, quoted
from brittle.reading import parse_json, read_text
from brittle.runs.base import FORMAT, BaseManifest, kind_of
from brittle.runs.checkpoint import broken_seal
from brittle.runs.dense_manifests import DepthManifest, SegmentationManifest
from brittle.runs.kinds import RUN, TITLES
from brittle.runs.manifest import Manifest
from brittle.runs.older import spelt_anew, with_todays_fields
from brittle.runs.printed import Origin
from brittle.runs.result_manifests import (
    CorruptionsManifest,
    StudyManifest,
    SubstituteManifest,
    TrainingManifest,
    UniversalManifest,
)

M = TypeVar("M", bound=BaseManifest)
_ALL = (
    *(Manifest, UniversalManifest, TrainingManifest, SubstituteManifest, StudyManifest, CorruptionsManifest),
    *(SegmentationManifest, DepthManifest),
)
KINDS: dict[str, type[BaseManifest]] = {kind_of(one): one for one in _ALL}
"""The manifests by their kinds."""


@overload
def read_manifest(path: Path) -> BaseManifest: ...


@overload
def read_manifest(path: Path, wanted: type[M]) -> M: ...


def read_manifest(path: Path, wanted: type[BaseManifest] | None = None) -> BaseManifest:
    """Read and check a ``manifest.json``.

    Args:
        path: the file.
        wanted: the kind that it must be of, such as `Manifest` for an audit; any by default.

    Returns:
        The manifest.

    Raises:
        RunError: the file is missing, cannot be read, is of another kind, or is not a manifest of a format this
            version knows.
    """
    asked = TITLES[kind_of(wanted)] if wanted else "an audit, a training or another run"
    expected = f"the folder of {asked}"
    try:
        content = parse_json(read_text(path), str(path))
    except FileNotFoundError:
        raise RunError(f"{path.parent} is no run folder: it has no {path.name}; give {expected}") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {quoted(error)}") from error
    plain = cast("dict[str, Any]", content) if isinstance(content, dict) else {}
    kind = KINDS.get(kind_in(plain))
    if kind is None:
        raise RunError(f"{path} is no manifest of brittle, but of something else; give {expected}")
    if wanted not in (None, kind):
        raise RunError(
            f"{path.parent} is the folder of {TITLES[kind_of(kind)]}, not of {expected[14:]}; give {expected}"
        )
    title, formats = TITLES[kind_of(kind)], " or ".join(map(str, range(kind.oldest, FORMAT + 1)))
    try:
        return kind.model_validate_json(json.dumps(with_todays_fields(_checked(path, plain, title), kind.model_fields)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "as a whole"
        raise RunError(
            f"{path} is no manifest of {title}, format {formats} ({quoted(where, 80)}: {quoted(first['msg'])}); "
            "it belongs to something else, was changed by hand, or was written by another version of brittle; give "
            f"{expected}, or begin in another one"
        ) from error


def origin_of(folder: Path) -> Origin:
    """Return what the result in a folder was made from; errors as of `read_manifest`."""
    return Origin.of(read_manifest(folder / RUN))


def kind_in(content: dict[str, Any]) -> str:
    """Return the kind that a manifest says it is of; "" where it is none of ours."""
    kind: object = content.get("kind", "audit" if content.get("format") == 1 else "")
    return kind if isinstance(kind, str) else ""


def _checked(path: Path, content: dict[str, Any], title: str) -> dict[str, Any]:
    """Return a manifest without its checksum; of format 1, which has none, as format 2 would spell it."""
    if content.get("format") == 1:
        return spelt_anew(content)
    if content.get("format") == FORMAT and broken_seal(content):
        raise RunError(
            f"{path} is damaged or was changed by hand: its checksum is not that of its content; put back a copy, or "
            f"begin {title} in another folder"
        )
    return {name: value for name, value in content.items() if name != "checksum"}
