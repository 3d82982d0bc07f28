"""Single units against random directions of a layer: which images they answer to most, and how alike these are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from brittle.maths.quantization import TOP, as_bytes
from brittle.metrics import Estimate, class_entropy, difference, mean, pairwise_similarity
from brittle.studies.bench.drawing import Picture, encoded
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, NotGiven, Row, Setting, Study
from brittle.studies.shared.networks import ORIGINS
from brittle.studies.shared.subject import Benchmark, NetworkSource
from brittle.studies.units.answers import answers, largest, living_units
from brittle.types import Images

TOGETHER = 8
"""Images that are looked at of each unit and direction; the paper's figures show as many in a row."""
DRAWN = 100
"""Units, directions and sets of random images; fewer units where a layer has fewer that live."""
SHOWN = 5
"""Units, and directions, of which the sheets show images."""
HEIGHT = 56
"""Pixels that larger images have on a sheet."""
ANIMALS = 398
"""The first so many classes of ImageNet are animals."""
IMAGES = {"mnist": (10_000, 10_000), "imagenet": (300, 1_000)}
"""By data set, at the small and at the full scale."""


@dataclass(frozen=True)
class Layer:
    """A layer of a network.

    Attributes:
        row: the row's name.
        origin: where the network comes from.
        name: of the layer.
        judge: the network and layer whose answers say how alike photographs are; None to compare pixels.
        coarse: whether classes are told apart as animals and others alone.
    """

    row: str
    origin: NetworkSource
    name: str
    judge: tuple[NetworkSource, str] | None = None
    coarse: bool = False


_LENET, _SQUEEZENET, _MOBILENET = (
    replace(origin, images=images, full=full)
    for origin, (images, full) in zip(
        (ORIGINS[0], ORIGINS[4], ORIGINS[5]), (IMAGES["mnist"], IMAGES["imagenet"], IMAGES["imagenet"]), strict=True
    )
)
_BY_SQUEEZENET, _BY_MOBILENET = (_SQUEEZENET, "cat_7"), (_MOBILENET, "avg_pool2d")
LAYERS = (
    Layer("LeNet (MNIST), last hidden layer", _LENET, "7"),
    Layer("LeNet (MNIST), second convolution", _LENET, "3"),
    Layer("MobileNet v2, last hidden layer", _MOBILENET, "avg_pool2d", _BY_SQUEEZENET, True),
    Layer("MobileNet v2, in the middle", _MOBILENET, "relu6_16", _BY_SQUEEZENET, True),
    Layer("SqueezeNet 1.0, last fire module", _SQUEEZENET, "cat_7", _BY_MOBILENET, True),
)
_ENTROPY, _ALIKE = (
    f"Entropy of the classes of the {TOGETHER} images, in bits",
    f"Mean cosine between the {TOGETHER} images",
)
_KINDS = {"units": "single units", "directions": "random directions", "chance": "random images"}
COLUMNS = (
    Column("images", "held-out images", "number", _ENTROPY),
    *(Column(f"entropy.{kind}", title, "ratio", _ENTROPY) for kind, title in _KINDS.items()),
    Column("entropy.difference", "units less directions", "ratio", _ENTROPY),
    *(Column(f"alike.{kind}", title, "ratio", _ALIKE) for kind, title in _KINDS.items()),
    Column("alike.difference", "units less directions", "ratio", _ALIKE),
)
NOTES = (
    f"Of a layer phi, the {TOGETHER} held-out images with the largest <phi(x), e_i> for {DRAWN} of its units, drawn at "
    "random, and those with the largest <phi(x), v> for as many random directions v, normal in every coordinate "
    "(Szegedy et al. 2014, section 3). The paper shows such images and finds a common meaning in either; here two "
    "numbers stand beside the sheets, and those of random sets of as many images.",
    "Entropy is 0 where all images are of one class, and 3 bits where all are of another. There is one photograph of "
    "each class of ImageNet in the sample, so that of photographs only animals (the first 398 classes) are told from "
    "the rest: at most 1 bit.",
    "Digits are compared by their pixels less the mean digit, photographs by what another network's layer answers, "
    "less its mean: SqueezeNet's last fire module for MobileNet, MobileNet's last hidden layer for SqueezeNet. 1 is "
    "equal up to a factor, 0 nothing in common.",
    "Of layers of planes a unit is a plane's mean over the image. Units that give all images the same answer are left "
    "out, and so are they from directions.",
    f"The paper prints no numbers of this section. Scale small: {IMAGES['imagenet'][0]} photographs; full: "
    f"{IMAGES['imagenet'][1]:,}.",
    INTERVALS + " Those of differences are Welch's. The numbers are of units and directions, not of images.",
)


class Answered(Benchmark):
    """A network with what its layers give for its images."""

    @cached_property
    def kept(self) -> tuple[Tensor, Tensor]:
        """The images as uint8, and their labels."""
        blocks = list(self.source.blocks(self.batch))
        pixels = [torch.from_numpy(as_bytes(block.images.numpy())) for block in blocks]
        return torch.cat(pixels), torch.cat([block.labels for block in blocks])

    def parts(self) -> Iterator[Images]:
        """Yield the images a batch at a time."""
        yield from (part.float() / TOP for part in self.kept[0].split(self.batch))

    def answers(self, layer: str) -> Tensor:
        """Return what a layer gives for all images, (n, d); each layer is asked once."""
        if layer not in self._answers:
            self._answers[layer] = self._asked(layer)
        return self._answers[layer]

    @cached_property
    def _answers(self) -> dict[str, Tensor]:
        return {}

    def _asked(self, layer: str) -> Tensor:
        total = len(self.source)
        tell = self.setting.tell
        told = f"{self.origin.row}, {layer}"
        return answers(self.classifier, layer, self.parts(), lambda done: tell(f"{told}: {done:,} of {total:,} images"))


