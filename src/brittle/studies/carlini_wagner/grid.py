"""Carlini & Wagner's table of targeted attacks: sizes for the best, an average and the worst target, and images."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from brittle.attacks.carlini_wagner_l0 import CarliniWagnerL0
from brittle.attacks.carlini_wagner_l2 import CarliniWagnerL2
from brittle.attacks.carlini_wagner_linf import CarliniWagnerLinf
from brittle.core.attack import Attack
from brittle.core.goal import Targeted
from brittle.core.run import run
from brittle.metrics import Estimate, jackknife, mean, proportion
from brittle.metrics.estimate import Flags, Floats
from brittle.studies.bench.drawing import Drawing, HeatMap, Picture, encoded
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Setting, Study, sized
from brittle.studies.shared.subject import Benchmark, NetworkSource
from brittle.threats import Lp, Pixels, Threat
from brittle.types import Images, Labels

TABLE = "carlini_wagner"
NETWORK = NetworkSource(
    "MNIST network of the paper",
    "mnist/test.parquet",
    ("mnist-carlini.safetensors",),
    "mnist-carlini",
    "mnist/train.parquet",
    (("small", 2), ("full", 10), ("paper", None)),
)
"""The paper's own architecture, trained here."""
PER_CLASS = {"small": 1, "full": 2, "paper": 100}
"""Images of each class, each led to every other class."""
GAP = 1
"""Pixels between the images of a sheet."""


@dataclass(frozen=True)
class Norm:
    """One of the attacks.

    Attributes:
        threat: how changes are measured.
        small: the attack at the small scale.
        paper: at full scale and the paper's, with the published numbers of constants and steps.
        unit: of sizes, in words.
    """

    threat: Threat
    small: Attack
    paper: Attack
    unit: str


NORMS = {
    "L2": Norm(Lp(2), CarliniWagnerL2(searches=3, steps=200), CarliniWagnerL2(), "2-norm of the change"),
    "L0": Norm(Pixels(torch.inf), CarliniWagnerL0(steps=100), CarliniWagnerL0(), "pixels changed"),
    "Linf": Norm(Lp("inf"), CarliniWagnerLinf(steps=100), CarliniWagnerLinf(), "largest change of a value"),
}
"""By row of the table."""

_CASES = {"best": "best target", "average": "average target", "worst": "worst target"}
_SIZE, _SUCCESS = "Mean size", "Success and cost"
COLUMNS = (
    Column("images", "images", "number", _SIZE),
    *(Column(case, title, "ratio", _SIZE) for case, title in _CASES.items()),
    *(Column(f"{case} success", title, "percent", _SUCCESS) for case, title in _CASES.items()),
    Column("passes", "passes for an attempt", "number", _SUCCESS),
)
NOTES = (
    "Every image is led to each of the nine other classes. Best: the least difficult target of an image, which is the "
    "one of the smallest change; worst: the most difficult one. Average: all targets alike (in the paper one target is "
    "drawn at random for an image, which has the same mean). Means are of the attempts that succeed; with the worst "
    "target an image counts as a success if all of its targets are reached, with the best if one is.",
    "L0 counts pixels; L2 and Linf are of pixels in [0, 1]. The network has the paper's architecture and was trained "
    "here.",
    f"Scale small: the first test image of each class that the network gets right, and shorter searches than "
    "published: L2 with 3 constants of 200 steps, L0 and Linf with 100 steps at each constant. Scale full: "
    f"{PER_CLASS['full']} of each class, and the published numbers of constants and steps; scale paper: "
    f"{PER_CLASS['paper']} of each class. What else departs from the publication is said at the attacks.",
    INTERVALS,
)


