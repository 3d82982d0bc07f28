"""What a run was: everything needed to read its rows, to repeat it, and to tell it from another run."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator, model_validator

from brittle.errors import RunError

Norm = Literal["0", "1", "2", "inf", "pixels", "flow"]
"""How changes are measured: the p of a norm, as text, because JSON has no infinity; or the number of pixels."""
DECISIVE_VERSIONS = ("brittle", "torch")
"""Packages whose version can change the rows; another version of them makes another run."""


class Strict(BaseModel):
    """Immutable, with no conversion of types and no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NetworkInfo(Strict):
    """The network that was attacked.

    Attributes:
        spec: what the user wrote.
        digest: sha256 of structure and weights, hexadecimal.
        parameters: number of parameters.
        input_shape: channels, height, width; None when the network takes several sizes.
        bounds: least and greatest value of a pixel.
    """

    spec: str
    digest: str
    parameters: int
    input_shape: tuple[int, int, int] | None
    bounds: tuple[float, float]


class BadImageInfo(Strict):
    """An image that could not be decoded and was left out."""

    index: int
    name: str
    reason: str


class DataInfo(Strict):
    """The images that were attacked.

    Attributes:
        spec: what the user wrote.
        digest: sha256 of the content, hexadecimal.
        images: number of images gone through, after the limit, bad ones included.
        classes: names of the classes by label; empty when unknown.
        fit: how images were brought to the network's size.
        bad: images that could not be decoded.
        converted: how many images were changed in which way before the network saw them.
        skipped: what lay beside the images and was not taken for one, by reason.
        remarks: how the classes were numbered, where there was a choice.
        relabelled: the network's number of each of the data's classes; None where the labels are as they were.
    """

    spec: str
    digest: str
    images: int = Field(ge=0)
    classes: list[str]
    fit: dict[str, JsonValue]
    bad: list[BadImageInfo] = []
    converted: dict[str, int] = {}
    skipped: dict[str, int] = {}
    remarks: list[str] = []
    relabelled: list[int] | None = None

    @property
    def said(self) -> list[str]:
        """What is to be told of the images, in sentences."""
        return said_of_images(self.images, self.converted, self.skipped, self.remarks)


def said_of_images(
    images: int, converted: Mapping[str, int], skipped: Mapping[str, int], remarks: Sequence[str]
) -> list[str]:
    """Return what became of images on their way to the network, in sentences; none where nothing did.

    >>> said_of_images(200, {"colours made grey": 200, "cropped": 12}, {"hidden": 1}, [])
    ['of 200 images: 200 colours made grey, 12 cropped', 'passed over: 1 hidden']
    """
    changes = ", ".join(f"{count:,} {name}" for name, count in converted.items())
    passed = ", ".join(f"{count:,} {reason}" for reason, count in skipped.items())
    return [
        *([f"of {images:,} images: {changes}"] if changes else []),
        *([f"passed over: {passed}"] if passed else []),
        *remarks,
    ]


class ThreatInfo(Strict):
    """The question of the audit: a norm and the largest allowed change in it (None: no limit)."""

    p: Norm
    radius: float | None


class AttackInfo(Strict):
    """One attack of the plan.

    Attributes:
        key: name of its folder of parts; letters, digits and ``. _ = , -`` only.
        spec: what the user wrote, such as ``pgd:steps=40``.
        name: its name in the registry.
        settings: every hyper-parameter, defaults included; infinite and undefined numbers are kept as text.
        kind: "minimum" when it searched the smallest change without a radius, "fixed" when it was run at `radius`.
        p: the norm in which it measures a change.
        radius: the largest allowed change; None for no limit.
    """

    key: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._=,-]{0,119}$")
    spec: str
    name: str
    settings: dict[str, JsonValue]
    kind: Literal["fixed", "minimum"]
    p: Norm
    radius: float | None

    @field_validator("settings", mode="before")
    @classmethod
    def _name_what_json_cannot_say(cls, settings: object) -> object:
        return _finite(settings)


