"""The images of an earlier `audit` or `attack`, original and adversarial, with the network that they were made for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.data import Source
from brittle.errors import RunError
from brittle.evaluation.adversarial_images import BLOCK, ImageFolder
from brittle.evaluation.class_names import match_classes
from brittle.evaluation.defended import Defended, defence_of
from brittle.evaluation.kept_words import reopened, words_of_network
from brittle.evaluation.saved_pictures import read_picture
from brittle.evaluation.subject import open_subject, opened
from brittle.maths.quantization import as_bytes, values_of
from brittle.names import restored
from brittle.runs.kinds import ATTACK, RUN
from brittle.runs.schema import pixels_in
from brittle.runs.store import RunFolder
from brittle.specs import DataSpec, ModelSpec
from brittle.words import plural


@dataclass(frozen=True)
class AttackedImage:
    """An image before and after an attack, both on the 256 levels of a file.

    Attributes:
        attack: key of the attack.
        index: position in the data.
        name: what it is called there.
        label: its class.
        original: (c, h, w) from 0 to 1.
        adversarial: likewise; None where none was found.
    """

    attack: str
    index: int
    name: str
    label: int
    original: Tensor
    adversarial: Tensor | None


@dataclass(frozen=True)
class Opened:
    """A network, asked as it is: without any channel that the attack went through.

    Attributes:
        spec: what the user wrote.
        digest: of structure and weights.
        classifier: with the defence around it, if there was one.
        eot_samples: how often it is asked about each image.
    """

    spec: str
    digest: str
    classifier: Classifier
    eot_samples: int = 1


class AuditedImages:
    """The pictures that an audit has kept, the hardest and the easiest broken images of each attack.

    Args:
        path: the run folder.
        model: in place of the words of the manifest.
        device: where to run.
    """

    def __init__(self, path: Path, model: ModelSpec, device: str | None):
        self.path, self.folder = path, RunFolder.open(path)
        self._model, self._device = model, device

    @property
    def identity(self) -> str:
        """Of the run."""
        return self.folder.manifest.identity

    @property
    def count(self) -> int:
        """How many images there are, at most."""
        return self._broken

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes; empty when unknown."""
        return [restored(name) for name in self.folder.manifest.data.classes]

    @cached_property
    def network(self) -> Opened:
        """The network of the run.

        Raises:
            RunError: another one opens by its words.
        """
        info = self.folder.manifest.network
        model = reopened(ModelSpec, words_of_network(info), self._model, self.path)
        return _opened(model, info.digest, self.path, self._device)

    @property
    def channel(self) -> str:
        """What the attack went through, "" for nothing."""
        return self.folder.manifest.network.channel

    def batches(self) -> Iterator[list[AttackedImage]]:
        """Yield the images that were kept, part by part."""
        for attack in self.folder.manifest.attacks:
            for block in self.folder.blocks(attack.key):
                rows = self.folder.part(attack.key, block, None).to_pylist()
                kept = [row for row in rows if row["original"] is not None and row["adversarial"] is not None]
                yield [
                    AttackedImage(
                        attack.key,
                        row["index"],
                        row["name"],
                        row["label"],
                        _as_in_a_file(torch.from_numpy(pixels_in(row, "original")).float()),
                        _as_in_a_file(torch.from_numpy(pixels_in(row, "adversarial")).float()),
                    )
                    for row in kept
                    if row["success"]
                ]

    def said(self, count: int) -> list[str]:
        """Say which images these are, of all that were broken."""
        if count == self._broken:
            return []
        return [
            f"an audit keeps the hardest and the easiest images of each attack as pictures: {count} of "
            f"{plural(self._broken, 'broken image')}; a rate of them is no rate of all; `attack` keeps every image"
        ]

    @cached_property
    def _broken(self) -> int:
        keys = [attack.key for attack in self.folder.manifest.attacks]
        return sum(sum(self.folder.table(key, ["success"])["success"].to_pylist()) for key in keys)


