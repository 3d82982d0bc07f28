"""The universal paper's table of networks: a perturbation made for one network, tried on the others."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from brittle.errors import BrittleError, InputError
from brittle.metrics import Estimate, mean, proportion
from brittle.studies.bench.drawing import HeatMap
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Scale, Setting, Study
from brittle.studies.shared.photographs import FAST, HALVES, LINF, NOISE, Photographs
from brittle.studies.shared.views import (
    FETCHED,
    GIVEN,
    MOBILENET_128,
    MOBILENET_160,
    MOBILENET_192,
    MOBILENET_V2,
    SQUEEZENET,
    STAND_INS,
    View,
)
from brittle.studies.uap.sizes import shared_perturbation, taken
from brittle.threats import Lp
from brittle.universal_attacks.activation_ascent import ActivationAscent
from brittle.universal_attacks.search import UniversalAttack

TABLE = "uap_cross_model"
VIEWS = (*GIVEN, *FETCHED)
NOISE_ROW = "Noise of equal norm"
FREE = "{}, without images"
"""The row of a network's perturbation that no image has a part in."""
WITHOUT_IMAGES: Mapping[Scale, ActivationAscent] = {
    "small": ActivationAscent(passes=5, steps=20),
    "full": ActivationAscent(),
    "paper": ActivationAscent(),
}
"""How such a perturbation is made."""
OTHERS = "others"
"""The column of the mean over all networks but the own one."""
ONLY_PUBLISHED = ("VGG-F", "CaffeNet")
THREAT: Lp = LINF
_SHEET = "Fooling rate on the column's network"
NOTES = (
    f"Made for the row's network from its X by {FAST!r} in the maximum norm, 10/255, and added to the held-out images "
    "of the column's network. The held-out images are the same photographs for all networks, as far as the small "
    "scale takes as many; each network sees them at its own size. The mean over the others is of the photographs that "
    "all of them have.",
    f"Without images: {WITHOUT_IMAGES['full']!r}, at the small scale {WITHOUT_IMAGES['small']!r}; nobody has published "
    "a table of it.",
    "A network of another input size gets the perturbation resampled bilinearly to that size, which leaves no value "
    "beyond 10/255 and smooths it: part of what is lost between networks of different sizes is lost by that. "
    "Networks of the paper all see 224 x 224.",
    STAND_INS,
    HALVES,
    NOISE,
    INTERVALS,
)


