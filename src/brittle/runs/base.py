"""What every manifest says: when, where and by what something was made, and what tells it from other work."""

import json
from abc import abstractmethod
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, JsonValue, model_validator

from brittle.identity.compare import fingerprint
from brittle.identity.sources import changed_files
from brittle.older_names import TODAY
from brittle.runs.checkpoint import sealed
from brittle.runs.kinds import TITLES
from brittle.runs.manifest_info import CodeInfo, Command, DataInfo, NetworkInfo, Strict, ThreatInfo

FORMAT = 2
"""Of a folder that is written; those of audits of format 1 can be read."""
DECISIVE_VERSIONS = ("brittle", "torch")
"""Packages whose version can change a result; another version of them makes another run."""
KindName = Literal["audit", "universal", "training", "substitute", "study", "corruptions", "segmentation", "depth"]
"""What a folder is of."""
LAST = ("versions", "code", "files", "notes", "identity")
"""Fields that stand at the end of ``manifest.json``."""


class BaseManifest(Strict):
    """A ``manifest.json``: what the manifests of all kinds have in common.

    `identity` is worked out from the others; when it is given it must agree with them.

    Attributes:
        kind: what the folder is of.
        created: start of the work, ISO 8601 in UTC; `finished` likewise, None while it is running.
        command: the command line that started it, word by word.
        seed: of all random draws.
        device: such as "cpu" or "cuda:0"; `machine` in words, such as "x86_64, 2 cores".
        versions: package name to version; at least brittle, python and torch.
        code: what made the result; None in a run of an older version.
        files: sha256 of the user's files by path, those that were loaded only while the work went on included.
        notes: what was found when results of an earlier call were used again, the last ones.
        identity: sha256 over everything that determines the result.
    """

    oldest: ClassVar[int] = FORMAT
    """The first format that this version reads."""

    format: Literal[1, 2] = FORMAT
    kind: KindName
    created: str
    finished: str | None = None
    status: Literal["running", "finished"] = "running"
    command: Command
    seed: int
    device: str
    machine: str
    versions: dict[str, str]
    code: CodeInfo | None = None
    files: dict[str, str] = Field(default_factory=dict[str, str])
    notes: list[str] = Field(default_factory=list[str])
    identity: str = ""

    @model_validator(mode="after")
    def _seal(self) -> Self:
        if self.kind != kind_of(type(self)):
            raise ValueError(f"it is of {TITLES[self.kind]}")
        if self.format < self.oldest:
            raise ValueError(f"its format is {self.format}, and there is none of this kind before {self.oldest}")
        fingerprint = self.fingerprint()
        if self.identity not in ("", fingerprint):
            raise ValueError(f"its identity {self.identity[:12]} does not fit its other fields ({fingerprint[:12]})")
        object.__setattr__(self, "identity", fingerprint)  # filled in once, before anybody sees the frozen model
        return self

    @abstractmethod
    def identity_fields(self) -> dict[str, JsonValue]:
        """The fields that determine the result, in the groups that an error message names."""

    def surrounding_fields(self) -> dict[str, JsonValue]:
        """Those of them that every kind has: seed, kind of device, and the versions that count."""
        return {
            "seed": self.seed,
            "device": self.device.partition(":")[0],
            "versions": {name: self.versions.get(name, "unknown") for name in DECISIVE_VERSIONS},
        }

    def code_fields(self) -> dict[str, JsonValue]:
        """The code among them, in groups; none in runs of older versions, which keep their identity."""
        if self.code is None:
            return {}
        groups: dict[str, JsonValue] = {"your code": dict(self.code.yours), "packages": dict(self.code.packages)}
        return {"brittle's code": self.code.brittle, **{name: one for name, one in groups.items() if one}}

    def without_late(self, before: Self) -> Self:
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

    def differences(self, other: Self) -> list[str]:
        """What makes `other` another run than this one, one line for each difference; empty when it is the same."""
        mine, theirs = self.identity_fields(), other.identity_fields()
        differing = [group for group in {**mine, **theirs} if mine.get(group) != theirs.get(group)]
        return [f"{TODAY.get(group, group)}: {self.difference(group, other)}" for group in differing]

    def difference(self, group: str, other: "BaseManifest") -> str:
        """What differs in a group of `identity_fields`, in words."""
        if group == "your code":
            old, new = ({} if one.code is None else one.code.yours for one in (self, other))
            return changed_files(old, new)
        mine, theirs = (one.identity_fields().get(group) for one in (self, other))
        if group == "brittle's code":
            return f"{in_words(mine)[:12]}, now {in_words(theirs)[:12]}"
        ours, others = (getattr(one, group, None) for one in (self, other))
        if isinstance(ours, NetworkInfo | DataInfo) and isinstance(others, NetworkInfo | DataInfo):
            return f"{_described(ours)}, now {_described(others)}"
        return f"{in_words(mine)}, now {in_words(theirs)}"

    def to_json(self) -> str:
        """The text of ``manifest.json``, with a checksum of all of it."""
        plain = self.model_dump(mode="json")
        plain |= {name: plain.pop(name) for name in LAST}
        return json.dumps(sealed(plain), indent=2, ensure_ascii=False) + "\n"


def kind_of(manifest: type[BaseManifest]) -> KindName:
    """Return the kind that a class of manifests is for."""
    return manifest.model_fields["kind"].default


def network_fields(network: NetworkInfo) -> dict[str, JsonValue]:
    """What of a network determines a result."""
    return {
        "digest": network.digest,
        "bounds": list(network.bounds),
        **{
            name: one
            for name in ("tensors", "outputs", "defence", "attacked", "channel")
            if (one := getattr(network, name))
        },
    }


def data_fields(data: DataInfo) -> dict[str, JsonValue]:
    """What of images determines a result."""
    return {
        "digest": data.digest,
        "images": data.images,
        "fit": data.fit,
        **({} if data.relabelled is None else {"relabelled": list[JsonValue](data.relabelled)}),
    }


def threat_fields(threat: ThreatInfo) -> dict[str, Any]:
    """What of a question determines a result; threats without settings keep the identity that they had before."""
    return threat.model_dump(mode="json", exclude={"spec"} if threat.settings else {"spec", "settings"})


def in_words(value: JsonValue) -> str:
    """Return a value for a message, without the quotation marks of JSON."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False).replace('"', "")


def _described(info: NetworkInfo | DataInfo) -> str:
    if isinstance(info, NetworkInfo):
        more = f", weights {info.tensors[:12]}" if info.tensors else ""
        more += f", outputs {info.outputs}" if info.outputs else ""
        more += f", through {info.channel}" if info.channel else ""
        return f"{info.spec} (content {info.digest[:12]}{more}, values {info.bounds[0]:g} to {info.bounds[1]:g})"
    return f"{info.spec} (content {info.digest[:12]}, {info.images} images, fit {in_words(dict(info.fit))})"
