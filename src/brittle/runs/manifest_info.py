"""What a manifest says of the network, the code, the images, the question and the attacks."""

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
)

from brittle.addresses import plain_words
from brittle.names import stored
from brittle.runs.json_numbers import json_numbers
from brittle.threats import spelled

Norm = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
"""How changes are measured: the name of a threat."""
Task = Literal["classification", "segmentation", "depth"]
"""What a network does: one class per image, or one for every pixel."""

NAIVELY = "naively"
"""How a manifest calls attacks through the gradients that a defended network gives by itself."""
LATER = ("defence", "attacked", "channel", "defence_data", "weights", "dtype", "output", "mean", "std")
"""What is left out of a file where there is nothing to say, so that older runs stay what they are."""


class Strict(BaseModel, ABC):
    """Immutable, with no conversion of types and no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _stored(value: object, info: ValidationInfo) -> object:
    return stored(value) if isinstance(value, str) and info.mode == "python" else value  # in a file it is so already


Name = Annotated[str, BeforeValidator(_stored)]
"""Text that may hold a name which others chose; it is kept as `stored`."""


Command = Annotated[list[Name], AfterValidator(plain_words)]
"""A command line, word by word, without what is secret in addresses."""


class NetworkInfo(Strict):
    """The network that was attacked.

    Attributes:
        spec: what the user wrote.
        digest: sha256 of structure and weights, hexadecimal.
        parameters: number of parameters.
        input_shape: channels, height, width; None when the network takes several sizes.
        bounds: least and greatest value of a pixel.
        tensors: sha256 of every tensor and array that it reaches; "" in a run of an older version.
        outputs: how its outputs are read where they are not logits, such as "probabilities", and under which autocast
            of the caller it was asked.
        unseen: what could not be looked into or changes by itself.
        defence: what stands around it, "" for nothing; and `attacked` how it is met: "naively", or the adaptive way.
        channel: what happens to images before all of it, "" for nothing.
        defence_data: the clean images that the defence was made ready with, "" where none were named in words.
        weights: the file or folder of weights that was named beside `spec`, "" for none.
        dtype, mean, std: likewise the number format, and the normalisation before it; "" where nothing was said.
        output: which of several outputs was chosen, by name or position; None where nothing was said.
    """

    spec: Name
    digest: str
    parameters: int
    input_shape: tuple[int, int, int] | None
    bounds: tuple[float, float]
    tensors: str = ""
    outputs: str = ""
    unseen: list[Name] = []
    defence: Name = ""
    attacked: Name = ""
    channel: Name = ""
    defence_data: Name = ""
    weights: Name = ""
    dtype: str = ""
    output: Name | int | None = None
    mean: str = ""
    std: str = ""

    @model_serializer(mode="wrap")
    def _as_before(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what was not asked for: such a file is what it was before it could be."""
        return {name: one for name, one in plain(self).items() if one not in ("", None) or name not in LATER}


class CodeInfo(Strict):
    """The code that made the rows.

    Attributes:
        brittle: sha256 of brittle's own source files.
        yours: sha256 of each of the user's files that the network is made of, by its name.
        packages: versions of the installed packages that the network is made of.
    """

    brittle: str
    yours: dict[Name, str] = {}
    packages: dict[str, str] = {}


class BadImageInfo(Strict):
    """An image that could not be decoded and was left out."""

    index: int
    name: Name
    reason: Name


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
        class_order: how classes were numbered that the user said it of, "" for "auto".
    """

    spec: Name
    digest: str
    images: int = Field(ge=0)
    classes: list[Name]
    fit: dict[str, JsonValue]
    bad: list[BadImageInfo] = []
    converted: dict[str, int] = {}
    skipped: dict[Name, int] = {}
    remarks: list[Name] = []
    relabelled: list[int] | None = None
    class_order: str = ""

    @model_serializer(mode="wrap")
    def _as_before(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out an order that nobody asked for: such a file is what it was before one could be kept."""
        return {name: one for name, one in plain(self).items() if one or name != "class_order"}

    def class_name(self, label: int) -> str:
        """Return the name of a class, or its number where it has none."""
        return self.classes[label] if 0 <= label < len(self.classes) else str(label)

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


def _settings(value: object) -> object:
    """Numbers that JSON cannot say become text."""
    return json_numbers(value, undefined="nan")


Settings = Annotated[dict[str, JsonValue], BeforeValidator(_settings)]
"""Settings by their names; infinite and undefined numbers are kept as text."""


class ThreatInfo(Strict):
    """The question of the audit.

    Attributes:
        norm: how a change is measured, by the name of the threat.
        radius: the largest allowed change; None for no limit.
        settings: what the threat is made with besides, where it is not as by default.
        spec: FILE.py:CLASS, where the user named a threat of their own so; "" otherwise.
    """

    norm: Norm
    radius: float | None
    settings: Settings = Field(default_factory=dict[str, JsonValue])
    spec: Name = ""

    @model_serializer(mode="wrap")
    def _as_before(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what threats of brittle have none of: such a file is what it was before others were named."""
        return {name: one for name, one in plain(self).items() if one or name != "spec"}


class AttackInfo(Strict):
    """One attack of the plan.

    Attributes:
        key: name of its folder of parts; letters, digits and ``. _ = , -`` only.
        spec: what the user wrote, such as ``pgd:steps=40``.
        name: its name in the registry.
        settings: every hyper-parameter, defaults included.
        kind: "minimum" when it searched the smallest change without a radius, "fixed" when it was run at `radius`.
        norm: by which it measures a change.
        radius: the largest allowed change; None for no limit.
    """

    key: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._=,-]{0,119}$")
    spec: Name
    name: Name
    settings: Settings
    kind: Literal["fixed", "minimum"]
    norm: Norm
    radius: float | None

    def radius_in(self, norm: str) -> float | None:
        """The radius in the norm that it was run at; None where each change counts with a size of its own."""
        return self.radius if self.kind == "fixed" and self.norm == spelled(norm) else None
