"""Data-free perturbations of networks that estimate depth, beside noise of equal norm, on scenes with exact depth."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from torch import Tensor

from brittle.metrics import DepthErrors, Estimate, jackknife, mean
from brittle.metrics.estimate import Floats
from brittle.studies.bench.drawing import Picture, encoded
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Setting, Study
from brittle.studies.gd_uap.data_free import DATA, LAYERS, METHODS, NOISE, RADIUS, RANGE, Lengths, Short
from brittle.studies.gd_uap.depth_estimates import JUDGED, TESTED, TRAINING, Estimated, World
from brittle.studies.shared.photographs import LINF
from brittle.universal_attacks.search import UniversalAttack

TABLE = "gd_uap_depth"
CLEAN, MEAN = "unchanged scenes", "mean depth of the training scenes"
SHORT = Short(Lengths(400, 100, 5, step=1.0), Lengths(4000, 1000, 10))
KINDS = {"plain": "VGG", "residual": "Resnet50"}
"""The study's networks, and the papers' encoders that they stand for."""
_PAPERS = {CLEAN: "Normal", NOISE: "Baseline", RANGE: "Range prior", DATA: "Data prior"}
DRAWN = 4
_ERRORS, _WITHIN, _HARM = "Errors, less is better", "Fraction of the pixels within a factor, more is better", "Harm"
COLUMNS = (
    Column("absolute", "abs rel", "ratio", _ERRORS),
    Column("squared", "sq rel", "ratio", _ERRORS),
    Column("rmse", "rmse", "ratio", _ERRORS),
    Column("log_rmse", "log rmse", "ratio", _ERRORS),
    Column("within1", "δ < 1.25", "percent", _WITHIN),
    Column("within2", "δ < 1.25²", "percent", _WITHIN),
    Column("within3", "δ < 1.25³", "percent", _WITHIN),
    Column("times", "abs rel, times that of unchanged scenes", "ratio", _HARM),
)


def _said(scale: str) -> str:
    training, tested = TRAINING[scale], TESTED[scale]
    size = f"{training.scenes:,} training scenes of {training.side} x {training.side} pixels"
    return f"{scale.capitalize()}: {size}, width {training.width}, {training.epochs} epochs, {tested:,} test scenes."


NOTES = (
    "Scenes of spheres and boxes on a floor before a wall are drawn by casting a ray through every pixel, so that "
    "their depth is exact; the networks, encoder-decoders of convolutions, are trained by the study on other scenes. "
    "Errors are against the true depth (Eigen et al. 2014), means over test scenes of each scene's figure. In training "
    "the pictures have faint noise, as photographs do (a standard deviation of "
    f"{TRAINING['small'].noise:g}); networks trained without any were harmed by noise as much as by the perturbations.",
    "The published figures are of Monodepth on photographs of streets (KITTI), with VGG and ResNet-50 as encoders; the "
    "plain network stands for the first, one with links around every two convolutions for the second. Depths here lie "
    "between about 1 and 10, there up to 80 metres, so that sq rel and rmse are of other sizes; what may be compared "
    "is the order.",
    f"{LAYERS} {RADIUS} The optimiser sees no depth. A search is judged on {JUDGED} training scenes by how far the "
    "logarithms of the estimated depths move, the authors' by the loss on photographs of Places.",
    SHORT.note,
    " ".join(_said(scale) for scale in TRAINING),
    INTERVALS,
)


def key_of(row: str, kind: str) -> str:
    """Name a row of the table."""
    return f"{row}, {kind}"


@dataclass(frozen=True)
class Changed:
    """Scenes as they are, with noise, or with one perturbation for all of them.

    Attributes:
        subject: the network with its scenes.
        kind: which network, a key of `KINDS`.
        what: `CLEAN`, `NOISE` or a key of `METHODS`.
        column: what the work is called.
    """

    subject: Estimated
    kind: str
    what: str
    column: str = "depth"

    @property
    def row(self) -> str:
        """The row that it fills."""
        return key_of(self.what, self.kind)

    def _method(self) -> UniversalAttack | None:
        return SHORT.method(self.what, self.subject.setting.scale) if self.what in METHODS else None

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        method = self._method()
        about = {"row": self.row, "threat": repr(LINF), **({} if method is None else asdict(method))}
        return {**self.subject.identity(), **about}

    def measure(self) -> Measured:
        """Make the perturbation and measure the estimates with it."""
        subject, method = self.subject, self._method()
        clean, noisy = subject.standards
        if method is not None:
            perturbation = subject.found(method)
            errors = subject.errors(perturbation)
        else:
            perturbation, errors = (None, clean) if self.what == CLEAN else (subject.world.noise, noisy)
        values = _values(errors)
        if self.what != CLEAN:
            values["times"] = _times(errors.absolute, clean.absolute)
        return Measured(values, figures=(self._sheet(perturbation),))

    def _sheet(self, perturbation: Tensor | None) -> Picture:
        scenes, subject = self.subject.world.tested, self.subject
        images = scenes.images[:DRAWN]
        moved = images if perturbation is None else np.clip(images + perturbation.double().cpu().numpy(), 0, 1)
        depths = [scenes.depth[:DRAWN], subject.depths(images, None), subject.depths(images, perturbation)]
        grey = [np.repeat(np.clip(1 - one / scenes.depth.max(), 0, 1)[:, None], 3, 1) for one in depths]
        columns = [images, grey[0], grey[1], moved, grey[2]]
        rows = [np.concatenate([part[row].transpose(1, 2, 0) for part in columns], 1) for row in range(DRAWN)]
        return Picture(
            f"{self.row} network",
            "For some test scenes: as it is, its true depth, the estimate, the scene as changed, the estimate then. "
            "The nearer, the lighter.",
            encoded(np.concatenate(rows, 0)),
            f"{DRAWN} scenes with true depth and estimates before and after the change.",
        )


@dataclass(frozen=True)
class Blind:
    """The mean depth of the training scenes in place of estimates, for scale: what is worse sees nothing at all."""

    world: World
    row: str = MEAN
    column: str = "depth"

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        return self.world.identity()

    def measure(self) -> Measured:
        """Measure it as an estimate."""
        return Measured(_values(self.world.mean_errors()))


def _values(errors: DepthErrors) -> dict[str, Estimate | str]:
    values: dict[str, Estimate | str] = {
        name: mean(getattr(errors, name)) for name in ("absolute", "squared", "rmse", "log_rmse")
    }
    return values | {f"within{power}": mean(errors.within[:, power - 1], bounds=(0, 1)) for power in (1, 2, 3)}


def _times(errors: Floats, clean: Floats) -> Estimate:
    """How many times the mean error of the same scenes as they are."""

    def ratio(samples: Floats) -> Floats:
        rows = samples.astype(np.int64)
        return errors[rows].mean(1) / np.maximum(clean[rows].mean(1), 1e-9)

    return jackknife(np.arange(len(errors), dtype=np.float64), ratio)


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: the mean, and for each network scenes as they are, noise, and each method."""
    world = World(setting)
    works: list[Changed | Blind] = [Blind(world)]
    for kind in KINDS:
        subject = Estimated(world, kind == "residual")
        works += [Changed(subject, kind, what) for what in (CLEAN, NOISE, *METHODS)]
    return [Cell(work.row, work.column, work.measure, work.identity) for work in works]


