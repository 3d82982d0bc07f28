"""What a prior about the images is worth to a data-free perturbation: fooling rates by network and method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brittle.metrics import Estimate, jackknife, without_interval
from brittle.metrics.estimate import Floats
from brittle.studies.bench.drawing import HeatMap
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Setting, Study
from brittle.studies.gd_uap.data_free import DATA, FFF, LAYERS, METHODS, NEWER, NOISE, NONE, RADIUS, RANGE, SHORT
from brittle.studies.shared.photographs import FAST, HALVES, LINF, Photographs, fooled
from brittle.studies.shared.photographs import NOISE as ABOUT_NOISE
from brittle.studies.shared.views import (
    FETCHED,
    GIVEN,
    MOBILENET_128,
    MOBILENET_160,
    MOBILENET_192,
    MOBILENET_V2,
    SQUEEZENET,
)
from brittle.universal_attacks.perturbation import Perturbation

TABLE = "gd_uap_priors"
VIEWS = (*GIVEN, *FETCHED)
UAP = "universal perturbation (UAP)"
SHARE = "data prior, share of UAP"
GRADIENTS = {FFF: "gradients FFF", UAP: "gradients UAP"}
SECONDS = {FFF: "seconds FFF", UAP: "seconds UAP"}
_SHEET, _NEWER, _AGAINST, _COST = (
    "Fooling rate of held-out images",
    "What came later, without data",
    "With data, beside UAP",
    "What a perturbation costs to make",
)
_PUBLISHED = {
    NOISE: "random noise",
    FFF: "Fast Feature Fool",
    NONE: "no prior",
    RANGE: "range prior",
    DATA: "data prior",
}
COLUMNS = (
    *(Column(name, name, "percent", _SHEET) for name in (NOISE, *METHODS)),
    *(Column(name, name, "percent", _NEWER) for name in NEWER),
    Column(UAP, UAP, "percent", _AGAINST),
    Column(SHARE, SHARE, "ratio", _AGAINST),
    *(Column(key, f"gradients of one image, {name}", "number", _COST) for name, key in GRADIENTS.items()),
    *(Column(key, f"seconds, {name}", "seconds", _COST) for name, key in SECONDS.items()),
)
NOTES = (
    f"{LAYERS} {RADIUS} A search is judged on images of X, the authors' on 1,000 images of Pascal VOC; only the data "
    "prior, and UAP, are made from X.",
    SHORT.note,
    "TRM-UAP (Liu et al., ICCV 2023) and PSP-UAP (Lee et al., CVPR 2025) are published for others, with weights "
    "of torchvision; at the scales below the paper's they have as many steps as the others. They and our own make "
    "convolutions loud, before normalisation.",
    f"UAP is made from X by {FAST!r}, and its published figures are those of the universal paper on validation images. "
    "The share of UAP is the data prior's fooling rate divided by UAP's, published ones by published ones.",
    "What a search costs is counted in gradients by single images; those of Fast Feature Fool are by the grey image. "
    "Seconds are those on this machine when it was made, with the judging; the papers' are not known.",
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
        column: the method, a key of `METHODS` or `NEWER`, or `NOISE`.
    """

    photographs: Photographs
    column: str

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        made = NOISE if self.column == NOISE else repr(SHORT.method(self.column, self.photographs.setting.scale))
        return {**self.photographs.identity(), "method": made, "threat": repr(LINF)}

    def measure(self) -> Measured:
        """Make the perturbation and count the held-out images that it fools."""
        photographs = self.photographs
        noise = self.column == NOISE
        perturbation = photographs.noise(LINF) if noise else SHORT.made(self.column, photographs).tensor
        return Measured({self.column: fooled(photographs.held_out, perturbation)}, remark=photographs.story())


