"""Perturbations of a network that segments photographs, data-free ones and others, beside noise of equal norm."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import Tensor

from brittle.metrics import Estimate, jackknife, mean
from brittle.metrics.estimate import Floats, Integers
from brittle.pictures import class_colours
from brittle.studies.bench.drawing import Picture, encoded
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Setting, Study
from brittle.studies.gd_uap.data_free import DATA, FFF, LAYERS, NOISE, NONE, RADIUS, RANGE, Lengths, Short
from brittle.studies.gd_uap.segmented import (
    MOST,
    PAINTING,
    POOL,
    SOFA,
    SURE,
    Segmented,
    mean_ious,
    resampled,
)
from brittle.studies.shared.photographs import HALVES, LINF

TABLE = "gd_uap_segmentation"
PAPERS = "VGGDL_RN101"
"""The paper's network that the one at hand stands for."""
SHORT = Short(Lengths(80, 40, 2, step=1.0), Lengths(800, 200, 4))
LESS, PAINTED = "GD-UAP, data prior, less background", "all pixels a sofa's"
ROWS = (NOISE, FFF, NONE, RANGE, DATA, LESS, PAINTED)
_PUBLISHED = {
    NOISE: "baseline",
    NONE: "no prior",
    RANGE: "range prior",
    DATA: "data prior",
    LESS: "data prior, less background",
}
DRAWN = 4
"""Photographs on the sheet."""
EVERY = 3
"""Of the sheet's pixels, every third is drawn."""
_SHEETS = {"sure": f"Pixels that the network is sure of, p ≥ {SURE:g}", "all": "All pixels"}
_TRUE = "Published: mean IoU against true labels, by the paper's networks"


def _columns(which: str) -> tuple[Column, ...]:
    sheet = _SHEETS[which]
    return (
        Column(f"{which}.agreement", "pixel agreement", "percent", sheet),
        Column(f"{which}.iou", "mean IoU", "percent", sheet),
        Column(f"{which}.lost", "mean IoU lost", "percent", sheet),
        Column(f"{which}.times", "times the loss by noise", "ratio", sheet),
    )


COLUMNS = (
    *_columns("sure"),
    *_columns("all"),
    Column("sofa", "pixels taken for a sofa's", "percent", "One class for all pixels"),
    *(Column(name, name, "percent", _TRUE, measured=False) for name in published()[TABLE].rows),
)
NOTES = (
    "There are no true labels for these photographs: a pixel agrees when it has the class that the network itself "
    "gives it on the clean image, and mean IoU is against that segmentation, too. Both are of all images' pixels "
    "together; the mean is over the classes that the clean segmentations have, the background included. Mean IoU lost "
    "is what is missing to 100 %, and the last column divides it by what noise of equal norm costs.",
    "Most of these photographs hold little or nothing of the 20 classes of Pascal VOC, and what the network sees in "
    "them is then a guess that noise changes, too. The first sheet leaves pixels out to whose class it gives less than "
    f"{100 * SURE:g} % on the clean image, as is done where a network's own labels stand in for true ones; the second "
    "one counts all. The threshold was chosen with figures at hand: of 0, 0.5, 0.7 and 0.9, the loss was 1.4, 1.8, 2.5 "
    "and 4.1 times that by noise on photographs of the same sample, so that the first sheet shows what becomes of sure "
    "pixels and is no independent finding.",
    "The paper measures against true labels on Pascal VOC, with other networks. Beside the mean IoU of sure pixels "
    f"stands what {PAPERS} keeps of its own: its mean IoU divided by that of unchanged images, "
    f"{published()[TABLE].figure(PAPERS, 'original')} %. That one is DeepLab on ResNet-101; the network at hand is a "
    "DeepLab on residual blocks, too, but a far smaller one.",
    f"Less background: of {POOL['small']} images of the half of X ({POOL['full']} at full) as many as X has, those of "
    "which the network takes the least for background.",
    f"All pixels a sofa's: the universal target of Metzen et al., ICCV 2017, from X by {PAINTING!r} on the mean lead "
    "of the class over the others, cut off where it is safe.",
    LAYERS
    + " "
    + RADIUS
    + " The optimiser sees no label and no class. Photographs are enlarged to 513 pixels and cropped.",
    HALVES,
    SHORT.note
    + " "
    + "; ".join(f"{scale}: {most[0]} images in X, {most[1]} held out" for scale, most in MOST.items())
    + ".",
    INTERVALS,
)


