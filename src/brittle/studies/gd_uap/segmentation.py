"""Data-free perturbations of a network that segments photographs, beside noise of equal norm."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from brittle.classifiers.door import answer
from brittle.metrics import Estimate, jackknife, pixel_confusion
from brittle.metrics.estimate import Floats, Integers
from brittle.studies.bench.drawing import Picture, encoded
from brittle.studies.bench.published import published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Row, Setting, Study
from brittle.studies.gd_uap.data_free import LAYERS, METHODS, NOISE, RADIUS, Short
from brittle.studies.shared.photographs import HALVES, LINF, Photographs
from brittle.studies.shared.views import View

DEEPLAB = View("DeepLab v3 on MobileNet v2 (Pascal VOC)", "deeplabv3_mnv2_pascal.pt2", (4, 20))
SMALL = Short(iterations=80, shown=40, batch=2)
CLASSES = 21
DRAWN = 4
"""Photographs on the sheet."""
EVERY = 3
"""Of the sheet's pixels, every third is drawn."""
SURE = 0.9
"""Least probability of its class on the clean image for a pixel that the network is sure of."""
VOID = 255
"""Stands for the class of a pixel that does not count, as on Pascal VOC's borders."""
_SHEETS = {"sure": f"Pixels that the network is sure of, p ≥ {SURE:g}", "all": "All pixels"}


def _columns(which: str) -> tuple[Column, ...]:
    sheet = _SHEETS[which]
    return (
        Column(f"{which}.agreement", "pixel agreement", "percent", sheet),
        Column(f"{which}.iou", "mean IoU", "percent", sheet),
        Column(f"{which}.lost", "mean IoU lost", "percent", sheet),
        Column(f"{which}.times", "times the loss by noise", "ratio", sheet),
    )


COLUMNS = (*_columns("sure"), *_columns("all"))
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
    "pixels and is no independent finding. The paper measures against true labels on Pascal VOC, with other networks; "
    "none of its figures is comparable.",
    LAYERS
    + " "
    + RADIUS
    + " The optimiser sees no label and no class. Photographs are enlarged to 513 pixels and cropped.",
    HALVES,
    SMALL.note + f" Small: {DEEPLAB.small[1]} held-out images.",
    INTERVALS,
)


class Segmented:
    """The network with photographs and its clean segmentations, made when first asked for."""

    def __init__(self, setting: Setting):
        self.photographs = Photographs(DEEPLAB, setting)

    @torch.no_grad()
    def labels(self, image: Tensor) -> Integers:
        """Return the class of every pixel of one image (1, c, h, w), (h, w)."""
        return self._logits(image).argmax(0).cpu().numpy().astype(np.int64)

    def _logits(self, image: Tensor) -> Tensor:
        return answer(self.photographs.classifier.module, image)[0]

    @cached_property
    @torch.no_grad()
    def clean(self) -> list[tuple[Integers, Integers]]:
        """The segmentations of the held-out images as they are: of pixels that the network is sure of, and of all."""
        images, found = self.photographs.held_out, list[tuple[Integers, Integers]]()
        self.photographs.tell(f"{len(images)} clean segmentations")
        for row in range(len(images)):
            logits = self._logits(images.at(torch.tensor([row])))
            probability, classes = logits.softmax(0).amax(0), logits.argmax(0)
            whole = classes.cpu().numpy().astype(np.int64)
            found.append((np.where(probability.cpu().numpy() >= SURE, whole, VOID), whole))
        return found

    def confusions(self, perturbation: Tensor) -> dict[str, Integers]:
        """Count each held-out image's pixels by clean and perturbed class, (n, k, k): those it is sure of, and all."""
        images, bounds = self.photographs.held_out, self.photographs.classifier.bounds
        found: dict[str, list[Integers]] = {which: [] for which in _SHEETS}
        for row, clean in enumerate(self.clean):
            now = self.labels(bounds.clamp(images.at(torch.tensor([row])) + perturbation))
            for which, expected in zip(_SHEETS, clean, strict=True):
                found[which].append(pixel_confusion(expected, now, CLASSES, ignored=VOID))
        return {which: np.stack(counts) for which, counts in found.items()}

    @cached_property
    def noise(self) -> dict[str, Integers]:
        """The same for noise of equal norm."""
        return self.confusions(self.photographs.noise(LINF))

    @cached_property
    def given(self) -> list[Integers]:
        """The classes of the pixels of X as they are."""
        images = self.photographs.given
        return [self.labels(images.at(torch.tensor([row]))) for row in range(len(images))]

    def changed(self, perturbation: Tensor) -> float:
        """Return the fraction of the pixels of X that change their class: the judge of a search."""
        images, bounds = self.photographs.given, self.photographs.classifier.bounds
        fractions: list[float] = []
        for row, before in enumerate(self.given):
            image = images.at(torch.tensor([row]))
            fractions.append(float((before != self.labels(bounds.clamp(image + perturbation.to(image)))).mean()))
        return float(np.mean(fractions))


