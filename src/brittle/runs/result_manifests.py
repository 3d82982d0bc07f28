"""What the results of the commands but `audit` were, as their folders say."""

from typing import Annotated, Any, cast

from pydantic import Field, JsonValue

from brittle.runs.base import (
    BaseManifest,
    KindName,
    data_fields,
    in_words,
    network_fields,
    threat_fields,
)
from brittle.runs.dense_manifests import DenseManifest
from brittle.runs.manifest_info import DataInfo, Name, NetworkInfo, Settings, Task, ThreatInfo


class UniversalManifest(BaseManifest):
    """The ``manifest.json`` of the folder of a universal perturbation.

    Attributes:
        batch: images in one call of the network.
        network, data, threat: what was asked; `data` holds all images, or those of noise that stand for them.
        task: "classification", or "segmentation" or "depth" of networks with a class or a depth for every pixel.
        ratio: from which a depth is another one; None of other tasks.
        made_from: the images X where they are of a source of their own; all of `data` was kept aside then.
        held_out: how many of the images were kept aside.
        attack: the method, as the user wrote it; `method`: the same with every setting.
        seeds: how many searches there are, by the seed and those that follow it.
        contents: sha256 of the files of the folder by name, once they are finished.
    """

    kind: KindName = "universal"
    batch: int = Field(gt=0)
    task: Task = "classification"
    ratio: float | None = Field(default=None, gt=1, allow_inf_nan=False)
    network: NetworkInfo
    data: DataInfo
    made_from: DataInfo | None = None
    threat: ThreatInfo
    held_out: int = Field(ge=0)
    attack: Name
    method: Name
    seeds: int = Field(default=1, gt=0)
    contents: dict[str, str] = Field(default_factory=dict[str, str])

    def identity_fields(self) -> dict[str, JsonValue]:
        """The fields that determine the perturbation, in the groups that an error message names."""
        return {
            "format": self.format,
            **self.code_fields(),
            "network": network_fields(self.network),
            "data": data_fields(self.data),
            "task": self.task,
            **({} if self.ratio is None else {"ratio of depths": self.ratio}),
            "images X": None if self.made_from is None else data_fields(self.made_from),
            "images kept aside": self.held_out,
            "norm and radius": threat_fields(self.threat),
            "method": self.method,
            "seeds": self.seeds,
            **self.surrounding_fields(),
        }


class TrainingManifest(BaseManifest):
    """The ``manifest.json`` of the folder of a training.

    Attributes:
        network: the architecture, with its first weights.
        data: the training images; `content`: sha256 of images and labels as the network is shown them.
        test: the images that the accuracy was measured on; None without.
        settings: how it was trained; `adversarial`: what was done to the images before each step, None for nothing.
        contents: sha256 of the files of the folder by name, once they are finished.
    """

    kind: KindName = "training"
    network: NetworkInfo
    data: DataInfo
    content: str
    test: DataInfo | None = None
    settings: Settings
    adversarial: Settings | None = None
    contents: dict[str, str] = Field(default_factory=dict[str, str])

    def identity_fields(self) -> dict[str, JsonValue]:
        """The fields that determine the weights and what was measured, in the groups that an error message names."""
        return {
            "format": self.format,
            **self.code_fields(),
            "network": network_fields(self.network),
            "data": {**data_fields(self.data), "content": self.content},
            "test": None if self.test is None else data_fields(self.test),
            "settings": self.settings,
            "attack": self.adversarial,
            **self.surrounding_fields(),
        }

    def difference(self, group: str, other: BaseManifest) -> str:
        """What differs in a group of `identity_fields`, in words; of settings those that do."""
        mine, theirs = (one.identity_fields().get(group) for one in (self, other))
        if group in ("settings", "attack") and isinstance(mine, dict) and isinstance(theirs, dict):
            both = {**mine, **theirs}
            changed = [name for name in both if mine.get(name) != theirs.get(name)]
            return ", ".join(f"{one} {in_words(mine.get(one))}, now {in_words(theirs.get(one))}" for one in changed)
        return super().difference(group, other)


class SubstituteManifest(BaseManifest):
    """The ``manifest.json`` of the folder of a substitute.

    The budget of queries is none of it: it may be raised, and the work goes on.

    Attributes:
        network: the substitute's architecture, with its first weights.
        oracle: what was asked, as the user wrote it; `answers`: what names it among the answers that are kept.
        data: the seed images; `content`: sha256 of them as the oracle is shown them.
        test: the images that were measured on; `test_content` likewise.
        settings: of the rounds and of the training in each of them.
        attacks: what was made on the substitute and shown to the oracle, with radii.
        contents: sha256 of the files of the folder by name, once they are finished.
    """

    kind: KindName = "substitute"
    network: NetworkInfo
    oracle: Name
    answers: Name
    data: DataInfo
    content: str
    test: DataInfo
    test_content: str
    settings: Settings
    attacks: list[Name]
    contents: dict[str, str] = Field(default_factory=dict[str, str])

    def identity_fields(self) -> dict[str, JsonValue]:
        """The fields that determine the substitute and what was measured, in the groups that an error names."""
        return {
            "format": self.format,
            **self.code_fields(),
            "network": network_fields(self.network),
            "oracle": self.answers,
            "data": {**data_fields(self.data), "content": self.content},
            "test": {**data_fields(self.test), "content": self.test_content},
            "settings": self.settings,
            "attacks": list[JsonValue](self.attacks),
            **self.surrounding_fields(),
        }


class CorruptionsManifest(BaseManifest):
    """The ``manifest.json`` of the folder of a measurement under corruptions.

    Attributes:
        batch: images in one call of the network.
        network, data: what was asked.
        kinds, severities: of the corruptions; names of files are made of them.
        published: whose list of severities, as `brittle.physical.corruptions.Corruption` has it.
        contents: sha256 of the files of the folder by name, once they are finished.
    """

    kind: KindName = "corruptions"
    batch: int = Field(gt=0)
    network: NetworkInfo
    data: DataInfo
    kinds: list[Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$")]] = Field(min_length=1, max_length=100)
    severities: list[Annotated[int, Field(ge=1, le=5)]] = Field(min_length=1, max_length=5)
    published: Name
    contents: dict[str, str] = Field(default_factory=dict[str, str])

    def identity_fields(self) -> dict[str, JsonValue]:
        """The fields that determine the figures, in the groups that an error message names."""
        return {
            "format": self.format,
            **self.code_fields(),
            "network": network_fields(self.network),
            "data": data_fields(self.data),
            "kinds": list[JsonValue](self.kinds),
            "severities": list[JsonValue](self.severities),
            "published": self.published,
            **self.surrounding_fields(),
        }


class StudyManifest(BaseManifest):
    """The ``manifest.json`` of the folder of a study.

    A study's cells are named by what determines them and lie side by side, so that a folder goes on with any of them;
    the manifest tells the last call.

    Attributes:
        study: its name.
        scale: "small" or "paper".
        data, models: the folders that were given, None for none.
    """

    kind: KindName = "study"
    study: Name
    scale: str
    data: Name | None = None
    models: Name | None = None

    def identity_fields(self) -> dict[str, JsonValue]:
        """What was asked for; what determines a figure is the identity of its cell."""
        asked: dict[str, Any] = {"study": self.study, "scale": self.scale, "data": self.data, "models": self.models}
        return {"format": self.format, **cast("dict[str, JsonValue]", asked), **self.surrounding_fields()}


ResultManifest = UniversalManifest | TrainingManifest | SubstituteManifest | CorruptionsManifest | DenseManifest
"""Of a folder of a few files that are written once."""
