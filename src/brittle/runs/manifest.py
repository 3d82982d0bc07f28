"""What an audit was: everything needed to read its rows, to repeat it, and to tell it from another run."""

from dataclasses import asdict
from typing import Any, ClassVar, Self

from pydantic import Field, JsonValue, SerializerFunctionWrapHandler, model_serializer, model_validator

from brittle.classifiers.search_mode import PLAIN, Precision, SearchMode
from brittle.errors import quoted
from brittle.runs.base import FORMAT, BaseManifest, KindName, data_fields, in_words, network_fields, threat_fields
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
from brittle.runs.older import spelt_before

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
]

MOST_ATTACKS = 1000
"""A run has no more."""


class Manifest(BaseManifest):
    """The ``manifest.json`` of an audit's run folder.

    Attributes:
        quantization: number of levels that the adversarial images lie on; None for any values.
        budget: most queries for each image and attack; None for no limit.
        eot_samples: how often every point was looked at, more than once for randomised networks.
        confidence: by how many logits a success had to be won while it was searched for.
        precision, compile, channels_last: how attacks that differentiate the network asked it while they searched, see
            `SearchMode`; every change was verified by the network as it is.
        batch: images in one call of the network; `block`: images in one part; `max_images`: the most images, None for
            all.
        network, data, threat, attacks: what was asked.
        shards: which shares of an unfinished run were begun in this folder, such as "2/4".
    """

    oldest: ClassVar[int] = 1
    kind: KindName = "audit"
    batch: int = Field(gt=0)
    block: int = Field(gt=0)
    max_images: int | None
    quantization: int | None = Field(default=None, ge=2)
    budget: int | None = Field(default=None, ge=1)
    eot_samples: int = Field(default=1, ge=1)
    confidence: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    precision: Precision = "float32"
    compile: bool = False
    channels_last: bool = False
    network: NetworkInfo
    data: DataInfo
    threat: ThreatInfo
    attacks: list[AttackInfo] = Field(max_length=MOST_ATTACKS)
    shards: list[str] = Field(default_factory=list[str])

    @model_serializer(mode="wrap")
    def _as_before(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a confidence of 0, a search of the usual kind, and no shards: such a file is what it always was."""
        usual = {"confidence": 0.0, "shards": [], **asdict(PLAIN)}
        return {name: one for name, one in plain(self).items() if name not in usual or one != usual[name]}

    @model_validator(mode="after")
    def _keys_differ(self) -> Self:
        keys = [attack.key for attack in self.attacks]
        if len(set(keys)) < len(keys):
            raise ValueError(f"the keys of the attacks are not all different: {quoted(keys)}")
        return self

    @property
    def search(self) -> SearchMode:
        """How attacks that differentiate the network asked it while they searched."""
        return SearchMode(self.precision, self.compile, self.channels_last)

    @property
    def blocks(self) -> int:
        """Number of parts each attack has once the run is finished."""
        return -(-self.data.images // self.block)

    def identity_fields(self) -> dict[str, JsonValue]:
        """The fields that determine the rows, in the groups that an error message names."""
        surroundings = self.surrounding_fields()
        return {
            "format": self.format,
            **self.code_fields(),
            "network": network_fields(self.network),
            "data": data_fields(self.data),
            "norm and radius": _as_written(threat_fields(self.threat), self.format),
            "attacks": [
                _as_written(attack.model_dump(mode="json", exclude={"spec"}), self.format) for attack in self.attacks
            ],
            "lattice": self.quantization,
            **({} if self.budget is None else {"budget": self.budget}),  # runs without one keep their identity
            **({} if self.eot_samples == 1 else {"draws": self.eot_samples}),
            **({} if not self.confidence else {"confidence": self.confidence}),
            **({"search": self.search.text} if self.search else {}),
            "seed": surroundings.pop("seed"),
            "images per part": self.block,
            **surroundings,
        }

    def difference(self, group: str, other: BaseManifest) -> str:
        """What differs in a group of `identity_fields`, in words."""
        if group == "attacks" and isinstance(other, Manifest):
            mine, theirs = ([one.spec for one in run.attacks] for run in (self, other))
            if mine == theirs:  # as they were written; then the radius, or what stood behind a name, is another
                mine, theirs = ([_in_full(one) for one in run.attacks] for run in (self, other))
            return f"{'; '.join(mine) or 'none'}, now {'; '.join(theirs) or 'none'}"
        if group == "search" and isinstance(other, Manifest):
            return f"{_search(self)}, now {_search(other)}"
        return super().difference(group, other)


def _as_written(plain: dict[str, Any], form: int) -> dict[str, Any]:
    """Return what determines the rows, as the format spells it, so that old runs keep their identity."""
    if form == FORMAT:
        return plain
    renamed = {"p" if name == "norm" else name: one for name, one in plain.items()}
    return renamed | {"p": spelt_before(plain["norm"])}


def _search(manifest: Manifest) -> str:
    return manifest.search.text or "as the network is"


def _in_full(attack: AttackInfo) -> str:
    radius = "without a radius" if attack.radius is None else f"at {attack.radius:g}"
    return f"{attack.spec} {in_words(attack.model_dump(mode='json')['settings'])} {radius}"
