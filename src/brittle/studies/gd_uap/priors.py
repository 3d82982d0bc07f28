"""What a prior about the images is worth to a data-free perturbation: fooling rates by network and method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brittle.studies.bench.drawing import HeatMap
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Row, Setting, Study
from brittle.studies.gd_uap.data_free import FFF, LAYERS, METHODS, NOISE, RADIUS, Short
from brittle.studies.shared.photographs import HALVES, LINF, Photographs, fooled
from brittle.studies.shared.photographs import NOISE as ABOUT_NOISE
from brittle.studies.shared.views import FETCHED, MOBILENET_128, MOBILENET_V2, SQUEEZENET

TABLE = "gd_uap_priors"
SMALL = Short(iterations=200, shown=100, batch=5)
VIEWS = (MOBILENET_V2, SQUEEZENET, MOBILENET_128, *FETCHED)
ONLY_PUBLISHED = ("CaffeNet", "VGG-F")
_SHEET = "Fooling rate of held-out images"
_PUBLISHED = {
    NOISE: "random noise",
    FFF: "Fast Feature Fool",
    "GD-UAP, no prior": "no prior",
    "GD-UAP, range prior": "range prior",
    "GD-UAP, data prior": "data prior",
}
COLUMNS = tuple(Column(name, name, "percent", _SHEET) for name in (NOISE, *METHODS))
NOTES = (
    f"{LAYERS} {RADIUS} A search is judged on images of X; only the data prior is made from them.",
    SMALL.note,
    "The published networks have weights of Caffe; those of the same name are torchvision's, whose figures without "
    "data are known to be quite others. What may be compared is the order of the methods, and noise.",
    HALVES,
    ABOUT_NOISE,
    INTERVALS,
)


@dataclass(frozen=True)
class Fooling:
    """One method, or noise, on one network.

    Attributes:
        photographs: the network with its images.
        column: the method, a key of `METHODS`, or `NOISE`.
    """

    photographs: Photographs
    column: str

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        made = NOISE if self.column == NOISE else repr(SMALL.method(self.column, self.photographs.setting.scale))
        return {**self.photographs.identity(), "method": made, "threat": repr(LINF)}

    def measure(self) -> Measured:
        """Make the perturbation and count the held-out images that it fools."""
        photographs = self.photographs
        noise = self.column == NOISE
        perturbation = photographs.noise(LINF) if noise else SMALL.made(self.column, photographs).tensor
        return Measured({self.column: fooled(photographs.held_out, perturbation)}, remark=photographs.story())


@dataclass(frozen=True)
class Paper:
    """The paper's figures, drawn."""

    row: str = next(iter(ONLY_PUBLISHED))
    column: str = "the paper's figures"

    def identity(self) -> Mapping[str, object]:
        """The figures."""
        return {name: list(figures) for name, figures in published()[TABLE].rows.items()}

    def measure(self) -> Measured:
        """Draw them."""
        table = published()[TABLE]
        values = [
            [float(one) / 100 if isinstance(one, int | float) else None for one in figures]
            for figures in table.rows.values()
        ]
        caption = "Fooling rate of data-free perturbations on the validation images of ILSVRC, as published."
        return Measured(
            figures=(HeatMap("Published", caption, list(table.rows), table.columns, values, "percent", "network"),)
        )


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: noise and every method on every network."""
    found: list[Cell] = []
    for view in VIEWS:
        photographs = Photographs(view, setting)
        works = [Fooling(photographs, column) for column in (NOISE, *METHODS)]
        found += [Cell(view.row, work.column, work.measure, work.identity) for work in works]
    paper = Paper()
    return [*found, Cell(paper.row, paper.column, paper.measure, paper.identity)]


def _published(row: str, column: str) -> Figure:
    return published()[TABLE].figure(row, _PUBLISHED[column])


GD_UAP_PRIORS = Study(
    name="gd-uap-priors",
    title="Data-free universal perturbations, with and without a prior about the images",
    source=published()[TABLE].source,
    cells=cells,
    rows=(
        *(Row(view.row, "" if view.huge else "No published figures: not in the paper.") for view in VIEWS),
        *(Row(name, "Published figures only: no weights are at hand.") for name in ONLY_PUBLISHED),
    ),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
)
