"""What a run was: everything needed to read its rows, to repeat it, and to tell it from another run."""

import json
from pathlib import Path
from typing import Any, Literal, Self, cast

from pydantic import Field, JsonValue, ValidationError, model_validator

from brittle.errors import RunError, quoted
from brittle.identity.compare import fingerprint
from brittle.identity.sources import changed_files
from brittle.reading import parse_json, read_text
from brittle.runs.checkpoint import broken_seal, sealed
from brittle.runs.manifest_info import (
    AttackInfo,
    BadImageInfo,
    CodeInfo,
    DataInfo,
    Name,
    NetworkInfo,
    Norm,
    Strict,
    ThreatInfo,
)
from brittle.runs.older import spelt_anew, spelt_before

__all__ = [
    "AttackInfo",
    "BadImageInfo",
    "CodeInfo",
    "DataInfo",
    "Manifest",
    "Name",
    "NetworkInfo",
    "Norm",
    "Strict",
    "ThreatInfo",
    "read_manifest",
]

FORMAT = 2
"""Of a run folder that is written; those of format 1 can be read."""
MOST_ATTACKS = 1000
"""A run has no more."""
DECISIVE_VERSIONS = ("brittle", "torch")
"""Packages whose version can change the rows; another version of them makes another run."""


class Manifest(Strict):
    """A run folder's ``manifest.json``.

    `identity` is worked out from the others; when it is given it must agree with them.

    Attributes:
        created: start of the run, ISO 8601 in UTC; `finished` likewise, None while it is running.
        command: the command line that started it, word by word.
        lattice: number of levels that the adversarial images lie on; None for any values.
        budget: most queries for each image and attack; None for no limit.
        draws: how often every point was looked at, more than once for randomised networks.
        device: such as "cpu" or "cuda:0"; `machine` in words, such as "x86_64, 2 cores".
        batch: images in one call of the network; `block`: images in one part; `limit`: the most images, None for all.
        versions: package name to version; at least brittle, python and torch.
        code: what made the rows; None in a run of an older version.
        files: sha256 of the user's files by path, those that were loaded only while the attacks ran included.
        notes: what was found when rows of an earlier call were used again, the last ones.
        identity: sha256 over everything that determines the rows.
    """

    format: Literal[1, 2] = FORMAT
    kind: Literal["audit"] = "audit"
    created: str
    finished: str | None = None
    status: Literal["running", "finished"] = "running"
    command: list[Name]
    seed: int
    device: str
    machine: str
    batch: int = Field(gt=0)
    block: int = Field(gt=0)
    limit: int | None
    lattice: int | None = Field(default=None, ge=2)
    budget: int | None = Field(default=None, ge=1)
    draws: int = Field(default=1, ge=1)
    network: NetworkInfo
    data: DataInfo
    threat: ThreatInfo
    attacks: list[AttackInfo] = Field(max_length=MOST_ATTACKS)
    versions: dict[str, str]
    code: CodeInfo | None = None
    files: dict[str, str] = Field(default_factory=dict[str, str])
    notes: list[str] = Field(default_factory=list[str])
    identity: str = ""

    @model_validator(mode="after")
    def _seal(self) -> Self:
        keys = [attack.key for attack in self.attacks]
        if len(set(keys)) < len(keys):
            raise ValueError(f"the keys of the attacks are not all different: {quoted(keys)}")
        fingerprint = self.fingerprint()
        if self.identity not in ("", fingerprint):
            raise ValueError(f"its identity {self.identity[:12]} does not fit its other fields ({fingerprint[:12]})")
        object.__setattr__(self, "identity", fingerprint)  # filled in once, before anybody sees the frozen model
        return self

    @property
    def blocks(self) -> int:
        """Number of parts each attack has once the run is finished."""
        return -(-self.data.images // self.block)

    def identity_fields(self) -> dict[str, JsonValue]:
        """The fields that determine the rows, in the groups that an error message names."""
        return {
            "format": self.format,
            **_code(self.code),
            "network": {
                "digest": self.network.digest,
                "bounds": list(self.network.bounds),
                **{name: one for name in ("tensors", "outputs") if (one := getattr(self.network, name))},
            },
            "data": {
                "digest": self.data.digest,
                "images": self.data.images,
                "fit": self.data.fit,
                **({} if self.data.relabelled is None else {"relabelled": list[JsonValue](self.data.relabelled)}),
            },
            "norm and radius": cast("JsonValue", _as_written(self.threat, self.format)),
            "attacks": [cast("JsonValue", _as_written(attack, self.format)) for attack in self.attacks],
            "lattice": self.lattice,
            **({} if self.budget is None else {"budget": self.budget}),  # runs without one keep their identity
            **({} if self.draws == 1 else {"draws": self.draws}),
            "seed": self.seed,
            "images per part": self.block,
            "device": self.device.partition(":")[0],
            "versions": {name: self.versions.get(name, "unknown") for name in DECISIVE_VERSIONS},
        }

    def without_late(self, before: "Manifest") -> "Manifest":
        """Return it as the run `before` would state it, whose process may have loaded some files later or earlier.

        Args:
            before: the same run, or another. Files that only one of both states count as late where it knows them.
        """
        if self.code is None or before.code is None:
            return self
        old, new = before.code.yours, self.code.yours
        late = {name for name in {*old} ^ {*new} if old.get(name, new.get(name)) in before.files.values()}
        yours = {name: one for name, one in new.items() if name not in late}
        yours |= {name: old[name] for name in late if name in old}
        return self.model_copy(update={"code": self.code.model_copy(update={"yours": yours})})

    def fingerprint(self) -> str:
        """Hexadecimal sha256 of `identity_fields`, in canonical JSON."""
        return fingerprint(json.dumps(self.identity_fields(), sort_keys=True, separators=(",", ":"), allow_nan=False))

    def differences(self, other: "Manifest") -> list[str]:
        """What makes `other` another run than this one, one line for each difference; empty when it is the same."""
        mine, theirs = self.identity_fields(), other.identity_fields()
        lines: list[str] = []
        for group in {**mine, **theirs}:
            if mine.get(group) == theirs.get(group):
                continue
            if group in ("network", "data"):
                ours, others = getattr(self, group), getattr(other, group)
                lines.append(f"{group}: {_described(ours)}, now {_described(others)}")
            elif group == "attacks":
                lines.append(f"attacks: {_specs(self)}, now {_specs(other)}")
            elif group == "your code":
                old, new = ({} if one.code is None else one.code.yours for one in (self, other))
                lines.append(f"your code: {changed_files(old, new)}")
            elif group == "brittle's code":
                lines.append(f"brittle's code: {_short(mine.get(group))[:12]}, now {_short(theirs.get(group))[:12]}")
            else:
                lines.append(f"{group}: {_short(mine.get(group))}, now {_short(theirs.get(group))}")
        return lines

    def to_json(self) -> str:
        """The text of ``manifest.json``, with a checksum of all of it."""
        return json.dumps(sealed(self.model_dump(mode="json")), indent=2, ensure_ascii=False) + "\n"


def read_manifest(path: Path) -> Manifest:
    """Read and check a ``manifest.json``.

    Args:
        path: the file.

    Returns:
        The manifest.

    Raises:
        RunError: the file is missing, cannot be read, or is not a manifest of a format this version knows.
    """
    try:
        content = parse_json(read_text(path), str(path))
    except FileNotFoundError:
        raise RunError(f"{path.parent} is no run folder: it has no {path.name}; give the folder of an audit") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {quoted(error)}") from error
    if isinstance(content, dict):
        content = _checked(path, cast("dict[str, Any]", content))
    try:
        return Manifest.model_validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "as a whole"
        raise RunError(
            f"{path} is no manifest of an audit, format 1 or 2 ({quoted(where, 80)}: {quoted(first['msg'])}); "
            "it belongs to something else, was changed by hand, or was written by another version of brittle; give the "
            "folder of an audit, or start a run in another one"
        ) from error


def _checked(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest without its checksum; of format 1, which has none, as format 2 would spell it."""
    if content.get("format") == 1:
        return spelt_anew(content)
    if content.get("format") == FORMAT and broken_seal(content):
        raise RunError(
            f"{path} is damaged or was changed by hand: its checksum is not that of its content; put back a copy, or "
            "run the audit into another folder"
        )
    return {name: value for name, value in content.items() if name != "checksum"}


def _as_written(info: ThreatInfo | AttackInfo, form: int) -> dict[str, Any]:
    """Return what determines the rows, as the format spells it, so that old runs keep their identity."""
    plain = info.model_dump(mode="json", exclude={"spec"})
    if isinstance(info, ThreatInfo) and not info.settings:
        del plain["settings"]  # runs of threats without any keep their identity
    return (
        plain
        if form == FORMAT
        else {"p" if name == "norm" else name: one for name, one in plain.items()} | {"p": spelt_before(info.norm)}
    )


def _code(code: CodeInfo | None) -> dict[str, JsonValue]:
    if code is None:
        return {}  # runs of an older version keep their identity
    groups: dict[str, JsonValue] = {"your code": dict(code.yours), "packages": dict(code.packages)}
    return {"brittle's code": code.brittle, **{name: one for name, one in groups.items() if one}}


def _described(info: NetworkInfo | DataInfo) -> str:
    if isinstance(info, NetworkInfo):
        more = f", weights {info.tensors[:12]}" if info.tensors else ""
        more += f", outputs {info.outputs}" if info.outputs else ""
        return f"{info.spec} (content {info.digest[:12]}{more}, values {info.bounds[0]:g} to {info.bounds[1]:g})"
    return f"{info.spec} (content {info.digest[:12]}, {info.images} images, fit {_short(dict(info.fit))})"


def _specs(manifest: Manifest) -> str:
    return "; ".join(attack.spec for attack in manifest.attacks) or "none"


def _short(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False).replace('"', "")
