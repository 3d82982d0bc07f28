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
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Scale, Setting, Study, sized
from brittle.studies.shared.hardened import HardenedBenchmark
from brittle.studies.shared.shipped import ShippedBenchmark
from brittle.studies.shared.subject import NetworkSource
from brittle.threats import Flow, Lp
from brittle.training.accumulated import AccumulatedTraining
from brittle.training.adversarial import AdversarialTraining
from brittle.training.precision import fastest_precision
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
        pgd: what networks are trained on in the rows of PGD.
        adef: the same in those of ADef.
        settings: of the trainings, by what they are trained on.
        images: training images, likewise; None for all.
        suffix: of the names of architectures that the study trains.
        shipped: rows whose network comes with the package.
        test: test images at this scale; that of the paper has all.
    """

    pgd: AccumulatedTraining | AdversarialTraining
    adef: AdversarialTraining
    settings: Mapping[str, PlainTraining]
    images: Mapping[str, int | None]
    suffix: str = ""
    shipped: tuple[str, ...] = ()
    test: int = 0


def _quick(epochs: int) -> PlainTraining:
    return PlainTraining(epochs, 100, "adam", 1e-3, decay=0.0, precision=fastest_precision())


_GOES_ON = AccumulatedTraining(Lp("inf", EPS), warmup=2.0)
_BENT = AdversarialTraining(ADef(steps=10), Flow(RADIUS), warmup=1.0)
_ALL_OF_IT = PlainTraining(84, 50, "adam", 1e-4, "constant", decay=0.0)
_SHIPPED = ("MNIST-A (PGD)",)
SIZES: dict[Scale, Size] = {
    "small": Size(
        _GOES_ON,
        _BENT,
        {"PGD": _quick(10), "ADef": _quick(4)},
        {"PGD": 20_000, "ADef": 10_000},
        "-quarter",
        _SHIPPED,
        200,
    ),
    "full": Size(
        _GOES_ON,
        _BENT,
        {"PGD": _quick(8), "ADef": _quick(3)},
        {"PGD": None, "ADef": 20_000},
        "",
        _SHIPPED,
        500,
    ),
    "paper": Size(
        AdversarialTraining(PGD(steps=40, step_size=0.01), Lp("inf", EPS)),
        AdversarialTraining(AS_PUBLISHED, Flow(RADIUS)),
        {"PGD": _ALL_OF_IT, "ADef": _ALL_OF_IT},
        {"PGD": None, "ADef": None},
    ),
}
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


def _epochs(kind: str) -> str:
    """Say how long networks are trained on something, and on how many images, at the scales small and full."""
    told: list[str] = []
    for scale in ("small", "full"):
        images, epochs = SIZES[scale].images[kind], SIZES[scale].settings[kind].epochs
        told.append(f"{images or 60_000:,} images and {epochs} epochs at {scale}")
    return " and ".join(told)


NOTES = (
    "Every network is trained on what an attack makes of the training images, and on nothing else: PGD within 0.3 in "
    f"the maximum norm, or ADef within {RADIUS:g} pixels. Then both attack the test images that it gets right: PGD "
    f"with {JUDGE.steps} steps of {JUDGE.step_size:g} from a random start, ADef with a T-norm of at most {RADIUS:g} "
    "pixels. Beside the published figures stands ADef as published; this software's own steps, which break more "
    "images, made the examples and stand apart.",
    "MNIST-A and MNIST-B as in the paper's published code.",
    DEVIATIONS,
    "Scales small and full: MNIST-A (PGD) is mnist-a-robust, which comes with the package, the published architecture "
    "in full; MNIST-B (PGD) is trained as that was, on attacks of one step that go on from epoch to epoch, "
    f"{_epochs('PGD')}; the networks of ADef on ADef of 10 steps, {_epochs('ADef')}. Scale small: the networks that "
    "the study trains have a quarter of the channels and units, so that compared can be the order of the rows alone; "
    f"the first {SIZES['small'].test} test images. Scale full: all networks in full, {SIZES['full'].test} test images. "
    "Scale paper: 60,000 images, 84 epochs (100,000 steps of 50 images), PGD of 40 steps and ADef as published, all "
    "test images.",
    INTERVALS,
)


def hardened(row: str, setting: Setting) -> HardenedBenchmark | ShippedBenchmark:
    """Return the network of a row."""
    name, kind = row.removesuffix(")").split(" (")
    size = sized(SIZES, setting.scale)
    shipped = row in size.shipped
    architecture = "mnist-a-robust" if shipped else _ARCHITECTURES[name] + size.suffix
    test, training_images = "mnist/test.parquet", "mnist/train.parquet"
    origin = NetworkSource(row, test, (), architecture, training_images, images=size.test, full=size.test)
    if shipped:
        return ShippedBenchmark(origin, setting)
    settings = replace(size.settings[kind], seed=setting.seed)
    training = size.pgd if kind == "PGD" else size.adef
    command = f"brittle study {ADEF_ADVERSARIAL_TRAINING.name}"
    return HardenedBenchmark(origin, setting, training, settings, size.images[kind], command)


@dataclass(frozen=True)
class Attacked:
    """Accuracy, and both attacks."""

    subject: HardenedBenchmark | ShippedBenchmark
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


def _orders(name: str) -> tuple[Order, ...]:
    pgd, adef = f"{name} (PGD)", f"{name} (ADef)"
    return (
        Order(f"{name}: trained on PGD it resists PGD, trained on ADef it does not", ((pgd, "pgd"), (adef, "pgd"))),
        Order(f"{name}: trained on PGD it resists ADef better than trained on ADef", ((pgd, "adef"), (adef, "adef"))),
        Order(f"{name}: trained on ADef, it resists ADef better than PGD", ((adef, "adef"), (adef, "pgd"))),
    )


ADEF_ADVERSARIAL_TRAINING = Study(
    name="adef-adversarial-training",
    title="Deformations and small changes against networks trained on the one and on the other",
    source=published()[TABLE].source + ", table of adversarially trained networks",
    cells=cells,
    rows=tuple(Row(row) for row in ROWS),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    orders=tuple(order for name in _ARCHITECTURES for order in _orders(name)),
)
