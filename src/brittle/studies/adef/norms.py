"""How long the deformations are that ADef finds, those that count as a success and those that do not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brittle.metrics import mean, proportion, quantile
from brittle.metrics.estimate import Floats
from brittle.studies.adef.deformations import (
    DEVIATIONS,
    DIGITS,
    FEW,
    GIVEN,
    NETWORKS,
    RADIUS,
    DeformationWork,
    scales,
    subjects,
)
from brittle.studies.bench.drawing import Curves
from brittle.studies.bench.published import published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Setting, Study
from brittle.studies.bench.work import Work

BINS = 30
"""Of the histogram, up to twice the radius."""
COLUMNS = (
    Column("images", "images", "number", "T-norm in pixels"),
    Column("mean", "mean", "ratio", "T-norm in pixels"),
    Column("median", "median", "ratio", "T-norm in pixels"),
    Column("ninety", "90 % are below", "ratio", "T-norm in pixels"),
    Column("within", "at most 3", "percent", "What became of the images"),
    Column("beyond", "longer", "percent", "What became of the images"),
    Column("none", "never across", "percent", "What became of the images"),
)
NOTES = (
    "ADef without a radius, at most 100 iterations: every image goes on until its class changes. A field of more than "
    "3 pixels counts as no success in the paper; the histogram shows them as a line of their own, and all beyond 6 in "
    "its last place. The paper shows these histograms as a figure, without numbers, so that none stand "
    "beside.",
    DEVIATIONS,
    NETWORKS,
    scales(FEW),
    INTERVALS,
)


@dataclass(frozen=True)
class Norms(Work):
    """The sizes of what ADef finds without a radius."""

    deforming: DeformationWork
    name = "T-norms"

    def measure(self) -> Measured:
        """Attack what is right, and count."""
        subject = self.deforming.subject
        row = subject.origin.row
        found = self.deforming.attacked(row)
        size, n = found.size, len(found.size)
        across = size[np.isfinite(size)]
        values = {
            "images": f"{n:,}",
            "within": proportion(int(found.success.sum()), n),
            "beyond": proportion(len(across) - int(found.success.sum()), n),
            "none": proportion(n - len(across), n),
        }
        if len(across):
            values |= {
                "mean": mean(across),
                "median": quantile(across, 0.5),
                "ninety": quantile(across, 0.9),
            }
        return Measured(values, remark=subject.story(), figures=(_histogram(row, across),))


def _histogram(row: str, size: Floats) -> Curves:
    edges = np.linspace(0, 2 * RADIUS, BINS + 1)
    counts, _ = np.histogram(np.minimum(size, edges[-1]), edges)
    middles, inside = (edges[:-1] + edges[1:]) / 2, edges[1:] <= RADIUS + 1e-9
    return Curves(
        f"T-norms on {row}",
        f"How many of the {len(size):,} images that were broken have a deformation of about this length.",
        "T-norm, pixels",
        "images",
        {
            "at most 3 pixels: a success": (middles[inside].tolist(), counts[inside].tolist()),
            "longer": (middles[~inside].tolist(), counts[~inside].tolist()),
        },
    )


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each network."""
    every = subjects(setting, FEW).items()
    works = [(row, Norms(DeformationWork(subject, radius=np.inf))) for row, subject in every]
    return [Cell(row, work.name, work.measure, work.identity) for row, work in works]


ADEF_NORMS = Study(
    name="adef-norms",
    title="How long the deformations are that break an image",
    source=published()["adef"].source + ", figures of the T-norms",
    cells=cells,
    rows=tuple(map(Row, (DIGITS, *GIVEN))),
    columns=COLUMNS,
    published=lambda row, column: None,
    notes=NOTES,
    orders=(
        Order(
            "Almost every digit is broken by a field of at most 3 pixels",
            ((DIGITS, "none"), (DIGITS, "beyond"), (DIGITS, "within")),
        ),
        Order("Photographs need shorter fields than digits", (("SqueezeNet 1.0", "median"), (DIGITS, "median"))),
    ),
    minutes={"small": 4},
)
