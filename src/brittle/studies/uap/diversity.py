"""The universal paper's diversity: how alike the perturbations are that differ in the shuffling of X alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brittle.metrics import Estimate, inner_products, largest_inner_product, mean, without_interval
from brittle.studies.bench.drawing import HeatMap
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Scale, Setting, Study, sized
from brittle.studies.shared.by_network import Amounts, cells_of, rows_of
from brittle.studies.shared.photographs import FAST, HALVES, LINF, NOISE, Photographs, fooled
from brittle.studies.shared.views import GIVEN, MOBILENET_128, MOBILENET_160, MOBILENET_V2
from brittle.studies.uap.drawn import drawn
from brittle.studies.uap.sizes import shared_perturbation

TABLE = "uap_facts"
SHUFFLINGS: Mapping[Scale, int] = {"small": 3, "full": 5, "paper": 5}
"""Perturbations of a network, by scale; 5 in the paper's figure."""
VIEWS = (MOBILENET_V2, *(view for view in GIVEN if view != MOBILENET_V2))
AMOUNTS: Amounts = {
    "small": {MOBILENET_V2.row: (50, 100), MOBILENET_128.row: (200, 500)},
    "full": {view.row: (500, 500) for view in (MOBILENET_V2, MOBILENET_160, MOBILENET_128)},
}
"""Images of X and held-out ones, by scale and network."""
PAPERS = "GoogLeNet"
BESIDE = {
    MOBILENET_V2.row: (
        PAPERS,
        f"Beside {PAPERS}, the only network of the paper's figure, with which it has little in common: it is the one "
        "at hand that noise fools least.",
    )
}
_SHEET = "Perturbations of one network"
COLUMNS = (
    Column("count", "perturbations", "number", _SHEET),
    Column("largest", "largest inner product", "ratio", _SHEET),
    Column("mean", "mean inner product", "ratio", _SHEET),
    Column("noise", "largest of noise", "ratio", _SHEET),
    Column("unseen", "fooling rate, held-out", "percent", _SHEET),
    Column("noise.unseen", "noise, held-out", "percent", _SHEET),
)
NOTES = (
    f"Perturbations made from the same X by {FAST!r} in the maximum norm, 10/255, with seeds that differ: they decide "
    f"the order of the images, their crops and the faint noise at the start; {SHUFFLINGS['small']} at the small scale, "
    f"{SHUFFLINGS['full']} at the others. Inner products are of perturbations brought to length 1 in the 2-norm, the "
    "largest by absolute value; the rate is the mean over the perturbations, its interval is over images.",
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
        about = {"method": repr(FAST), "threat": repr(LINF), "shufflings": self.count}
        return {**self.photographs.identity(), **about}

    @property
    def count(self) -> int:
        """How many."""
        return sized(SHUFFLINGS, self.photographs.setting.scale)

    def measure(self) -> Measured:
        """Make the perturbations and compare each with each."""
        photographs = self.photographs
        seeds = [photographs.setting.seed + number for number in range(self.count)]
        found = [shared_perturbation(photographs, LINF, seed).tensor for seed in seeds]
        products = inner_products(np.stack([one.flatten().double().cpu().numpy() for one in found]))
        noise = [photographs.noise(LINF, number).flatten().double().cpu().numpy() for number in range(self.count)]
        hits = np.mean([photographs.held_out.fooled(one).double().numpy() for one in found], axis=0)
        others = ~np.eye(self.count, dtype=bool)
        values: dict[str, Estimate | str] = {
            "count": f"{self.count}",
            "largest": without_interval(largest_inner_product(products), self.count),
            "mean": without_interval(float(products[others].mean()), self.count),
            "noise": without_interval(largest_inner_product(inner_products(np.stack(noise))), self.count),
            "unseen": mean(hits, bounds=(0, 1)),
            "noise.unseen": fooled(photographs.held_out, photographs.noise(LINF)),
        }
        made = f"made for {photographs.view.row} from the same images in other orders"
        picture = drawn(f"{photographs.view.row}: {self.count} universal perturbations", found, made)
        return Measured(values, remark=photographs.story(), figures=(picture, self._heat_map(products, seeds)))

    def _heat_map(self, products: np.ndarray, seeds: Sequence[int]) -> HeatMap:
        names = tuple(f"seed {seed}" for seed in seeds)
        caption = "Cosines between the perturbations: 1 is the same direction, 0 none in common."
        title = f"{self.photographs.view.row}: normalised inner products"
        return HeatMap(title, caption, names, names, products.round(4).tolist())


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each network."""
    return cells_of(Shufflings, VIEWS, AMOUNTS, setting)


def _published(row: str, column: str) -> Figure:
    if (row, column) != (PAPERS, "largest"):
        return None
    largest = published()[TABLE].values["largest normalised inner product of two universal perturbations, at most"]
    return f"< {largest}"


ORDERS = (
    *(
        Order(
            f"{view.row}: all of them fool far more unseen images than noise does",
            ((view.row, "noise.unseen"), (view.row, "unseen")),
        )
        for view in (MOBILENET_V2, MOBILENET_128)
    ),
)
UAP_DIVERSITY = Study(
    name="uap-diversity",
    title="How alike universal perturbations are that differ in the shuffling of X",
    source=published()[TABLE].source + ", the section on diversity",
    cells=cells,
    rows=(
        *rows_of(VIEWS, AMOUNTS, BESIDE),
        Row(PAPERS, "Published figure only, of another solver."),
    ),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    orders=ORDERS,
)
