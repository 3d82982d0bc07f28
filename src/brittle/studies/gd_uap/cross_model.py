"""Data-free perturbations made for one network, shown to others."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from brittle.metrics import Estimate
from brittle.studies.bench.drawing import HeatMap
from brittle.studies.bench.published import Figure, Published, published
from brittle.studies.bench.study import INTERVALS, Cell, Measured, Order, Row, Scale, Setting, Study
from brittle.studies.gd_uap.data_free import LAYERS, NOISE, RADIUS, RANGE, SHORT
from brittle.studies.shared.photographs import HALVES, LINF, Photographs, fooled
from brittle.studies.shared.photographs import NOISE as ABOUT_NOISE
from brittle.studies.shared.views import FETCHED, GIVEN, MOBILENET_V2, View
from brittle.universal_attacks.perturbation import Perturbation

TABLE = "gd_uap_cross_model"
METHOD = RANGE
"""The paper's table is of this one: its diagonal has the figures of the range prior."""
VIEWS = (*GIVEN, *FETCHED)
_HERE, _THEIRS = "Fooling rate of held-out images, by network shown to", "The paper's networks"
COLUMNS = (
    *(view.as_column(_HERE) for view in GIVEN),
    *(view.as_column(_THEIRS) for view in FETCHED),
)
NOTES = (
    f"A row's perturbation is made for the row's network by {METHOD}, and added to the held-out photographs as every "
    "column's network takes them; between networks of other input sizes it is resampled, which makes it weaker.",
    f"{LAYERS} {RADIUS}",
    SHORT.note,
    "The published networks have weights of Caffe; those of the same name are torchvision's.",
    HALVES,
    ABOUT_NOISE,
    INTERVALS,
)


class Gallery:
    """All networks of the study with their photographs."""

    def __init__(self, setting: Setting):
        self.setting = setting
        self.photographs = {view.row: Photographs(view, setting) for view in VIEWS}
        self._rates: dict[tuple[str, str], Estimate] = {}

    def views(self) -> Sequence[View]:
        """Return the networks that are measured at the scale asked for."""
        return measured_at(self.setting.scale)

    def perturbation(self, row: str) -> Perturbation:
        """Make the perturbation of a network, or take the one kept in the study's folder."""
        return SHORT.made(METHOD, self.photographs[row])

    def rate(self, row: str, column: str) -> Estimate:
        """Estimate how many photographs the row's perturbation fools on the column's network."""
        if (row, column) not in self._rates:
            photographs = self.photographs[column]
            _, height, width = photographs.shape
            noise = row == NOISE
            shown = photographs.noise(LINF) if noise else self.perturbation(row).resampled(height, width).tensor
            self._rates[row, column] = fooled(photographs.held_out, shown)
        return self._rates[row, column]


def measured_at(scale: Scale) -> Sequence[View]:
    """Return the networks that are measured at a scale."""
    return [view for view in VIEWS if scale == "paper" or not view.huge]


@dataclass(frozen=True)
class Crossed:
    """A row: the perturbation of one network, or noise, shown to all."""

    gallery: Gallery
    row: str
    column: str = "cross-model"

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        gallery = self.gallery
        if self.row != NOISE:
            gallery.photographs[self.row].identity()  # a network that is missing is named by its own row
        shown = {view.row: gallery.photographs[view.row].identity() for view in gallery.views()}
        method = NOISE if self.row == NOISE else repr(SHORT.method(METHOD, gallery.setting.scale))
        return {"shown": shown, "method": method, "threat": repr(LINF)}

    def measure(self) -> Measured:
        """Make it and show it to every network."""
        values = {view.row: self.gallery.rate(self.row, view.row) for view in self.gallery.views()}
        remark = "" if self.row == NOISE else self.gallery.photographs[self.row].story()
        return Measured(values, remark=remark)


@dataclass(frozen=True)
class Drawn:
    """The matrices, measured and published."""

    gallery: Gallery
    row: str = NOISE
    column: str = "matrix"

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the drawing."""
        return {row: Crossed(self.gallery, row).identity() for row in self._rows()}

    def _rows(self) -> Sequence[str]:
        return [*(view.row for view in self.gallery.views()), NOISE]

    def measure(self) -> Measured:
        """Draw what every row gave; the perturbations are kept, and only shown again."""
        rows, columns = self._rows(), [view.row for view in self.gallery.views()]
        values = [[self.gallery.rate(row, column).value for column in columns] for row in rows]
        axes = ("made for", "shown to")
        mine = HeatMap("Measured", "Fooling rate of held-out images.", rows, columns, values, "percent", *axes)
        table = published()[TABLE]
        numbers = [[float(str(one)) / 100 for one in figures] for figures in table.rows.values()]
        caption = "Fooling rate on the validation images of ILSVRC, as published."
        theirs = HeatMap("Published", caption, list(table.rows), table.columns, numbers, "percent", *axes)
        return Measured(figures=(mine, theirs))


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: a row for each network, noise, and the matrices."""
    gallery = Gallery(setting)
    works = [*(Crossed(gallery, view.row) for view in VIEWS), Crossed(gallery, NOISE), Drawn(gallery)]
    return [Cell(work.row, work.column, work.measure, work.identity) for work in works]


def _published(row: str, column: str) -> Figure:
    table = published()[TABLE]
    return table.figure(row, column) if column in table.columns else None


def _orders() -> tuple[Order, ...]:
    """What the paper's table shows of the networks that others stand for."""
    by_paper, table = {view.stands_for: view.row for view in GIVEN}, published()[TABLE]
    found: list[Order] = []
    for name, row in by_paper.items():
        weakest, strongest = _others(table, name, by_paper)
        places = ((NOISE, row), (by_paper[weakest], row), (row, row))
        found.append(Order(f"{name}: noise fools it less than what is made for {weakest}, its own more", places))
        if name != MOBILENET_V2.stands_for:
            text = f"What is made for {name} fools no other as much as {name}; {strongest} comes next"
            found.append(Order(text, ((row, by_paper[strongest]), (row, row))))
    return tuple(found)


def _others(table: Published, name: str, among: Collection[str]) -> tuple[str, str]:
    """Name whose perturbation fools a network least, and the network that its own fools most, itself left out."""
    others = [other for other in among if other != name]
    weakest = min(others, key=lambda other: float(str(table.figure(other, name))))
    return weakest, max(others, key=lambda other: float(str(table.figure(name, other))))


GD_UAP_CROSS_MODEL = Study(
    name="gd-uap-cross-model",
    title="Data-free universal perturbations made for one network, shown to others",
    source=published()[TABLE].source,
    cells=cells,
    rows=(*(view.as_row() for view in VIEWS), Row(NOISE)),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    of="Made for",
    orders=_orders(),
    minutes={"small": 3},
)
