"""The universal paper's table of networks: a perturbation made for one network, tried on the others."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from brittle.errors import BrittleError, InputError
from brittle.metrics import Estimate
from brittle.studies.bench.drawing import HeatMap
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import Cell, Column, Measured, Row, Setting, Study
from brittle.studies.shared.photographs import FAST, HALVES, LINF, NOISE, Photographs, fooled
from brittle.studies.shared.views import (
    FETCHED,
    MOBILENET_128,
    MOBILENET_160,
    MOBILENET_192,
    MOBILENET_V2,
    SQUEEZENET,
    View,
)
from brittle.threats import Lp
from brittle.universal.perturbation import Perturbation

TABLE = "uap_cross_model"
FOUR = (MOBILENET_V2, MOBILENET_192, MOBILENET_160, MOBILENET_128)
"""The networks of the small scale."""
VIEWS = (*FOUR, SQUEEZENET, *FETCHED)
NOISE_ROW = "Noise of equal norm"
ONLY_PUBLISHED = ("VGG-F", "CaffeNet")
THREAT: Lp = LINF
NOTES = (
    f"Made for the row's network from its X by {FAST!r} in the maximum norm, 10/255, and added to the held-out images "
    "of the column's network. The held-out images are the same photographs for all networks, as far as the small "
    "scale takes as many; each network sees them at its own size.",
    "A network of another input size gets the perturbation resampled bilinearly to that size, which leaves no value "
    "beyond 10/255 and smooths it: part of what is lost between networks of different sizes is lost by that. "
    "Networks of the paper all see 224 x 224.",
    HALVES,
    NOISE,
)


class Matrix:
    """The networks together: each perturbation and each cell of the matrix is made once.

    Args:
        setting: what the user chose.
        views: the networks.
    """

    def __init__(self, setting: Setting, views: Sequence[View]):
        self.networks = {view.row: Photographs(view, setting) for view in views}
        self._rates: dict[str, Mapping[str, Estimate]] = {}

    def identity(self, row: str) -> Mapping[str, object]:
        """Everything that determines a row: networks that cannot be had leave their column empty.

        Raises:
            BrittleError: the row's own network cannot be had.
        """
        about = {"method": repr(FAST), "threat": repr(THREAT), "columns": self._others()}
        own = {} if row == NOISE_ROW else self.networks[row].identity()
        return {**own, **about}

    def _others(self) -> Mapping[str, object]:
        """The identities of the networks that can be had."""
        found: dict[str, object] = {}
        for name, photographs in self.networks.items():
            try:
                found[name] = photographs.identity()
            except BrittleError:
                continue
        if not found:
            raise InputError("there is no network to try a perturbation on; see the rows above")
        return found

    def rates(self, row: str) -> Mapping[str, Estimate]:
        """Return the fooling rates of a row by the column's network."""
        if row not in self._rates:
            self._rates[row] = {name: self._rate(row, name) for name in self._others()}
        return self._rates[row]

    def _rate(self, row: str, column: str) -> Estimate:
        photographs = self.networks[column]
        return fooled(photographs.held_out, self._change(row, photographs))

    def _change(self, row: str, photographs: Photographs) -> Tensor:
        """Return the row's perturbation at the size of a network."""
        if row == NOISE_ROW:
            return photographs.noise(THREAT)
        _, height, width = photographs.shape
        found: Perturbation = self.networks[row].found(FAST, THREAT)
        return found.resampled(height, width).tensor

    def measure(self, row: str) -> Measured:
        """Try a row's perturbation on all networks."""
        remark = "" if row == NOISE_ROW else self.networks[row].story()
        return Measured(self.rates(row), remark=remark)

    def heat_map(self) -> Measured:
        """Lay all rows beside each other."""
        names = tuple(self._others())
        values = [[self.rates(row)[name].value for name in names] for row in (*names, NOISE_ROW)]
        own = [name for number, name in enumerate(names) if values[number][number] < max(values[number])]
        said = (
            "Each perturbation fools its own network most."
            if not own
            else f"Another network is fooled more than the own one by the perturbation of {', '.join(own)}."
        )
        caption = f"Fraction of held-out images fooled; the diagonal is the network that it was made for. {said}"
        figure = HeatMap(
            "Fooling rate by network", caption, (*names, NOISE_ROW), names, values, "percent", "made for", "tried on"
        )
        return Measured(figures=(figure,))


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: a row for each network, noise, and the drawing of all."""
    matrix = Matrix(setting, FOUR if setting.scale != "paper" else VIEWS)

    def row_of(name: str) -> Cell:
        return Cell(name, "rates", lambda: matrix.measure(name), lambda: matrix.identity(name))

    drawing = Cell(NOISE_ROW, "heat map", matrix.heat_map, lambda: matrix.identity(NOISE_ROW))
    return [*(row_of(name) for name in (*matrix.networks, NOISE_ROW)), drawing]


def _published(row: str, column: str) -> Figure:
    table = published()[TABLE]
    return table.figure(row, column) if column in table.columns else None


UAP_CROSS_MODEL = Study(
    name="uap-cross-model",
    title="Whether a universal perturbation made for one network fools others",
    source=published()[TABLE].source + ", table 2",
    cells=cells,
    rows=(
        *(Row(view.row, "Not in the paper.") for view in FOUR),
        Row(SQUEEZENET.row, "Not in the paper; measured at the scale of the paper."),
        *(Row(view.row, "Measured at the scale of the paper, with weights of torchvision.") for view in FETCHED),
        *(Row(name, "Published figures only.") for name in ONLY_PUBLISHED),
        Row(NOISE_ROW),
    ),
    columns=(
        *(Column(view.row, view.row, "percent", "Fooling rate on the column's network") for view in VIEWS),
        *(Column(name, name, "percent", "Fooling rate on the column's network", False) for name in ONLY_PUBLISHED),
    ),
    published=_published,
    notes=NOTES,
    of="Made for",
)
