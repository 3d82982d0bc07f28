"""ADef and PGD against networks trained on the one and on the other."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import torch

from brittle.attacks.adef import ADef
from brittle.attacks.pgd import PGD
from brittle.core.run import run
from brittle.metrics import proportion
from brittle.studies.adef.deformations import AS_PUBLISHED, DEVIATIONS, RADIUS, DeformationWork
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Row, Setting, Study, sized
from brittle.studies.shared.hardened import HardenedBenchmark
from brittle.studies.shared.subject import NetworkSource
from brittle.threats import Flow, Lp
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
    INTERVALS,
)


def hardened(row: str, setting: Setting) -> HardenedBenchmark:
    """Return the network of a row."""
    name, kind = row.removesuffix(")").split(" (")
    size = sized(SIZES, setting.scale)
    attack = AdversarialTraining(ADef(), Flow(RADIUS), warmup=size.warmup)
    if kind == "PGD":
        attack = AdversarialTraining(
            PGD(steps=size.steps, step_size=size.step_size), Lp("inf", EPS), warmup=size.warmup
        )
    architecture = _ARCHITECTURES[name] + size.suffix
    origin = NetworkSource(row, "mnist/test.parquet", (), architecture, "mnist/train.parquet", images=TEST)
    settings = replace(size.settings, seed=setting.seed)
    return HardenedBenchmark(
        origin, setting, attack, settings, size.images, f"brittle study {ADEF_ADVERSARIAL_TRAINING.name}"
    )


@dataclass(frozen=True)
class Attacked:
    """Accuracy, and both attacks."""

    subject: HardenedBenchmark
    name = "PGD and ADef"

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        both = {"adef": self.published.identity(), "ours": DeformationWork(self.subject).identity()}
        return {**self.subject.identity(), "pgd": asdict(JUDGE), **both}

    @property
    def published(self) -> DeformationWork:
        """ADef with the published step."""
        return DeformationWork(self.subject, AS_PUBLISHED)

    def measure(self) -> Measured:
        """Train the network, and attack what it gets right."""
        row, broken = self.subject.origin.row, 0
        found, published = DeformationWork(self.subject).attacked(row), self.published.attacked(f"{row}, as published")
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
        values |= {"accuracy": proportion(right, found.images), "pgd": proportion(broken, right)}
        return Measured(values, remark=self.subject.story(), figures=found.pictures)


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each network."""
    works = [Attacked(hardened(row, setting)) for row in ROWS]
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