@dataclass(frozen=True)
class Against:
    """The universal perturbation that images and gradients of the outputs give, beside what the network alone gives."""

    photographs: Photographs
    column: str = UAP

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        methods = [repr(SHORT.method(name, self.photographs.setting.scale)) for name in (DATA, FFF)]
        return {**self.photographs.identity(), "methods": [*methods, repr(FAST)], "threat": repr(LINF)}

    def measure(self) -> Measured:
        """Make it, and compare what it does and costs with the data prior's and Fast Feature Fool's, which are kept."""
        photographs = self.photographs
        made = {name: SHORT.made(name, photographs) for name in (DATA, FFF)} | {UAP: photographs.found(FAST, LINF)}
        images = photographs.held_out
        hits = {name: images.fooled(made[name].tensor).double().numpy() for name in (DATA, UAP)}
        values: dict[str, Estimate | str] = {
            UAP: fooled(images, made[UAP].tensor),
            SHARE: share(hits[DATA], hits[UAP]),
        }
        for name in GRADIENTS:
            gradients, seconds = cost(made[name])
            values |= {GRADIENTS[name]: without_interval(gradients, 1), SECONDS[name]: without_interval(seconds, 1)}
        return Measured(values, remark=photographs.story())


def share(part: Floats, whole: Floats) -> Estimate | str:
    """Estimate which share one fooling rate is of another one on the same images, given which images are fooled."""
    if not whole.any():
        return "UAP fools none"

    def ratio(samples: Floats) -> Floats:
        rows = samples.astype(np.int64)
        return part[rows].mean(1) / np.maximum(whole[rows].mean(1), 0.5 / len(whole))

    return jackknife(np.arange(len(whole), dtype=np.float64), ratio)


def cost(made: Perturbation) -> tuple[float, float]:
    """Return the gradients of single images that a perturbation took, and the seconds."""
    passes = made.made["passes"]
    if not isinstance(passes, list) or not passes:
        return 0.0, 0.0
    return float(passes[-1]["backward"]), float(sum(one["seconds"] for one in passes))


@dataclass(frozen=True)
class Paper:
    """The paper's figures, drawn."""

    row: str = VIEWS[0].row
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
    """Return the pieces of work: noise, every method and UAP on every network."""
    found: list[Cell] = []
    for view in VIEWS:
        photographs = Photographs(view, setting)
        works = [*(Fooling(photographs, column) for column in (NOISE, *METHODS, *NEWER)), Against(photographs)]
        found += [Cell(view.row, work.column, work.measure, work.identity) for work in works]
    paper = Paper()
    return [*found, Cell(paper.row, paper.column, paper.measure, paper.identity)]


def _published(row: str, column: str) -> Figure:
    if column in _PUBLISHED:
        return published()[TABLE].figure(row, _PUBLISHED[column])
    universal = published()["uap_fooling"]
    uap = universal.figure("linf Val", row) if row in universal.columns else None
    data = published()[TABLE].figure(row, "data prior")
    if column == SHARE and isinstance(uap, int | float) and isinstance(data, int | float):
        return round(float(data) / float(uap), 3)
    return uap if column == UAP else None


def _orders() -> tuple[Order, ...]:
    """What the paper's table shows for the networks that others stand for."""
    found: list[Order] = []
    for view in GIVEN:
        name, row = view.stands_for, view.row
        by_prior = ((row, NOISE), (row, NONE), (row, RANGE), (row, DATA))
        found.append(
            Order(f"{name}: the more a prior knows, the more images are fooled, and noise fools least", by_prior)
        )
        if published()[TABLE].figure(name, "Fast Feature Fool") is not None:
            found.append(
                Order(f"{name}: the range prior fools more than Fast Feature Fool", ((row, FFF), (row, RANGE)))
            )
        found.append(Order(f"{name}: UAP fools more than the data prior", ((row, DATA), (row, UAP))))
    ranked = (MOBILENET_V2, MOBILENET_192, MOBILENET_160, SQUEEZENET, MOBILENET_128)
    names = " < ".join(view.stands_for for view in ranked)
    why = "SqueezeNet stands for CaffeNet in its accuracy; it is fooled less than the MobileNets v1"
    for column in (NONE, DATA):
        found.append(Order(f"{column}: {names}", tuple((view.row, column) for view in ranked), why))
    return tuple(found)


GD_UAP_PRIORS = Study(
    name="gd-uap-priors",
    title="Data-free universal perturbations, with and without a prior about the images",
    source=published()[TABLE].source,
    cells=cells,
    rows=tuple(view.as_row() for view in VIEWS),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    orders=_orders(),
    minutes={"small": 8},
)
