"""The paper's tables of photographed adversarial images: accuracies, and how many a photograph makes harmless."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from brittle.errors import InputError
from brittle.metrics import Estimate, destruction_rate, top_accuracy
from brittle.physical.photograph import Photograph
from brittle.studies.bench.drawing import Curves
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Row, Setting, Study
from brittle.studies.bench.work import Work
from brittle.studies.physical.shots import METHODS, SMALL, Shots
from brittle.studies.physical.sweep import SWEPT, Swept
from brittle.studies.shared.photographs import SAMPLE
from brittle.studies.shared.views import MOBILENET_V2, SQUEEZENET

TABLE = "destruction_rate"
RADII = (2, 4, 8, 16)
"""The paper's eps, on the scale of 0 to 255."""
VIEWS = (MOBILENET_V2, SQUEEZENET)
CHANNEL = Photograph()
"""A simulated photograph in place of the paper's printer and phone."""
CASES = ("average", "prefiltered")
TOPS = (1, 5)
NONE = "no image counts"
_DESTRUCTION, _ACCURACY = "Destruction rate", "Accuracy"
_ACCURACIES = {
    "clean_rank": "clean",
    "rank": "adversarial",
    "clean_channel_rank": "clean, photographed",
    "channel_rank": "adversarial, photographed",
}
COLUMNS = (
    *(Column(f"{case}.{top}", f"{case} case, top {top}", "percent", _DESTRUCTION) for case in CASES for top in TOPS),
    *(
        Column(f"{name}.{top}", f"{title}, top {top}", "percent", _ACCURACY)
        for name, title in _ACCURACIES.items()
        for top in TOPS
    ),
)
NOTES = (
    f"Photographs are simulated: {CHANNEL!r}, which draws anew for each image; the paper printed images and took a "
    "phone, and its network is Inception v3. An original and its adversarial images have the same random numbers.",
    f"Images of {SAMPLE}, drawn by the seed: {SMALL} for each network at the small scale, all at the scale of the "
    "paper. Adversarial images are rounded to 8 bits before they are photographed.",
    "Every method makes all its steps at the full radius, as in the paper, where the attacks of brittle otherwise stop "
    "at the first success: the goal asks for more logits than any image gives. Deviation: of the points on the way "
    "that with the largest margin is kept (of the label against the others; for the least-likely method, of the least "
    "likely class), which need not be the last one.",
    "Prefiltered: clean images that are right and adversarial ones that are wrong, both with a confidence above 80 %; "
    f"where there are none, the table says {NONE!r}.",
    INTERVALS,
)


def row_name(view: str, method: str, eps: int) -> str:
    """Return what a row is called."""
    return f"{view}, {method}, {eps}/255"


@dataclass(frozen=True)
class Shooting(Work):
    """A method at a radius, before and behind the camera."""

    shots: Shots
    method: str
    eps: int
    channel: Photograph

    @property
    def name(self) -> str:
        """What the work is called."""
        return "photographs"

    def measure(self) -> Measured:
        """Attack, photograph and ask."""
        table = self.shots.table(self.method, self.eps, self.channel)
        values: dict[str, Estimate | str] = {
            f"{case}.{top}": _or_none(partial(destruction_rate, table, top, prefiltered=case == "prefiltered"))
            for case in CASES
            for top in TOPS
        }
        values |= {f"{name}.{top}": top_accuracy(table, name, top) for name in _ACCURACIES for top in TOPS}
        return Measured(values, remark=self.shots.story())


@dataclass(frozen=True)
class Order(Work):
    """The destruction rates of all methods over the radius, beside the published ones."""

    shots: Shots
    channel: Photograph
    radii: tuple[int, ...] = RADII

    @property
    def name(self) -> str:
        """What the work is called."""
        return "order of the methods"

    def measure(self) -> Measured:
        """Draw the curves."""
        lines: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
        paper: list[str] = []
        for method in METHODS:
            tables = {eps: self.shots.table(method, eps, self.channel) for eps in self.radii}
            lines[method] = percents(tables)
            name = f"{method}, Inception v3 (paper)"
            rates = [(eps, _published(row_name("", method, eps), "average.1")) for eps in self.radii]
            known = [(eps, rate) for eps, rate in rates if isinstance(rate, int | float)]
            lines[name] = [eps for eps, _ in known], [rate for _, rate in known]
            paper.append(name)
        curve = Curves(
            f"Destruction rate by method, {self.shots.view.row}",
            "Average case, top 1. Lower: more survive. Dashed: the paper's, on paper and with another network.",
            *("eps, of 255", "destruction rate, %"),
            lines,
            paper,
        )
        return Measured(figures=(curve,))


def percents(tables: "dict[int, pa.Table]") -> tuple[list[float], list[float]]:
    """Return radii and destruction rates in percent, without those where no image counts."""
    rates = {eps: _or_none(partial(destruction_rate, table)) for eps, table in tables.items()}
    known = {eps: rate.value for eps, rate in rates.items() if isinstance(rate, Estimate)}
    return [float(eps) for eps in known], [100 * value for value in known.values()]


def _or_none(metric: Callable[[], Estimate]) -> Estimate | str:
    try:
        return metric()
    except InputError:
        return NONE


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: each method at each radius, the curves over it, and the strengths of each channel."""
    found: list[Cell] = []
    for view in VIEWS:
        shots = Shots(view, setting)
        works = {
            row_name(view.row, method, eps): Shooting(shots, method, eps, CHANNEL)
            for method in METHODS
            for eps in RADII
        }
        found += [Cell(row, work.name, work.measure, work.identity) for row, work in works.items()]
        order = Order(shots, CHANNEL)
        found.append(Cell(next(iter(works)), order.name, order.measure, order.identity))
        if view is VIEWS[0]:
            swept = [Swept(shots, name) for name in SWEPT]
            found += [Cell(next(iter(works)), work.name, work.measure, work.identity) for work in swept]
    return found


def _published(row: str, column: str) -> Figure:
    case, _, top = column.partition(".")
    if case not in CASES:
        return None
    _, method, radius = row.rsplit(", ", 2)
    return published()[TABLE].figure(f"{method} eps={radius.removesuffix('/255')}", f"{case} top-{top}")


PHYSICAL_WORLD = Study(
    name="physical-world",
    title="How many adversarial images a photograph makes harmless",
    source=published()[TABLE].source + ", tables of the destruction rate",
    cells=cells,
    rows=tuple(Row(row_name(view.row, method, eps)) for view in VIEWS for method in METHODS for eps in RADII),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    of="Network, method and radius",
)