@dataclass(frozen=True)
class Perturbed:
    """One perturbation for all photographs.

    Attributes:
        subject: the network with its photographs.
        row: which, one of `ROWS`.
        column: what the work is called.
    """

    subject: Segmented
    row: str
    column: str = "segmentation"

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        return {**self.subject.photographs.identity(), **self._how(), "threat": repr(LINF), "sure": SURE}

    def _how(self) -> Mapping[str, object]:
        if self.row == NOISE:
            return {"method": NOISE}
        if self.row == PAINTED:
            return {"method": repr(PAINTING), "class": SOFA}
        pool = POOL if self.row == LESS else None
        return {"method": self.row, **asdict(self._method), "pool": pool}

    @property
    def _method(self):
        return SHORT.method(DATA if self.row == LESS else self.row, self.subject.photographs.setting.scale)

    def _perturbation(self) -> Tensor:
        subject = self.subject
        if self.row == NOISE:
            return subject.photographs.noise(LINF)
        if self.row == PAINTED:
            return subject.painted()
        images = subject.less_background if self.row == LESS else None
        return subject.photographs.found(self._method, LINF, images, judge=subject.changed).tensor

    def measure(self) -> Measured:
        """Make the perturbation and segment the held-out photographs with it."""
        photographs, perturbation = self.subject.photographs, self._perturbation()
        noise = self.row == NOISE
        moved = self.subject.noisy if noise else self.subject.moved(perturbation)
        counts = self.subject.noise if noise else self.subject.confusions(moved)
        values: dict[str, Estimate | str] = {}
        for which in _SHEETS:
            values |= _values(which, counts[which], self.subject.noise[which])
        values["sofa"] = mean(np.array([(labels == SOFA).mean() for labels in moved]), bounds=(0, 1))
        return Measured(
            values,
            remark=photographs.story(),
            figures=(self._sheet(perturbation, moved),),
        )

    def _sheet(self, perturbation: Tensor, segmentations: list[Integers]) -> Picture:
        images, bounds = self.subject.photographs.held_out, self.subject.photographs.classifier.bounds
        order = sorted(range(len(images)), key=lambda row: -len(np.unique(self.subject.clean[row][1])))
        rows: list[Floats] = []
        for row in sorted(order[:DRAWN]):
            image = images.at(torch.tensor([row]))
            moved = bounds.clamp(image + perturbation)
            parts = [
                _pixels(image),
                class_colours(self.subject.clean[row][1]),
                _pixels(moved),
                class_colours(segmentations[row]),
            ]
            rows.append(np.concatenate([part[::EVERY, ::EVERY] for part in parts], 1))
        return Picture(
            f"{self.row}: segmentations",
            "For some photographs: as it is, its segmentation, with the perturbation, its segmentation then. Colours "
            "are those of Pascal VOC; black is background, green a sofa.",
            encoded(np.concatenate(rows, 0)),
            f"{len(rows)} photographs with their segmentations before and after the perturbation.",
        )


def _pixels(image: Tensor) -> Floats:
    return image[0].permute(1, 2, 0).double().cpu().numpy()


def _values(which: str, counts: Integers, noise: Integers) -> dict[str, Estimate | str]:
    """The table's figures; intervals over images, for the last column of both measurements together."""
    rows = np.arange(len(counts), dtype=np.float64)

    def iou(samples: Floats, of: Integers = counts) -> Floats:
        return mean_ious(resampled(of, samples))

    def agreeing(samples: Floats) -> Floats:
        whole = resampled(counts, samples)
        return np.trace(whole, axis1=1, axis2=2) / np.maximum(whole.sum((1, 2)), 1)

    def times(samples: Floats) -> Floats:
        return (1 - iou(samples)) / np.maximum(1 - iou(samples, noise), 1e-9)

    return {
        f"{which}.agreement": _fraction(jackknife(rows, agreeing)),
        f"{which}.iou": _fraction(jackknife(rows, iou)),
        f"{which}.lost": _fraction(jackknife(rows, lambda samples: 1 - iou(samples))),
        f"{which}.times": jackknife(rows, times),
    }


def _fraction(estimate: Estimate) -> Estimate:
    """Leave out of an interval what no fraction can be."""
    if not estimate.has_interval:
        return estimate
    return replace(estimate, low=max(0.0, estimate.low), high=min(1.0, estimate.high))


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: noise, and each method."""
    subject = Segmented(setting)
    works = [Perturbed(subject, row) for row in ROWS]
    return [Cell(work.row, work.column, work.measure, work.identity) for work in works]


def _published(row: str, column: str) -> Figure:
    table = published()[TABLE]
    if row not in _PUBLISHED:
        return None
    if column in table.rows:
        return table.figure(column, _PUBLISHED[row])
    if column != "sure.iou":
        return None
    left, original = (float(str(table.figure(PAPERS, name))) for name in (_PUBLISHED[row], "original"))
    return round(100 * left / original, 1)


def _order(text: str, *rows: str) -> Order:
    return Order(text, tuple((row, "sure.iou") for row in rows))


GD_UAP_SEGMENTATION = Study(
    name="gd-uap-segmentation",
    title="Data-free perturbations of semantic segmentation",
    source=published()[TABLE].source + ", section 4.3",
    cells=cells,
    rows=tuple(Row(row, "" if row in _PUBLISHED else "Not in the paper's table.") for row in ROWS),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    of="Perturbation",
    orders=(
        _order(f"{PAPERS}: the data prior leaves less than no prior does, and noise most", DATA, NONE, NOISE),
        _order(f"{PAPERS}: the data prior leaves less than the range prior does, and noise most", DATA, RANGE, NOISE),
        _order("On all networks images of less background leave less than no prior", LESS, NONE),
        _order("On all networks images of less background leave less than the range prior", LESS, RANGE),
    ),
    minutes={"small": 5},
)
