"""What audits of networks with an answer for every pixel were, as their folders say."""

from abc import ABC

from pydantic import Field, JsonValue

from brittle.runs.base import BaseManifest, KindName, data_fields, network_fields, threat_fields
from brittle.runs.manifest_info import AttackInfo, DataInfo, Name, NetworkInfo, ThreatInfo


class DenseManifest(BaseManifest, ABC):
    """The ``manifest.json`` of the folder of an audit of a dense network.

    Attributes:
        batch: images in one call of the network.
        network, data, threat, attack: what was asked.
        share: of an image's pixels that must be wrong.
        budget: most forward plus backward passes of an image; None for no limit.
        confidence: by how much each of these pixels had to be won while it was searched for.
        contents: sha256 of the files of the folder by name, once they are finished.
    """

    batch: int = Field(gt=0)
    network: NetworkInfo
    data: DataInfo
    threat: ThreatInfo
    attack: AttackInfo
    share: float = Field(gt=0, le=1)
    budget: int | None = Field(default=None, ge=1)
    confidence: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    contents: dict[str, str] = Field(default_factory=dict[str, str])

    def identity_fields(self) -> dict[str, JsonValue]:
        """The fields that determine the rows, in the groups that an error message names."""
        return {
            "format": self.format,
            **self.code_fields(),
            "network": network_fields(self.network),
            "data": data_fields(self.data),
            "norm and radius": threat_fields(self.threat),
            "attack": self.attack.model_dump(mode="json", exclude={"spec", "key"}),
            "share of the pixels": self.share,
            "budget": self.budget,
            "confidence": self.confidence,
            **self.surrounding_fields(),
        }

    def difference(self, group: str, other: BaseManifest) -> str:
        """What differs in a group of `identity_fields`, in words."""
        if group == "attack" and isinstance(other, DenseManifest):
            return f"{self.attack.spec}, now {other.attack.spec}"
        return super().difference(group, other)


class SegmentationManifest(DenseManifest):
    """The ``manifest.json`` of the folder of an audit of a segmentation.

    Attributes:
        classes: names of the network's classes by number; empty when unknown.
    """

    kind: KindName = "segmentation"
    classes: list[Name]


class DepthManifest(DenseManifest):
    """The ``manifest.json`` of the folder of an audit of depths.

    Attributes:
        ratio: from which a depth is wrong.
    """

    kind: KindName = "depth"
    ratio: float = Field(gt=1, allow_inf_nan=False)

    def identity_fields(self) -> dict[str, JsonValue]:
        """Those of any dense network, and the ratio."""
        return {**super().identity_fields(), "ratio of depths": self.ratio}
