"""The ADef paper's table: how many images a deformation of at most three pixels breaks, and in how many iterations."""

from collections.abc import Sequence
from dataclasses import dataclass

from brittle.metrics import proportion
from brittle.studies.adef.deformations import (
    AS_PUBLISHED,
    DEVIATIONS,
    DIGITS,
    GIVEN,
    NETWORKS,
    DeformationWork,
    scales,
    subjects,
)
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Setting, Study
from brittle.studies.bench.work import Work
from brittle.studies.shared.fetched import FetchedBenchmark
from brittle.studies.shared.subject import Benchmark, NetworkSource

TABLE = "adef"
_TABLE, _MORE = "As published", "This software's steps, and more"
COLUMNS = (
    Column("accuracy", "accuracy", "percent", _TABLE),
    Column("success", "ADef success", "percent", _TABLE),
    Column("iterations", "average iterations", "number", _TABLE),
    Column("images", "images", "number", _MORE),
    Column("norm", "mean T-norm of successes as published, pixels", "ratio", _MORE),
    Column("passes", "passes as published", "number", _MORE),
    Column("our success", "success", "percent", _MORE),
    Column("our iterations", "iterations", "number", _MORE),
    Column("our norm", "mean T-norm of successes, pixels", "ratio", _MORE),
    Column("our passes", "passes", "number", _MORE),
)
_PUBLISHED = {"accuracy": "accuracy", "success": "ADef success", "iterations": "average iterations"}
NOTES = (
    "Success: a deformation whose longest vector (T-norm) is at most 3 pixels changes the class, of the images that "
    "the network gets right. Iterations are the mean over all images attacked, at most 100.",
    "Beside the published figures stands ADef as published. " + DEVIATIONS,
    NETWORKS,
    "Inception-v3 and ResNet-101 are measured at the scale of the paper, with torchvision's weights, on the same "
    "photographs.",
    scales(),
    INTERVALS,
)
_PHOTOGRAPHS = "imagenet-sample/val.parquet"
FETCHED = {
    "Inception-v3": NetworkSource("Inception-v3", _PHOTOGRAPHS, ("torchvision:inception_v3",)),
    "ResNet-101": NetworkSource("ResNet-101", _PHOTOGRAPHS, ("torchvision:resnet101",)),
}
"""The paper's networks of ImageNet, as torchvision has them."""
STAND_INS = dict(zip(GIVEN, ("ResNet-101", "Inception-v3"), strict=True))
"""Which network stands for which of the paper's."""


@dataclass(frozen=True)
class Table(Work):
    """The accuracy of a network and the success of ADef, with the published step and with this software's."""

    subject: Benchmark
    name = "ADef"
    identity_fields = ("ours", "theirs")

    @property
    def ours(self) -> DeformationWork:
        """ADef with this software's step."""
        return DeformationWork(self.subject)

    @property
    def theirs(self) -> DeformationWork:
        """ADef with the published step."""
        return DeformationWork(self.subject, AS_PUBLISHED)

    def measure(self) -> Measured:
        """Attack what is right, twice."""
        row = self.subject.origin.row
        published, ours = self.theirs.attacked(f"{row}, as published"), self.ours.attacked(row).values()
        values = published.values()
        values["accuracy"] = proportion(len(published.size), published.images)
        values |= {f"our {name}": ours[name] for name in ("success", "iterations", "norm", "passes")}
        return Measured(values, remark=self.subject.story(), figures=published.pictures)


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each network."""
    fetched = [FetchedBenchmark(origin, setting) for origin in FETCHED.values()]
    works = [Table(subject) for subject in (*subjects(setting).values(), *fetched)]
    return [Cell(work.subject.origin.row, work.name, work.measure, work.identity) for work in works]


def _published(row: str, column: str) -> Figure:
    table = published()[TABLE]
    return table.figure(row, _PUBLISHED[column]) if row in table.rows and column in _PUBLISHED else None


ADEF = Study(
    name="adef",
    title="Deformations of at most three pixels: how many images they break",
    source=published()[TABLE].source + ", table 1",
    cells=cells,
    rows=(Row(DIGITS), *(Row(row, stands_for=paper) for row, paper in STAND_INS.items()), *map(Row, FETCHED)),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    orders=(
        Order(
            "Photographs take fewer iterations than digits",
            (("SqueezeNet 1.0", "iterations"), (DIGITS, "iterations")),
        ),
        Order(
            "Photographs take fewer iterations than digits on the residual network, too",
            (("MobileNet v2", "iterations"), (DIGITS, "iterations")),
        ),
    ),
    minutes={"small": 7},
)