@dataclass(frozen=True)
class Compared:
    """The units and directions of one layer."""

    layer: Layer
    subject: Answered
    judge: Answered | None

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        own, by = self.subject.identity(), dict[str, object]()
        if self.judge is not None and self.layer.judge is not None:
            by = {"judge": self.judge.identity(), "judge's layer": self.layer.judge[1]}
        about = {"layer": self.layer.name, "drawn": DRAWN, "together": TOGETHER}
        return {**own, **by, **about}

    def measure(self) -> Measured:
        """Find the images of each unit and direction, compare them, and draw some."""
        subject = self.subject
        pixels, labels = subject.kept
        given = subject.answers(self.layer.name)
        given = given[:, living_units(given)]
        sets = self.sets(given)
        known = labels < ANIMALS if self.layer.coarse else labels
        standing = self._standing(pixels)
        entropies = {kind: class_entropy(known[chosen].numpy()) for kind, chosen in sets.items()}
        alike = {kind: pairwise_similarity(standing[chosen].numpy()) for kind, chosen in sets.items()}
        values: dict[str, Estimate | str] = {"images": f"{len(pixels):,}"}
        for name, found in (("entropy", entropies), ("alike", alike)):
            most = 1.0 if self.layer.coarse else float(np.log2(TOGETHER))
            bounds = (0.0, most) if name == "entropy" else (-1.0, 1.0)
            values |= {f"{name}.{kind}": mean(one, bounds) for kind, one in found.items()}
            values[f"{name}.difference"] = difference(found["units"], found["directions"])
        said = f"Layer {self.layer.name}, {given.shape[1]:,} units that live. {subject.story()}"
        return Measured(values, remark=said, figures=(self._sheet(pixels, sets),))

    def sets(self, given: Tensor) -> dict[str, Tensor]:
        """Draw units, directions and random sets, and return the images of each, (m, TOGETHER)."""
        generator = torch.Generator().manual_seed(self.subject.setting.seed)
        count, width = given.shape
        units = torch.randperm(width, generator=generator)[:DRAWN]
        directions = torch.randn((DRAWN, width), generator=generator)
        chance = torch.stack([torch.randperm(count, generator=generator)[:TOGETHER] for _ in range(DRAWN)])
        return {
            "units": largest(given, torch.eye(width)[units], TOGETHER),
            "directions": largest(given, directions, TOGETHER),
            "chance": chance,
        }

    def _standing(self, pixels: Tensor) -> Tensor:
        """Return what stands for each image where images are compared, less its mean, (n, d)."""
        if self.judge is None or self.layer.judge is None:
            given = pixels.flatten(1).float()
        else:
            given = self.judge.answers(self.layer.judge[1])
        if len(given) != len(pixels):
            raise NotGiven(f"{len(given)} images have been judged and {len(pixels)} looked at; expected the same ones")
        return given - given.mean(0)

    def _sheet(self, pixels: Tensor, sets: Mapping[str, Tensor]) -> Picture:
        rows = [sets[kind][:SHOWN] for kind in ("units", "directions")]
        said = f"{SHOWN} units, below them {SHOWN} random directions, each with the images that it answers to most"
        gap = np.ones((6, TOGETHER * (_side(pixels)[1] + 2), 3))
        parts = [np.concatenate([_strip(pixels[chosen]) for chosen in some]) for some in rows]
        sheet = np.concatenate([parts[0], gap, parts[1]])
        scale = 2 if sheet.shape[1] < 400 else 1
        return Picture(
            f"{self.layer.row}: images of units and of directions",
            f"The first {said}, the largest answer on the left.",
            encoded(sheet, scale),
            f"{2 * SHOWN} rows of {TOGETHER} images: {said}.",
        )


def _side(pixels: Tensor) -> tuple[int, int]:
    height, width = pixels.shape[2:]
    shrink = max(1, height // HEIGHT)
    return height // shrink, width // shrink


def _strip(pixels: Tensor) -> np.ndarray:
    """Lay images side by side, in colour, with a white edge around each."""
    small = torch.nn.functional.interpolate(pixels.float() / TOP, _side(pixels), mode="bilinear", antialias=True)
    edged = torch.nn.functional.pad(small, (1, 1, 1, 1), value=1.0)
    line = torch.cat(list(edged.expand(-1, 3, -1, -1)), 2).permute(1, 2, 0)
    return line.clamp(0, 1).double().numpy()


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each layer."""
    subjects = {origin.row: Answered(origin, setting) for origin in (_LENET, _SQUEEZENET, _MOBILENET)}
    works = [
        Compared(layer, subjects[layer.origin.row], layer.judge and subjects[layer.judge[0].row]) for layer in LAYERS
    ]
    return [Cell(work.layer.row, "units", work.measure, work.identity) for work in works]


UNITS_AND_DIRECTIONS = Study(
    name="units-and-directions",
    title="What single units of a layer answer to, and what random directions do",
    source="C. Szegedy, W. Zaremba, I. Sutskever, J. Bruna, D. Erhan, I. Goodfellow, R. Fergus, Intriguing properties "
    "of neural networks, ICLR 2014, arXiv:1312.6199, section 3",
    cells=cells,
    rows=tuple(Row(layer.row) for layer in LAYERS),
    columns=COLUMNS,
    published=lambda row, column: None,
    notes=NOTES,
    of="Layer",
    minutes={"small": 1},
)
