"""Data-free perturbations made for one network, shown to others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brittle.metrics import Estimate
from brittle.studies.bench.drawing import HeatMap
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Row, Scale, Setting, Study
from brittle.studies.gd_uap.data_free import LAYERS, NOISE, RADIUS, Short
from brittle.studies.shared.photographs import HALVES, LINF, Photographs, fooled
from brittle.studies.shared.photographs import NOISE as ABOUT_NOISE
from brittle.studies.shared.views import FETCHED, MOBILENET_128, MOBILENET_192, MOBILENET_V2, SQUEEZENET, View
from brittle.universal.perturbation import Perturbation

TABLE = "gd_uap_cross_model"
METHOD = "GD-UAP, range prior"
"""The paper's table is of this one: its diagonal has the figures of the range prior."""
SMALL = Short(iterations=200, shown=150, batch=5)
GIVEN = (MOBILENET_V2, SQUEEZENET, MOBILENET_192, MOBILENET_128)
VIEWS = (*GIVEN, *FETCHED)
ONLY_PUBLISHED = ("CaffeNet", "VGG-F")
_HERE, _THEIRS = "Fooling rate of held-out images, by network shown to", "The paper's networks"
COLUMNS = (
    *(Column(view.row, view.row, "percent", _HERE) for view in GIVEN),
    *(Column(view.row, view.row, "percent", _THEIRS) for view in FETCHED),
    *(Column(name, name, "percent", _THEIRS, measured=False) for name in ONLY_PUBLISHED),
)
NOTES = (
    f"A row's perturbation is made for the row's network by {METHOD}, and added to the held-out photographs as every "
    "column's network takes them; between networks of other input sizes it is resampled, which makes it weaker.",
    f"{LAYERS} {RADIUS}",
    SMALL.note,
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
        return SMALL.made(METHOD, self.photographs[row])

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
        method = NOISE if self.row == NOISE else repr(SMALL.method(METHOD, gallery.setting.scale))
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


GD_UAP_CROSS_MODEL = Study(
    name="gd-uap-cross-model",
    title="Data-free universal perturbations made for one network, shown to others",
    source=published()[TABLE].source,
    cells=cells,
    rows=(
        *(Row(view.row, "" if view.huge else "No published figures: not in the paper.") for view in VIEWS),
        *(Row(name, "Published figures only: no weights are at hand.") for name in ONLY_PUBLISHED),
        Row(NOISE),
    ),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    of="Made for",
)