class SavedImages:
    """The images that `attack` has saved.

    Args:
        path: the folder.
        model, data: in place of the words that were kept.
        device: where to run.
    """

    def __init__(self, path: Path, model: ModelSpec, data: DataSpec, device: str | None):
        self.path, self.folder = path, ImageFolder.read(path)
        words = self.folder.about
        self._model = reopened(ModelSpec, words.get("model", {}), model, path)
        self._data = reopened(DataSpec, words.get("data", {}), data, path)
        self._device = device

    @property
    def identity(self) -> str:
        """Of the call that saved them."""
        return self.folder.id

    @property
    def count(self) -> int:
        """How many images there are, at most."""
        return len(self.folder.saved)

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes; empty when unknown."""
        return self.source.classes

    @cached_property
    def source(self) -> Source:
        """The original images."""
        subject = open_subject(replace(self._model, channel=None, defence=None, defence_data=None), self._data)
        source, _ = match_classes(subject.network.classes, subject.source, self._data.class_order)
        return source

    @cached_property
    def network(self) -> Opened:
        """The network that they were made for.

        Raises:
            RunError: another one opens by its words.
        """
        return _opened(self._model, str(self.folder.stated.get("network", "")), self.path, self._device)

    @property
    def channel(self) -> str:
        """What the attack went through, "" for nothing."""
        return str(self.folder.stated.get("channel", ""))

    def batches(self) -> Iterator[list[AttackedImage]]:
        """Yield all images, block by block.

        Raises:
            RunError: the originals are other images.
        """
        saved, done = self.folder.saved, 0
        for block in self.source.blocks(BLOCK):
            rows = saved[done : done + len(block)]
            done += len(block)
            if [row.source for row in rows] != [*block.names[: len(rows)]]:
                raise RunError(
                    f"the images that open as {self.source.spec} are not those of {self.path}: it has "
                    f"{rows[0].source!r} where they have {block.names[0]!r}; give the right ones with --data"
                )
            originals = [_as_in_a_file(one) for one in block.images]
            yield [
                AttackedImage(
                    str(self.folder.stated.get("attack", "attack")).partition("(")[0],
                    index,
                    row.source,
                    row.label,
                    original,
                    read_picture(row.path, original) if row.path is not None and row.success else None,
                )
                for row, index, original in zip(rows, block.index.tolist(), originals, strict=False)
            ]
            if done >= len(saved):
                return

    def said(self, count: int) -> list[str]:
        """Say nothing: all images are there."""
        return []


def attacked_images(run: Path, model: ModelSpec, data: DataSpec, device: str | None) -> AuditedImages | SavedImages:
    """Open the images of an earlier command.

    Args:
        run: the folder of `audit` or of `attack`.
        model: whose `spec` is in place of the words for the network that were kept there; None for these.
        data: likewise for the images.
        device: where to run; by default the CPU.

    Raises:
        RunError: it is neither, or damaged.
    """
    if (run / ATTACK).is_file():
        return SavedImages(run, model, data, device)
    if (run / RUN).is_file():
        return AuditedImages(run, model, device)
    raise RunError(
        f"{run} holds neither {RUN} nor {ATTACK}; expected the folder of `brittle attack`, or the run folder of "
        "`brittle audit`"
    )


def _opened(model: ModelSpec, digest: str, run: Path, device: str | None) -> Opened:
    network, classifier = opened(model, device)
    if digest and network.digest != digest:
        raise RunError(
            f"the network that opens as {network.spec} is not that of {run} (content {network.digest[:12]}, not "
            f"{digest[:12]}); give the right one with --model, and --weights where it has some"
        )
    if model.defence is None:
        return Opened(network.spec, network.digest, classifier)
    defended = Defended.of(defence_of(model.defence), classifier, None, naive=False)
    return Opened(network.spec, network.digest, defended.classifier, defended.met.eot_samples)


def _as_in_a_file(image: Tensor) -> Tensor:
    """Round to 8 bits, as a file and a printer do."""
    return values_of(as_bytes(image).float())
