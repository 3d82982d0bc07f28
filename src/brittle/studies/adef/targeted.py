"""ADef towards the runner-up, towards any likely class, and towards a class drawn at random."""

from collections.abc import Sequence
from dataclasses import dataclass

from brittle.attacks.adef import ADef
from brittle.studies.adef.deformations import (
    ALL,
    DEVIATIONS,
    DIGITS,
    FEW,
    GIVEN,
    NETWORKS,
    DeformationWork,
    scales,
    subjects,
)
from brittle.studies.bench.published import published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Setting, Study
from brittle.studies.bench.work import Work
from brittle.studies.shared.subject import Benchmark

AIMS: dict[str, tuple[int, str]] = {
    "runner-up": (1, "none"),
    "any of the likely": (ALL, "none"),
    "random target": (1, "random"),
}
"""How many candidates are considered, and whether there is a target."""
NAMES = (DIGITS, GIVEN[0])
"""The networks that are attacked."""
COLUMNS = (
    Column("images", "images", "number", "Attack"),
    Column("success", "success", "percent", "Attack"),
    Column("norm", "mean T-norm of successes, pixels", "ratio", "Attack"),
    Column("iterations", "iterations", "number", "Cost for an image"),
    Column("passes", "passes", "number", "Cost for an image"),
)
NOTES = (
    "Runner-up: untargeted, towards the class that is second most likely for the clean image. Any of the likely: "
    "untargeted, in each step towards that of the nine most likely other classes which leaves the total field the "
    "shortest; on MNIST these are all. Random target: each image has to become a class drawn at random; success is "
    "that class alone. Success: with a T-norm of at most 3 pixels.",
    "The paper shows examples of both and no table of this kind, so that no figures stand beside.",
    DEVIATIONS,
    NETWORKS,
    scales(FEW),
    INTERVALS,
)


@dataclass(frozen=True)
class Aimed(Work):
    """ADef with an aim."""

    subject: Benchmark
    aim: str
    name = "ADef"

    @property
    def attack(self) -> DeformationWork:
        """ADef with so many candidates, or towards the target."""
        candidates, target = AIMS[self.aim]
        return DeformationWork(self.subject, ADef(candidates=candidates), target=target)

    @property
    def row(self) -> str:
        """Key of the row."""
        return _row(self.subject.origin.row, self.aim)

    def measure(self) -> Measured:
        """Attack what is right."""
        found = self.attack.attacked(self.row)
        return Measured(found.values(), remark=self.subject.story(), figures=found.pictures)


def _row(network: str, aim: str) -> str:
    return f"{network}, {aim}"


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: every aim for every network."""
    every = subjects(setting, FEW)
    works = [Aimed(every[row], aim) for row in NAMES for aim in AIMS]
    return [Cell(work.row, work.name, work.measure, work.identity) for work in works]


ADEF_TARGETED = Study(
    name="adef-targeted",
    title="Deformations towards any class and towards a given one",
    source=published()["adef"].source + ", figures of targeted deformations",
    cells=cells,
    rows=tuple(Row(_row(name, aim)) for name in NAMES for aim in AIMS),
    columns=COLUMNS,
    published=lambda row, column: None,
    notes=NOTES,
    of="Network and aim",
    orders=tuple(
        Order(
            f"A random target needs a longer field than the runner-up, and more iterations ({name})",
            ((_row(name, "runner-up"), column), (_row(name, "random target"), column)),
        )
        for name in NAMES
        for column in ("norm",)
    ),
)