class Manifest(Strict):
    """A run folder's ``manifest.json``.

    `identity` is worked out from the other fields; when it is given it must agree with them.

    Attributes:
        created: start of the run, ISO 8601 in UTC; `finished` likewise, None while it is running.
        command: the command line that started it, word by word.
        lattice: number of levels that the adversarial images lie on; None for any values.
        budget: most queries for each image and attack; None for no limit.
        draws: how often every point was looked at, more than once for randomised networks.
        device: such as "cpu" or "cuda:0"; `machine` in words, such as "x86_64, 2 cores".
        batch: images in one call of the network; `block`: images in one part; `limit`: the most images, None for all.
        versions: package name to version; at least brittle, python and torch.
        identity: sha256 over everything that determines the rows.
    """

    format: Literal[1] = 1
    created: str
    finished: str | None = None
    status: Literal["running", "finished"] = "running"
    command: list[str]
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
    attacks: list[AttackInfo]
    versions: dict[str, str]
    identity: str = ""

    @model_validator(mode="after")
    def _seal(self) -> Self:
        keys = [attack.key for attack in self.attacks]
        if len(set(keys)) < len(keys):
            raise ValueError(f"the keys of the attacks are not all different: {keys}")
        fingerprint = self.fingerprint()
        if self.identity not in ("", fingerprint):
            raise ValueError(f"its identity {self.identity[:12]} does not fit its other fields ({fingerprint[:12]})")
        object.__setattr__(self, "identity", fingerprint)  # filled in once, before anybody sees the frozen model
        return self

    @property
    def blocks(self) -> int:
        """Number of parts each attack has once the run is finished."""
        return math.ceil(self.data.images / self.block)

    def decisive(self) -> dict[str, JsonValue]:
        """The fields that determine the rows, in the groups that an error message names."""
        return {
            "format": self.format,
            "network": {"digest": self.network.digest, "bounds": list(self.network.bounds)},
            "data": {
                "digest": self.data.digest,
                "images": self.data.images,
                "fit": self.data.fit,
                **({} if self.data.relabelled is None else {"relabelled": list[JsonValue](self.data.relabelled)}),
            },
            "norm and radius": {"p": self.threat.p, "radius": self.threat.radius},
            "attacks": [attack.model_dump(mode="json", exclude={"spec"}) for attack in self.attacks],
            "lattice": self.lattice,
            **({} if self.budget is None else {"budget": self.budget}),  # runs without one keep their identity
            **({} if self.draws == 1 else {"draws": self.draws}),
            "seed": self.seed,
            "images per part": self.block,
            "device": self.device.partition(":")[0],
            "versions": {name: self.versions.get(name, "unknown") for name in DECISIVE_VERSIONS},
        }

    def fingerprint(self) -> str:
        """Hexadecimal sha256 of `decisive`, in canonical JSON."""
        text = json.dumps(self.decisive(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def differences(self, other: "Manifest") -> list[str]:
        """What makes `other` another run than this one, one line for each difference; empty when it is the same."""
        mine, theirs = self.decisive(), other.decisive()
        lines: list[str] = []
        for group in {**mine, **theirs}:
            if mine.get(group) == theirs.get(group):
                continue
            if group in ("network", "data"):
                ours, others = getattr(self, group), getattr(other, group)
                lines.append(f"{group}: {_described(ours)}, now {_described(others)}")
            elif group == "attacks":
                lines.append(f"attacks: {_specs(self)}, now {_specs(other)}")
            else:
                lines.append(f"{group}: {_short(mine.get(group))}, now {_short(theirs.get(group))}")
        return lines

    def to_json(self) -> str:
        """The text of ``manifest.json``."""
        return self.model_dump_json(indent=2) + "\n"


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
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RunError(f"{path.parent} is no run folder: it has no {path.name}; give the folder of an audit") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "as a whole"
        raise RunError(
            f"{path} is not a manifest of format 1 ({where}: {first['msg']}); "
            "it was changed by hand or written by another version of brittle; start a run in another folder"
        ) from error


def _finite(value: object) -> object:
    """Numbers that JSON cannot say become text, at any depth; tuples become lists."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in cast(dict[object, object], value).items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in cast(list[object], value)]
    return value


def _described(info: NetworkInfo | DataInfo) -> str:
    if isinstance(info, NetworkInfo):
        return f"{info.spec} (content {info.digest[:12]}, values {info.bounds[0]:g} to {info.bounds[1]:g})"
    return f"{info.spec} (content {info.digest[:12]}, {info.images} images, fit {_short(dict(info.fit))})"


def _specs(manifest: Manifest) -> str:
    return "; ".join(attack.spec for attack in manifest.attacks) or "none"


def _short(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False).replace('"', "")