@dataclass(frozen=True)
class Targets:
    """An attack from chosen images to all other classes."""

    subject: Benchmark
    row: str

    @property
    def name(self) -> str:
        """What the work is called."""
        return type(self.attack).__name__

    @property
    def attack(self) -> Attack:
        """The attack at the scale chosen."""
        norm = NORMS[self.row]
        return norm.small if self.subject.setting.scale == "small" else norm.paper

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        attack = {"name": self.name, **asdict(self.attack)}
        return {**self.subject.identity(), "attack": attack, "per class": sized(PER_CLASS, self.subject.setting.scale)}

    def measure(self) -> Measured:
        """Lead every image to every other class.

        Raises:
            DataError: the network gets no image right.
        """
        images, labels, classes = self._chosen()
        count, others = len(images), classes - 1
        sources = labels.repeat_interleave(others)
        targets = (sources + torch.arange(1, classes).repeat(count)) % classes
        done = 0

        def tell(finished: int) -> None:
            nonlocal done
            done += finished
            self.subject.setting.tell(f"{self.row}: {done:,} of {len(targets):,} attempts")

        result = run(
            self.attack,
            self.subject.classifier,
            images.repeat_interleave(others, 0),
            goal=Targeted(targets),
            threat=NORMS[self.row].threat,
            seed=self.subject.setting.seed,
            batch=self.subject.batch,
            progress=tell,
        )
        size = result.size.double().cpu().numpy().reshape(count, others)
        passes = (result.forward + result.backward).double().cpu().numpy().reshape(count, others)
        values = {"images": f"{count:,}", **sizes_by_target(size), "passes": mean(passes.mean(axis=1))}
        attempts = _Attempts(sources, targets, size.ravel(), result.adversarial.cpu(), images, labels)
        return Measured(values, remark=self.subject.story(), figures=self._figures(attempts, classes))

    def _chosen(self) -> tuple[Images, Labels, int]:
        """Return the first images of each class that the network gets right, in the order of the classes."""
        wanted = sized(PER_CLASS, self.subject.setting.scale)
        images, labels, classes, taken = list[Images](), list[Labels](), 0, dict[int, int]()
        for block in self.subject.blocks("looking for images of each class"):
            classes = self.subject.classes(block.images)
            for place in self.subject.right(block.images, block.labels).nonzero()[:, 0].tolist():
                label = int(block.labels[place])
                if taken.get(label, 0) < wanted:
                    taken[label] = taken.get(label, 0) + 1
                    images.append(block.images[place])
                    labels.append(block.labels[place])
            if sum(taken.values()) == wanted * classes:
                break
        if not images:
            raise self.subject.none_right()
        order = torch.stack(labels).argsort(stable=True)
        return torch.stack(images)[order], torch.stack(labels)[order], classes

    def _figures(self, attempts: "_Attempts", classes: int) -> tuple[Drawing, ...]:
        names = self.subject.source.classes or tuple(str(number) for number in range(classes))
        sizes, reached = attempts.matrix(classes)
        unit = NORMS[self.row].unit
        return (
            Picture(
                f"{self.row}: images",
                "Rows: the class an image is of; columns: the class it was led to. On the diagonal the clean image, "
                "the first of its class; grey where the target was not reached or the class has no image.",
                encoded(attempts.sheet(classes), 2),
                f"A sheet of {classes} by {classes} images: {reached} pairs of source and target classes reached.",
            ),
            HeatMap(
                f"{self.row}: mean size",
                f"By class of the image and target: {unit}, mean of the attempts that succeed.",
                names,
                names,
                [[float(one) if np.isfinite(one) else None for one in row] for row in sizes],
                row_axis="source class",
                column_axis="target class",
            ),
        )


