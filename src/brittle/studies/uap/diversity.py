"""The universal paper's diversity: how alike the perturbations are that differ in the shuffling of X alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brittle.metrics import Estimate, inner_products, largest_inner_product, mean
from brittle.studies.bench.drawing import HeatMap
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Row, Setting, Study
from brittle.studies.shared.by_network import cells_of, rows_of
from brittle.studies.shared.photographs import FAST, HALVES, LINF, NOISE, Photographs, fooled
from brittle.studies.shared.views import GIVEN, MOBILENET_128, MOBILENET_160

TABLE = "uap_facts"
SHUFFLINGS = 5
VIEWS = (MOBILENET_128, MOBILENET_160, *(view for view in GIVEN if view not in (MOBILENET_128, MOBILENET_160)))
SMALL = {MOBILENET_128.row: (100, 500), MOBILENET_160.row: (60, 100)}
"""Images of X and held-out ones at the small scale, by network; the others are measured at the scale of the paper."""
PAPERS = "GoogLeNet"
_SHEET = f"{SHUFFLINGS} perturbations"
COLUMNS = (
    Column("largest", "largest inner product", "ratio", _SHEET),
    Column("mean", "mean inner product", "ratio", _SHEET),
    Column("noise", "largest of noise", "ratio", _SHEET),
    Column("unseen", "fooling rate, held-out", "percent", _SHEET),
    Column("noise.unseen", "noise, held-out", "percent", _SHEET),
)
NOTES = (
    f"{SHUFFLINGS} perturbations made from the same X by {FAST!r} in the maximum norm, 10/255, with seeds that "
    "differ: they decide the order of the images and their crops. Inner products are of perturbations brought to "
    "length 1 in the 2-norm, the largest by absolute value; the rate is the mean over the perturbations, its "
    "interval is over images.",
    INTERVALS,
    HALVES,
    NOISE,
)


@dataclass(frozen=True)
class Shufflings:
    """Several perturbations of one network."""

    photographs: Photographs
    name = "shufflings"

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        about = {"method": repr(FAST), "threat": repr(LINF), "shufflings": SHUFFLINGS}
        return {**self.photographs.identity(), **about}

    def measure(self) -> Measured:
        """Make the perturbations and compare each with each."""
        photographs = self.photographs
        seeds = [photographs.setting.seed + number for number in range(SHUFFLINGS)]
        found = [photographs.found(FAST, LINF, seed=seed).tensor for seed in seeds]
        products = inner_products(np.stack([one.flatten().double().cpu().numpy() for one in found]))
        noise = [photographs.noise(LINF, number).flatten().double().cpu().numpy() for number in range(SHUFFLINGS)]
        hits = np.mean([photographs.held_out.fooled(one).double().numpy() for one in found], axis=0)
        others = ~np.eye(SHUFFLINGS, dtype=bool)
        values: dict[str, Estimate | str] = {
            "largest": f"{largest_inner_product(products):.3f}",
            "mean": f"{products[others].mean():.3f}",
            "noise": f"{largest_inner_product(inner_products(np.stack(noise))):.3f}",
            "unseen": mean(hits, bounds=(0, 1)),
            "noise.unseen": fooled(photographs.held_out, photographs.noise(LINF)),
        }
        return Measured(values, remark=photographs.story(), figures=(self._heat_map(products, seeds),))

    def _heat_map(self, products: np.ndarray, seeds: Sequence[int]) -> HeatMap:
        names = tuple(f"seed {seed}" for seed in seeds)
        caption = "Cosines between the perturbations: 1 is the same direction, 0 none in common."
        title = f"{self.photographs.view.row}: normalised inner products"
        return HeatMap(title, caption, names, names, products.round(4).tolist())


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each network."""
    return cells_of(Shufflings, VIEWS, SMALL, setting)


def _published(row: str, column: str) -> Figure:
    if (row, column) != (PAPERS, "largest"):
        return None
    largest = published()[TABLE].values["largest normalised inner product of two universal perturbations, at most"]
    return f"< {largest}"


UAP_DIVERSITY = Study(
    name="uap-diversity",
    title="How alike universal perturbations are that differ in the shuffling of X",
    source=published()[TABLE].source + ", the section on diversity",
    cells=cells,
    rows=(
        *rows_of(VIEWS, SMALL),
        Row(PAPERS, "Published figure only, of another solver."),
    ),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
)
