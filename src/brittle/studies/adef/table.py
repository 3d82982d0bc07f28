"""The ADef paper's table: how many images a deformation of at most three pixels breaks, and in how many iterations."""

from collections.abc import Sequence
from dataclasses import dataclass

from brittle.metrics import proportion
from brittle.studies.adef.deformations import (
    AS_PUBLISHED,
    DEVIATIONS,
    MORE,
    NETWORKS,
    ORIGINS,
    PHOTOGRAPHS,
    DeformationWork,
    small_scale,
)
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Row, Setting, Study
from brittle.studies.bench.work import Work
from brittle.studies.shared.subject import Benchmark

TABLE = "adef"
_GONE = "Published figures only: no weights of this network are at hand, so this version does not measure it."
_TABLE, _MORE = "As in the paper", "Beside it"
COLUMNS = (
    Column("accuracy", "accuracy", "percent", _TABLE),
    Column("success", "ADef success", "percent", _TABLE),
    Column("iterations", "average iterations", "number", _TABLE),
    Column("images", "images", "number", _MORE),
    Column("norm", "mean T-norm of successes, pixels", "ratio", _MORE),
    Column("passes", "passes", "number", _MORE),
    Column("published iterations", "iterations, as published", "number", _MORE),
    Column("published success", "success, as published", "percent", _MORE),
)
_PUBLISHED = {"accuracy": "accuracy", "success": "ADef success", "iterations": "average iterations"}
NOTES = (
    "Success: a deformation whose longest vector (T-norm) is at most 3 pixels changes the class, of the images that "
    "the network gets right. The candidate is the class that is second most likely for the clean image. Iterations are "
    "the mean over all images attacked, at most 100.",
    DEVIATIONS + " The columns as published are those of the same code without both: no nudge, steps of any length.",
    NETWORKS,
    small_scale(f"{PHOTOGRAPHS} photographs ({MORE} for SqueezeNet)"),
    INTERVALS,
)


@dataclass(frozen=True)
class Table(Work):
    """The accuracy of a network and the success of ADef, with this software's step and with the published one."""

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
        found, plain = self.ours.attacked(row), self.theirs.attacked(f"{row}, as published")
        values = found.values()
        values["accuracy"] = proportion(len(found.size), found.images)
        values["published iterations"] = plain.values()["iterations"]
        values["published success"] = plain.values()["success"]
        return Measured(values, remark=self.subject.story(), figures=found.pictures)


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each network."""
    works = [Table(Benchmark(origin, setting)) for origin in ORIGINS]
    return [Cell(work.subject.origin.row, work.name, work.measure, work.identity) for work in works]


def _published(row: str, column: str) -> Figure:
    table = published()[TABLE]
    return table.figure(row, _PUBLISHED[column]) if row in table.rows and column in _PUBLISHED else None


ADEF = Study(
    name="adef",
    title="Deformations of at most three pixels: how many images they break",
    source=published()[TABLE].source + ", table 1",
    cells=cells,
    rows=(
        Row(ORIGINS[0].row),
        Row("Inception-v3", _GONE),
        Row("ResNet-101", _GONE),
        *(Row(origin.row, "No published figures: the network is not in the paper.") for origin in ORIGINS[1:]),
    ),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
)