@dataclass(frozen=True)
class _Attempts:
    """What was tried: one entry for each image and target; `clean` and `labels` are of the images."""

    source: Labels
    target: Labels
    size: Floats
    adversarial: Tensor
    clean: Images
    labels: Labels

    def matrix(self, classes: int) -> tuple[Floats, int]:
        """Return mean sizes by source and target, NaN where nothing was reached, and how many pairs were."""
        found = np.isfinite(self.size)
        pairs = (self.source * classes + self.target).numpy()[found]
        total, count = (np.bincount(pairs, weights, classes**2) for weights in (self.size[found], None))
        sizes = np.divide(total, count, out=np.full(classes**2, np.nan), where=count > 0)
        return sizes.reshape(classes, classes), int((count > 0).sum())

    def sheet(self, classes: int) -> Floats:
        """Lay out the first image of each class, and what was made of it, by source and target."""
        _, channels, height, width = self.clean.shape
        sheet = np.full((classes * (height + GAP) - GAP, classes * (width + GAP) - GAP, channels), 0.5)
        shown: set[tuple[int, int]] = set()
        for source, target, image, size in (
            *zip(self.labels.tolist(), self.labels.tolist(), self.clean, [0.0] * len(self.clean), strict=True),
            *zip(self.source.tolist(), self.target.tolist(), self.adversarial, self.size.tolist(), strict=True),
        ):
            if (source, target) not in shown:
                shown.add((source, target))
                if np.isfinite(size):
                    top, left = source * (height + GAP), target * (width + GAP)
                    sheet[top : top + height, left : left + width] = image.permute(1, 2, 0).numpy()
        return sheet[..., 0] if channels == 1 else sheet


def sizes_by_target(size: Floats) -> dict[str, Estimate | str]:
    """Return mean size and success for the best, an average and the worst target.

    Args:
        size: of each image's attempts, (n, targets), infinite where the target was not reached.

    Returns:
        Estimates by `best`, `average`, `worst` and the same with ` success`; text where no attempt succeeded.

    Example:
        >>> values = sizes_by_target(np.array([[1.0, 3.0], [2.0, np.inf]]))
        >>> values["best"].value, values["average"].value, values["worst"].value
        (1.5, 2.0, 3.0)
    """
    found = np.isfinite(size)
    attempts = np.where(found, size, 0.0)

    def of_successes(samples: Floats) -> Floats:
        rows = samples.astype(np.int64)
        return attempts[rows].sum(axis=(1, 2)) / np.maximum(found[rows].sum(axis=(1, 2)), 1)

    any_, all_ = (np.asarray(hit, dtype=np.bool_) for hit in (found.any(axis=1), found.all(axis=1)))
    values = dict[str, Estimate | str]()
    values["best"] = mean(size[any_].min(axis=1)) if any_.any() else "no success"
    values["average"] = jackknife(np.arange(len(size), dtype=np.float64), of_successes) if any_.any() else "no success"
    values["worst"] = mean(size[all_].max(axis=1)) if all_.any() else "no success"
    rates: dict[str, Flags] = {"best": any_, "worst": all_}
    values |= {f"{case} success": proportion(int(hit.sum()), len(hit)) for case, hit in rates.items()}
    values["average success"] = mean(found.mean(axis=1), bounds=(0, 1))
    return values


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: each attack on the one network."""
    subject = Benchmark(NETWORK, setting)
    works = [Targets(subject, row) for row in NORMS]
    return [Cell(work.row, work.name, work.measure, work.identity) for work in works]


def _published(row: str, column: str) -> Figure:
    table = published()[TABLE]
    return table.figure(row, column) if column in table.columns else None


CARLINI_WAGNER_GRID = Study(
    name="carlini-wagner-grid",
    title="The smallest changes from every class to every other one, in three norms",
    source=published()[TABLE].source + ", table IV",
    cells=cells,
    rows=tuple(Row(row) for row in NORMS),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    plot=tuple(_CASES),
    plot_caption="Logarithmic axis, each row in its own unit; farther left is more brittle.",
    of="Attack on the paper's MNIST network",
    minutes={"small": 5},
    orders=tuple(
        Order(
            f"{row}: the least difficult target takes less than an average one, and that less than the most difficult",
            tuple((row, case) for case in _CASES),
        )
        for row in NORMS
    ),
)