def _published(row: str, column: str) -> Figure:
    table = published()[TABLE]
    figure = table.figure(row, column) if column in table.columns else None
    return round(100 * figure, 1) if column.startswith("within") and isinstance(figure, float) else figure


_WHY = "noise as in training does no harm to these networks, and the data prior is no stronger than the range prior"


def _orders() -> tuple[Order, ...]:
    """What the authors' table shows."""
    found: list[Order] = []
    for kind, encoder in KINDS.items():
        rows = [key_of(what, kind) for what in (CLEAN, NOISE, RANGE, DATA)]
        for column, name in (("absolute", "abs rel"), ("rmse", "rmse")):
            text = f"{encoder}: {name} grows from unchanged images over noise and range prior to data prior"
            found.append(Order(text, tuple((row, column) for row in rows), _WHY))
        near = [rows[2], rows[3], rows[1], rows[0]]
        text = f"{encoder}: the range prior leaves the fewest pixels within 1.25 of the truth, then the data prior"
        found.append(Order(text, tuple((row, "within1") for row in near), _WHY))
    worse = ((MEAN, "absolute"), (key_of(DATA, "residual"), "absolute"))
    return (*found, Order("Resnet50: with the data prior, abs rel is worse than the mean of the training set's", worse))


def _row(what: str, kind: str) -> Row:
    paper = f"{_PAPERS[what]} {KINDS[kind]}" if what in _PAPERS else ""
    return Row(key_of(what, kind), "" if paper else "Not in the paper's table.", paper)


GD_UAP_DEPTH = Study(
    name="gd-uap-depth",
    title="Data-free perturbations of depth estimation",
    source=published()[TABLE].source + ", section 4.4",
    cells=cells,
    rows=(
        *(_row(what, kind) for kind in KINDS for what in (CLEAN, NOISE, *METHODS)),
        Row(MEAN, "Sees no image; the same for both networks.", "Train set mean"),
    ),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    of="Scenes with",
    orders=_orders(),
    minutes={"small": 3},
)
