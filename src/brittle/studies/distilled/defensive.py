"""Networks distilled at several temperatures: what a gradient attack on the softmax loss sees, and what is there."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from tempfile import TemporaryDirectory

import numpy as np
import torch

from brittle.attacks.carlini_wagner_l2 import CarliniWagnerL2
from brittle.attacks.pgd import PGD
from brittle.data import Block
from brittle.defences.distillation import Distillation
from brittle.evaluation.defence import audit_defence
from brittle.maths.losses import cross_entropy
from brittle.metrics import Estimate, mean, proportion
from brittle.runs.defence import DefenceSummary
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Row, Setting, Study, sized
from brittle.studies.shared.hardened import HardenedBenchmark
from brittle.studies.shared.subject import NetworkSource
from brittle.threats import Lp
from brittle.training.recipe import PlainTraining
from brittle.types import Mask

NAME = "defensive-distillation"
TEMPERATURES = (1, 20, 100)
TEST, TRAINING = "mnist/test.parquet", "mnist/train.parquet"
THREAT = Lp("inf", 0.3)
"""As is usual on MNIST: an ordinary network has nothing left there."""
SOFTMAX, MARGIN = PGD(steps=40), PGD(steps=40, loss="margin")
"""The same attack on the loss that the network was trained on, and on the logits themselves."""


@dataclass(frozen=True)
class Size:
    """What is done at a scale.

    Attributes:
        training: images that teacher and student learn from; None for all.
        settings: of both, but for the temperature.
        images: test images of the gradient attacks; None for all.
        search: the attack that looks for the smallest changes.
        searched: test images that it is shown; None for all.
    """

    training: int | None
    settings: PlainTraining
    images: int | None
    search: CarliniWagnerL2
    searched: int | None


_TRAINING = PlainTraining(6, 100, "adam", 1e-3, decay=0.0)
SIZES = {
    "small": Size(10_000, _TRAINING, 200, CarliniWagnerL2(searches=5, steps=200), 100),
    "full": Size(None, replace(_TRAINING, epochs=20), 1000, CarliniWagnerL2(searches=9, steps=400), 200),
    "paper": Size(None, replace(_TRAINING, epochs=50), None, CarliniWagnerL2(), None),
}
_GRADIENTS, _SEARCH = f"Gradient attacks, linf {THREAT.radius:g}", "Carlini & Wagner, l2"
COLUMNS = (
    Column("clean", "clean", "percent", _GRADIENTS),
    Column("vanished", "no gradient of the softmax loss", "percent", _GRADIENTS),
    Column("naive", "PGD, softmax loss", "percent", _GRADIENTS),
    Column("adaptive", "PGD, logits / T", "percent", _GRADIENTS),
    Column("margin", "PGD, margin of logits", "percent", _GRADIENTS),
    Column("told", "checks that tell", "number", _GRADIENTS),
    Column("images", "images", "number", _GRADIENTS),
    Column("success", "success", "percent", _SEARCH),
    Column("size", "mean l2", "ratio", _SEARCH),
    Column("searched", "images", "number", _SEARCH),
)
NOTES = (
    "Teacher and student are of one architecture and trained at one temperature, the student on the teacher's softmax; "
    f"it answers at T = 1. PGD has {SOFTMAX.steps} steps and a random start: on the softmax loss of the network as it "
    "is, which is what a careless evaluation attacks; on the same loss of its logits divided by T, which changes no "
    "answer; and on the margin of the logits as they are. Figures are the accuracy that is left.",
    "No gradient: clean images where the gradient of the softmax loss is 0 in every pixel, as it is rounded. Checks "
    "that tell: those of the evaluation's health that fail or warn in the naive audit and pass in the adaptive one "
    "(`brittle audit --defence distillation`).",
    "Carlini & Wagner's attack has its loss on the logits; success is of the images that the network gets right, and "
    "any wrong class counts, where the paper leads images to given ones.",
    "Scale small: 10,000 training images, 6 epochs, 200 test images (100 for Carlini & Wagner, 5 constants of 200 "
    "steps). Scale full: all training images, 20 epochs, 1,000 test images (200, 9 constants of 400 steps). Scale "
    "paper: all images, 50 epochs, 9 constants of 1,000 steps.",
    INTERVALS,
)


def row_of(temperature: int) -> str:
    """Return the key of a row."""
    return f"T = {temperature}"


@dataclass(frozen=True)
class Attacked:
    """What is done to the network of one temperature."""

    temperature: int
    setting: Setting

    @property
    def size(self) -> Size:
        """What is done at the scale."""
        return sized(SIZES, self.setting.scale)

    def network(self, images: int | None) -> HardenedBenchmark:
        """Return the network with so many test images, to be trained when it is first asked for."""
        settings = replace(self.size.settings, temperature=float(self.temperature), seed=self.setting.seed)
        origin = NetworkSource(row_of(self.temperature), TEST, (), "lenet-mnist", TRAINING, images=images or 0)
        command = f"brittle study {NAME}"
        return HardenedBenchmark(origin, self.setting, None, settings, self.size.training, command, distilled=True)

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        attacks = {"radius": THREAT.radius, "softmax": asdict(SOFTMAX), "margin": asdict(MARGIN)}
        attacks |= {"search": asdict(self.size.search), "searched": self.size.searched}
        return {**self.network(self.size.images).identity(), **attacks, "seed": self.setting.seed}

    def gradients(self) -> Measured:
        """Audit the network naively and adaptively, and attack the margin of its logits."""
        subject = self.network(self.size.images)
        found = self._audits(subject)
        told = ", ".join(one.check for one in found.told_by) or "none"
        values: dict[str, Estimate | str] = {"clean": found.naive.clean, "images": f"{found.naive.images:,}"}
        values |= {"naive": found.naive.robust, "adaptive": found.adaptive.robust, "told": told}
        left = vanished = count = 0
        for block in subject.blocks("margin"):
            result = subject.attacked(MARGIN, block, THREAT)
            left += int(((result.clean_prediction.cpu() == block.labels) & ~result.success.cpu()).sum())
            vanished += int(_vanished(subject, block).sum())
            count += len(block)
        values |= {"margin": proportion(left, count), "vanished": proportion(vanished, count)}
        return Measured(values, remark=subject.story())

    def _audits(self, subject: HardenedBenchmark) -> DefenceSummary:
        network = subject.network  # trained before the audits are told of
        self.setting.tell(f"{subject.origin.row}: the naive audit and the adaptive one")
        with TemporaryDirectory(prefix="brittle-") as folder:
            audits = audit_defence(
                network.module,
                str(self.setting.data_file(TEST)),
                folder,
                defence=Distillation(float(self.temperature)),
                attacks=[SOFTMAX],
                eps=THREAT.radius,
                max_images=self.size.images,
                seed=self.setting.seed,
                device=self.setting.device,
            )
            return DefenceSummary.of(audits)

    def search(self) -> Measured:
        """Look for the smallest changes."""
        subject, right, sizes = self.network(self.size.searched), 0, list[float]()
        for block in subject.blocks("Carlini & Wagner"):
            found = subject.attacked(self.size.search, block, Lp(2))
            right += int((found.clean_prediction.cpu() == block.labels).sum())
            sizes += found.size[found.success].tolist()
        size = mean(np.array(sizes)) if sizes else "no success"
        return Measured({"success": proportion(len(sizes), right), "size": size, "searched": f"{right:,}"})


def _vanished(subject: HardenedBenchmark, block: Block) -> Mask:
    """Say for which images the gradient of the softmax loss is 0 in every pixel."""
    classifier = subject.classifier
    images = block.images.to(classifier.device, classifier.dtype).requires_grad_()
    loss = cross_entropy(classifier.logits(images), block.labels.to(classifier.device)).sum()
    (gradient,) = torch.autograd.grad(loss, images)
    return (gradient == 0).flatten(1).all(1)


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: for each temperature the gradient attacks and the search."""
    works = [Attacked(temperature, setting) for temperature in TEMPERATURES]
    return [
        Cell(row_of(work.temperature), name, compute, work.identity)
        for work in works
        for name, compute in (("gradients", work.gradients), ("search", work.search))
    ]


_TABLE = published()["distillation"]


def _published(row: str, column: str) -> Figure:
    """The paper says of its attacks that they succeed on distilled and other networks alike."""
    return _TABLE.values["success %"] if column == "success" else None


DEFENSIVE_DISTILLATION = Study(
    name=NAME,
    title="Distilled networks: no gradient of the softmax loss, and nothing gained",
    source=_TABLE.source,
    cells=cells,
    rows=tuple(Row(row_of(temperature)) for temperature in TEMPERATURES),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    minutes={"small": 4},
    of="LeNet (MNIST)",
)