@dataclass(frozen=True)
class Perturbed:
    """One perturbation for all photographs.

    Attributes:
        subject: the network with its photographs.
        row: which method, a key of `METHODS`, or `NOISE`.
        column: what the work is called.
    """

    subject: Segmented
    row: str
    column: str = "segmentation"

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        method = {"method": NOISE} if self.row == NOISE else {"method": self.row, **asdict(self._method)}
        return {**self.subject.photographs.identity(), **method, "threat": repr(LINF), "sure": SURE}

    @property
    def _method(self):
        return SMALL.method(self.row, self.subject.photographs.setting.scale)

    def measure(self) -> Measured:
        """Make the perturbation and segment the held-out photographs with it."""
        photographs = self.subject.photographs
        if self.row == NOISE:
            perturbation, counts = photographs.noise(LINF), self.subject.noise
        else:
            perturbation = photographs.found(self._method, LINF, judge=self.subject.changed).tensor
            counts = self.subject.confusions(perturbation)
        values: dict[str, Estimate | str] = {}
        for which in _SHEETS:
            values |= _values(which, counts[which], self.subject.noise[which])
        return Measured(
            values,
            remark=photographs.story(),
            figures=(self._sheet(perturbation),),
        )

    def _sheet(self, perturbation: Tensor) -> Picture:
        images, bounds = self.subject.photographs.held_out, self.subject.photographs.classifier.bounds
        order = sorted(range(len(images)), key=lambda row: -len(np.unique(self.subject.clean[row][1])))
        rows: list[Floats] = []
        for row in sorted(order[:DRAWN]):
            image = images.at(torch.tensor([row]))
            moved = bounds.clamp(image + perturbation)
            parts = [
                _pixels(image),
                colours(self.subject.clean[row][1]),
                _pixels(moved),
                colours(self.subject.labels(moved)),
            ]
            rows.append(np.concatenate([part[::EVERY, ::EVERY] for part in parts], 1))
        return Picture(
            f"{self.row}: segmentations",
            "For some photographs: as it is, its segmentation, with the perturbation, its segmentation then. Colours "
            "are those of Pascal VOC; black is background.",
            encoded(np.concatenate(rows, 0)),
            f"{len(rows)} photographs with their segmentations before and after the perturbation.",
        )


def _pixels(image: Tensor) -> Floats:
    return image[0].permute(1, 2, 0).double().cpu().numpy()


def colours(labels: Integers) -> Floats:
    """Paint classes (h, w) as Pascal VOC does: the bits of a class in turn are the high bits of red, green and blue."""
    painted = np.zeros((*labels.shape, 3), dtype=np.int64)
    for bit in range(3):
        for channel in range(3):
            painted[..., channel] |= ((labels >> (3 * bit + channel)) & 1) << (7 - bit)
    return painted / 255


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
        f"{which}.agreement": jackknife(rows, agreeing),
        f"{which}.iou": jackknife(rows, iou),
        f"{which}.lost": jackknife(rows, lambda samples: 1 - iou(samples)),
        f"{which}.times": jackknife(rows, times),
    }


def resampled(counts: Integers, samples: Floats) -> Integers:
    """Add up each sample's images: (n, k, k) and positions (r, n) to (r, k, k)."""
    draws, images = samples.shape
    places = samples.astype(np.int64) + images * np.arange(draws)[:, None]
    times = np.bincount(places.ravel(), minlength=draws * images).reshape(draws, images)
    return (times @ counts.reshape(images, -1)).reshape(draws, *counts.shape[1:])


def mean_ious(counts: Integers) -> Floats:
    """Return `brittle.metrics.mean_iou` of many counts of pixels (r, k, k) at once, (r,)."""
    both, expected = np.diagonal(counts, axis1=1, axis2=2), counts.sum(2)
    fraction = both / np.maximum(expected + counts.sum(1) - both, 1)
    return fraction.sum(1) / np.maximum((expected > 0).sum(1), 1)


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: noise, and each method."""
    subject = Segmented(setting)
    works = [Perturbed(subject, row) for row in (NOISE, *METHODS)]
    return [Cell(work.row, work.column, work.measure, work.identity) for work in works]


GD_UAP_SEGMENTATION = Study(
    name="gd-uap-segmentation",
    title="Data-free perturbations of semantic segmentation",
    source=published()["gd_uap_cross_model"].source + ", section 4.3",
    cells=cells,
    rows=tuple(Row(row) for row in (NOISE, *METHODS)),
    columns=COLUMNS,
    published=lambda row, column: None,
    notes=NOTES,
    of="Perturbation",
)
