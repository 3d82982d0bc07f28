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
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Setting, Study
from brittle.studies.bench.work import Work
from brittle.studies.physical.shots import IMAGES, METHODS, Shots
from brittle.studies.physical.sweep import SWEPT, Swept
from brittle.studies.shared.photographs import SAMPLE
from brittle.studies.shared.views import MOBILENET_V2, SQUEEZENET, View

TABLE, ACCURACIES = "destruction_rate", "physical_accuracy"
RADII = (2, 4, 8, 16)
"""The paper's eps, on the scale of 0 to 255."""
VIEWS = (MOBILENET_V2, SQUEEZENET)
"""The networks at hand, which stand for the paper's."""
INCEPTION = View("Inception v3", "torchvision:inception_v3")
"""The paper's, as torchvision has it, at the scale of the paper."""
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
_NAMES = {
    "clean_rank": "source clean",
    "rank": "source adversarial",
    "clean_channel_rank": "photos clean",
    "channel_rank": "photos adversarial",
}
"""What the paper's table of accuracies calls them."""
NOTES = (
    f"Photographs are simulated: {CHANNEL!r}, which draws anew for each image; the paper printed images and took a "
    "phone. An original and its adversarial images have the same random numbers.",
    "The paper's network is Inception v3, which is measured at the scale of the paper alone. MobileNet v2 and "
    "SqueezeNet 1.0 stand for it: both know ImageNet, take photographs of a similar size and have convolutions of 1 x "
    "1 and 3 x 3 side by side or one after the other; they are far smaller, and SqueezeNet is less accurate.",
    f"Images of {SAMPLE}, drawn by the seed: {IMAGES['small'][MOBILENET_V2.row]} for MobileNet v2 at the small scale, "
    f"{IMAGES['full'][MOBILENET_V2.row]} for it and {IMAGES['full'][SQUEEZENET.row]} for SqueezeNet at full, all at "
    "the scale of the paper, which took 102. Adversarial images are rounded to 8 bits before they are photographed. "
    "Single transformations are drawn at the scales full and paper.",
    "Every method makes all its steps at the full radius, as in the paper, where the attacks of brittle otherwise stop "
    "at the first success: the goal asks for more logits than any image gives. Deviation: of the points on the way "
    "that with the largest margin is kept (of the label against the others; for the least-likely method, of the least "
    "likely class), which need not be the last one.",
    "Prefiltered (section 3.2): the clean image is right, the adversarial one wrong at top 1 and top 5 alike, both "
    f"with a confidence of at least 80 %; where there are none, the table says {NONE!r}.",
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
class OverRadius(Work):
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
            name = f"{method}, {INCEPTION.row} (paper)"
            rates = [(eps, _published(row_name(INCEPTION.row, method, eps), "average.1")) for eps in self.radii]
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
    for view in (*VIEWS, INCEPTION):
        if setting.scale != "paper" and view is not INCEPTION and view.row not in IMAGES[setting.scale]:
            continue
        shots = Shots(view, setting)
        works = {
            row_name(view.row, method, eps): Shooting(shots, method, eps, CHANNEL)
            for method in METHODS
            for eps in RADII
        }
        found += [Cell(row, work.name, work.measure, work.identity) for row, work in works.items()]
        over = OverRadius(shots, CHANNEL)
        found.append(Cell(next(iter(works)), over.name, over.measure, over.identity))
        if view is VIEWS[0] and setting.scale != "small":
            swept = [Swept(shots, name) for name in SWEPT]
            found += [Cell(next(iter(works)), work.name, work.measure, work.identity) for work in swept]
    return found


def _published(row: str, column: str) -> Figure:
    view, method, radius = row.rsplit(", ", 2)
    if view != INCEPTION.row:
        return None
    kind, _, top = column.partition(".")
    line = f"{method} eps={radius.removesuffix('/255')}"
    if kind in CASES:
        return published()[TABLE].figure(line, f"{kind} top-{top}")
    return published()[ACCURACIES].figure(line, f"{_NAMES[kind]} top-{top}")


def _orders(view: str) -> tuple[Order, ...]:
    def at(method: str, eps: int, column: str = "average.1") -> tuple[str, str]:
        return row_name(view, method, eps), column

    methods = tuple(METHODS)
    return (
        *(
            Order(
                f"{view}: fast images outlive a photograph best, least-likely ones worst, at {eps}/255",
                tuple(at(method, eps) for method in methods),
            )
            for eps in RADII
        ),
        *(
            Order(f"{view}: {method} images at 16/255 outlive it better than at 2/255", (at(method, 16), at(method, 2)))
            for method in methods
        ),
        *(
            Order(
                f"{view}: {method} images at {eps}/255 are destroyed more often at top 5 than at top 1",
                (at(method, eps), at(method, eps, "average.5")),
            )
            for method in methods
            for eps in RADII[2:]
        ),
    )


def _rows() -> tuple[Row, ...]:
    attacked = [(method, eps) for method in METHODS for eps in RADII]
    found = [Row(row_name(INCEPTION.row, *one)) for one in attacked]
    for view in VIEWS:
        found += [Row(row_name(view.row, *one), stands_for=row_name(INCEPTION.row, *one)) for one in attacked]
    return tuple(found)


PHYSICAL_WORLD = Study(
    name="physical-world",
    title="How many adversarial images a photograph makes harmless",
    source=published()[TABLE].source + ", tables of accuracies and of the destruction rate",
    cells=cells,
    rows=_rows(),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    of="Network, method and radius",
    orders=_orders(MOBILENET_V2.row),
    minutes={"small": 4},
)
