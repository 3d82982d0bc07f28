"""ADef and PGD against networks trained on the one and on the other."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from brittle.attacks.adef import ADef
from brittle.attacks.pgd import PGD
from brittle.core.flow import Flow
from brittle.core.run import run
from brittle.core.threat import Lp
from brittle.data import Fit, open_source
from brittle.evaluation.train import fit_and_save
from brittle.metrics import wilson
from brittle.models import ARCHITECTURES, Network, open_network
from brittle.studies.deformations import AS_PUBLISHED, DEVIATIONS, RADIUS, Deforming
from brittle.studies.published import Figure, published
from brittle.studies.study import Cell, Column, Measured, Row, Setting, Study
from brittle.studies.subject import Origin, Subject
from brittle.training.adversarial import AdversarialTraining
from brittle.training.recipe import PlainTraining

TABLE = "adef_adversarial_training"
EPS = 0.3
"""Of PGD, in the maximum norm."""
JUDGE = PGD(steps=40, step_size=0.01)
"""The PGD that the trained networks are attacked with."""


@dataclass(frozen=True)
class Size:
    """How large the study is at a scale.

    Attributes:
        images: training images; None for all.
        settings: of the training.
        steps, step_size: of the PGD that the networks are trained on.
        warmup: epochs over which the radius of the training grows.
        suffix: of the architectures' names.
    """

    images: int | None
    settings: PlainTraining
    steps: int
    step_size: float
    warmup: float
    suffix: str = ""


SIZES = {
    "small": Size(20_000, PlainTraining(5, 50, "adam", 1e-3, decay=0.0), 5, 0.1, 2.0, "-quarter"),
    "paper": Size(None, PlainTraining(84, 50, "adam", 1e-4, "constant", decay=0.0), 40, 0.01, 0.0),
}
TEST = 300
"""Test images at the small scale."""
_ARCHITECTURES = {"MNIST-A": "mnist-a", "MNIST-B": "mnist-b"}
ROWS = tuple(f"{name} ({kind})" for name in _ARCHITECTURES for kind in ("PGD", "ADef"))
COLUMNS = (
    Column("accuracy", "accuracy", "percent", "As in the paper"),
    Column("pgd", "PGD success", "percent", "As in the paper"),
    Column("adef", "ADef success", "percent", "As in the paper"),
    Column("images", "images", "number", "Beside it"),
    Column("ours", "success of this software's ADef", "percent", "Beside it"),
    Column("norm", "mean T-norm of successes, pixels", "ratio", "Beside it"),
    Column("iterations", "iterations of ADef", "number", "Beside it"),
)
_PUBLISHED = {"accuracy": "accuracy", "pgd": "PGD success", "adef": "ADef success"}
NOTES = (
    "Every network is trained on what an attack makes of the training images, and on nothing else: PGD within 0.3 in "
    f"the maximum norm, or ADef within {RADIUS:g} pixels. Then both attack the test images that it gets right: PGD "
    f"with {JUDGE.steps} steps of {JUDGE.step_size:g} from a random start, ADef with a T-norm of at most {RADIUS:g} "
    "pixels. Beside the published figures stands ADef with the published steps; this software's own, which breaks more "
    "images, made the examples and stands apart.",
    "MNIST-A and MNIST-B as in the paper's published code.",
    DEVIATIONS,
    f"Scale small: networks with a quarter of the channels and units, {SIZES['small'].images:,} training images, "
    f"{SIZES['small'].settings.epochs} epochs with a learning rate that falls to 0, PGD of {SIZES['small'].steps} "
    f"steps in training, the radius grown over the first epochs; the first {TEST} test images. The networks are "
    "therefore weaker than the paper's; what can be compared is the order of the rows. Scale paper: the networks in "
    "full, 60,000 images, 84 epochs (100,000 steps of 50 images), PGD of 40 steps, all test images.",
    "Intervals cover the truth in 95 of 100 such runs: Wilson's for rates, bootstrap over images for means.",
)


class Hardened(Subject):
    """A network that the study trains on the images of an attack.

    Args:
        row: key of the row.
        setting: what the user chose.
    """

    def __init__(self, row: str, setting: Setting):
        name, kind = row.removesuffix(")").split(" (")
        self.kind, self.size = kind, SIZES[setting.scale]
        architecture = _ARCHITECTURES[name] + self.size.suffix
        super().__init__(
            Origin(row, "mnist/test.parquet", (), architecture, "mnist/train.parquet", images=TEST), setting
        )

    @property
    def training(self) -> AdversarialTraining:
        """What the network is trained on."""
        if self.kind == "ADef":
            return AdversarialTraining(ADef(), Flow(RADIUS), warmup=self.size.warmup)
        attack = PGD(steps=self.size.steps, step_size=self.size.step_size)
        return AdversarialTraining(attack, Lp("inf", EPS), warmup=self.size.warmup)

    @property
    def settings(self) -> PlainTraining:
        """How it is trained otherwise."""
        return replace(self.size.settings, seed=self.setting.seed)

    def decisive(self) -> dict[str, object]:
        """Everything that determines the weights."""
        data = open_source(str(self.setting.data_file(self.origin.training)), limit=self.size.images)
        return {
            "architecture": self.origin.architecture,
            "adversarial": self.training.told(),
            "settings": asdict(self.settings),
            "training": data.digest(),
            "images": len(data),
            "device": self.setting.device.partition(":")[0],
        }

    def identity(self) -> dict[str, object]:
        """What determines a figure; the network is named by how it is trained, so that asking trains nothing."""
        test = open_source(str(self.setting.data_file(self.origin.test)))
        return {**self.decisive(), "data": test.digest(), "tested": TEST, "scale": self.setting.scale}

    @cached_property
    def network(self) -> Network:
        """The network, trained now unless an earlier run has done so; a killed training goes on."""
        decisive = json.dumps(self.decisive(), sort_keys=True)
        name = f"{self.origin.architecture}-{self.kind.lower()}-{hashlib.sha256(decisive.encode()).hexdigest()[:12]}"
        path = self.setting.folder / "networks" / f"{name}.safetensors"
        if not path.is_file():
            self._train(path)
        return open_network(self.origin.architecture, weights=path, device=self.setting.device)

    def _train(self, path: Path) -> None:
        design = ARCHITECTURES[self.origin.architecture]
        data = str(self.setting.data_file(self.origin.training))
        fit_and_save(
            design,
            open_source(data, fit=Fit(*design.input_shape), limit=self.size.images),
            path,
            f"brittle study {ADEF_ADVERSARIAL_TRAINING.name}",
            settings=self.settings,
            adversarial=self.training,
            device=self.setting.device,
            progress=lambda epoch: self.tell_epoch(epoch, self.settings.epochs, "attacked"),
        )

    def story(self) -> str:
        """How the network was trained, in a sentence."""
        images = "all" if self.size.images is None else f"{self.size.images:,}"
        return (
            f"Trained by the study on {images} images, {self.settings.epochs} epochs "
            f"({self.network.parameters:,} weights)."
        )


@dataclass(frozen=True)
class Attacked:
    """Accuracy, and both attacks."""

    subject: Hardened
    name = "PGD and ADef"

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        both = {"adef": self.published.identity(), "ours": Deforming(self.subject).identity()}
        return {**self.subject.identity(), "pgd": asdict(JUDGE), **both}

    @property
    def published(self) -> Deforming:
        """ADef with the published step."""
        return Deforming(self.subject, AS_PUBLISHED)

    def measure(self) -> Measured:
        """Train the network, and attack what it gets right."""
        row, broken = self.subject.origin.row, 0
        found, published = Deforming(self.subject).attacked(row), self.published.attacked(f"{row}, as published")
        for block in self.subject.blocks("PGD"):
            result = run(
                JUDGE,
                self.subject.classifier,
                block.images,
                block.labels,
                threat=Lp("inf", EPS),
                seed=self.subject.setting.seed,
                batch=self.subject.batch,
                ids=torch.as_tensor(block.index),
            )
            broken += int(result.success.sum())
        values, right = found.values(), len(found.size)
        values["ours"], values["adef"] = values.pop("success"), published.values()["success"]
        values.pop("passes")
        values |= {"accuracy": wilson(right, found.images), "pgd": wilson(broken, right)}
        return Measured(values, remark=self.subject.story(), figures=found.pictures)


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each network."""
    works = [Attacked(Hardened(row, setting)) for row in ROWS]
    return [Cell(work.subject.origin.row, work.name, work.measure, work.identity) for work in works]


def _published(row: str, column: str) -> Figure:
    return published()[TABLE].figure(row, _PUBLISHED[column]) if column in _PUBLISHED else None


ADEF_ADVERSARIAL_TRAINING = Study(
    name="adef-adversarial-training",
    title="Deformations and small changes against networks trained on the one and on the other",
    source=published()[TABLE].source + ", table of adversarially trained networks",
    cells=cells,
    rows=tuple(Row(row) for row in ROWS),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
)