class Matrix:
    """The networks together: each perturbation and each cell of the matrix is made once.

    Args:
        setting: what the user chose.
        views: the networks.
    """

    def __init__(self, setting: Setting, views: Sequence[View]):
        self.networks = {view.row: taken(view, setting) for view in views}
        self.scale: Scale = setting.scale
        self._hits: dict[str, Mapping[str, np.ndarray]] = {}

    def identity(self, row: str) -> Mapping[str, object]:
        """Everything that determines a row: networks that cannot be had leave their column empty.

        Raises:
            BrittleError: the row's own network cannot be had.
        """
        name, free = self._own(row)
        about = {"method": repr(self._method(free)), "threat": repr(THREAT), "columns": self._others()}
        own = {} if row == NOISE_ROW else self.networks[name].identity()
        return {**own, **about}

    def _own(self, row: str) -> tuple[str, bool]:
        """Return the network that a row's perturbation was made for, and whether without images."""
        free = {FREE.format(name): name for name in self.networks}
        return free.get(row, row), row in free

    def _method(self, free: bool) -> UniversalAttack:
        return WITHOUT_IMAGES[self.scale] if free else FAST

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

    def hits(self, row: str) -> Mapping[str, np.ndarray]:
        """Return which held-out images a row's perturbation fools, by the column's network."""
        if row not in self._hits:
            self._hits[row] = {name: self._fooled(row, name) for name in self._others()}
        return self._hits[row]

    def _fooled(self, row: str, column: str) -> np.ndarray:
        photographs = self.networks[column]
        return photographs.held_out.fooled(self._change(row, photographs)).numpy()

    def rates(self, row: str) -> dict[str, Estimate]:
        """Return the fooling rates of a row by the column's network, and their mean over the others."""
        hits = self.hits(row)
        rates = {name: proportion(int(some.sum()), len(some)) for name, some in hits.items()}
        others = [some for name, some in hits.items() if name != self._own(row)[0]]
        common = min(map(len, others), default=0)
        if common:
            rates[OTHERS] = mean(np.mean([some[:common] for some in others], axis=0), bounds=(0, 1))
        return rates

    def _change(self, row: str, photographs: Photographs) -> Tensor:
        """Return the row's perturbation at the size of a network."""
        if row == NOISE_ROW:
            return photographs.noise(THREAT)
        _, height, width = photographs.shape
        name, free = self._own(row)
        if free:
            found = self.networks[name].found(self._method(free), THREAT)
        else:
            found = shared_perturbation(self.networks[name], THREAT)
        return found.resampled(height, width).tensor

    def measure(self, row: str) -> Measured:
        """Try a row's perturbation on all networks."""
        remark = "" if row == NOISE_ROW else self.networks[self._own(row)[0]].story()
        return Measured(self.rates(row), remark=remark)

    def heat_map(self) -> Measured:
        """Lay all rows beside each other."""
        names = tuple(self._others())
        rows = (*names, *map(FREE.format, names), NOISE_ROW)
        values = [[self.rates(row)[name].value for name in names] for row in rows]
        own = [name for number, name in enumerate(names) if values[number][number] < max(values[number])]
        said = (
            "Each perturbation fools its own network most."
            if not own
            else f"Another network is fooled more than the own one by the perturbation of {', '.join(own)}."
        )
        caption = f"Fraction of held-out images fooled; the diagonal is the network that it was made for. {said}"
        figure = HeatMap("Fooling rate by network", caption, rows, names, values, "percent", "made for", "tried on")
        return Measured(figures=(figure,))


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: a row for each network, noise, and the drawing of all."""
    matrix = Matrix(setting, GIVEN if setting.scale != "paper" else VIEWS)

    def row_of(name: str) -> Cell:
        return Cell(name, "rates", lambda: matrix.measure(name), lambda: matrix.identity(name))

    free = [FREE.format(name) for name in matrix.networks]
    drawing = Cell(NOISE_ROW, "heat map", matrix.heat_map, lambda: matrix.identity(NOISE_ROW))
    return [*(row_of(name) for name in (*matrix.networks, *free, NOISE_ROW)), drawing]


def _published(row: str, column: str) -> Figure:
    table = published()[TABLE]
    return table.figure(row, column) if column in table.columns else None


ORDERS = (
    *(
        Order(
            f"A perturbation made for {view.row} fools it more than the other networks, and these more than noise",
            ((NOISE_ROW, OTHERS), (view.row, OTHERS), (view.row, view.row)),
        )
        for view in GIVEN
    ),
    Order(
        "Perturbations made for the plain stacks fool the other networks more, that for the residual one less than "
        "those for the fast networks (means of ResNet-152, CaffeNet, VGG-F, VGG-19 and VGG-16 over the others)",
        tuple((v.row, OTHERS) for v in (MOBILENET_V2, SQUEEZENET, MOBILENET_128, MOBILENET_192, MOBILENET_160)),
    ),
)
UAP_CROSS_MODEL = Study(
    name="uap-cross-model",
    title="Whether a universal perturbation made for one network fools others",
    source=published()[TABLE].source + ", table 2",
    cells=cells,
    rows=(
        *(view.as_row() for view in VIEWS),
        *(Row(FREE.format(view.row)) for view in GIVEN),
        *(Row(name, "Published figures only.") for name in ONLY_PUBLISHED),
        Row(NOISE_ROW),
    ),
    columns=(
        *(view.as_column(_SHEET) for view in VIEWS),
        *(Column(name, name, "percent", _SHEET, False) for name in ONLY_PUBLISHED),
        Column(OTHERS, "mean of the others", "percent", "All others together"),
    ),
    published=_published,
    notes=NOTES,
    of="Made for",
    orders=ORDERS,
    minutes={"small": 3},
)
