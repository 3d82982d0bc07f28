"""The one-pixel paper's tables: how often one, three or five pixels change the class, and into which."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from brittle.attacks.one_pixel import OnePixel
from brittle.core.goal import Targeted
from brittle.core.result import Result
from brittle.core.run import run
from brittle.errors import DataError
from brittle.metrics import Estimate, jackknife, mean, proportion
from brittle.metrics.estimate import Floats
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Row, Scale, Setting, Study, Unit
from brittle.studies.bench.work import Work
from brittle.studies.one_pixel.drawings import drawings
from brittle.studies.shared.subject import Benchmark, NetworkSource
from brittle.studies.shared.untrained import Untrained
from brittle.threats import Pixels
from brittle.types import Images, Labels

_TEST, _TRAINING = "cifar10/test.parquet", "cifar10/train.parquet"
_FULL: tuple[tuple[Scale, int | None], ...] = (("paper", None),)
ORIGINS = (
    NetworkSource("AllConv (CIFAR-10)", _TEST, ("allconv-cifar.safetensors",), "allconv-cifar", _TRAINING, _FULL),
    NetworkSource("NiN (CIFAR-10)", _TEST, ("nin-cifar.safetensors",), "nin-cifar", _TRAINING, _FULL),
    NetworkSource("VGG16 (CIFAR-10)", _TEST, ("vgg16-cifar.safetensors",), "vgg16-cifar", _TRAINING, _FULL),
    NetworkSource("LeNet (CIFAR-10)", _TEST, ("cifar10_lenet.pt2",)),
    NetworkSource("ResNet-32 (CIFAR-10)", _TEST, ("cifar10_resnet32.pt2",)),
)
"""The networks that are measured."""
PIXELS = (1, 3, 5)
IMAGES = 500
"""Images attacked at the scale of the paper, each towards all other classes."""
FEW = {"LeNet (CIFAR-10)": 15}
"""Images attacked at the small scale; `FEWEST` where nothing is said."""
FEWEST = 2
QUICK = OnePixel(population=100, generations=20)
"""The attack at the small scale: a twentieth of the paper's queries."""
BATCH_OF_A_GPU = 4096

_PAPERS = {"AllConv (CIFAR-10)": "AllConv", "NiN (CIFAR-10)": "NiN", "VGG16 (CIFAR-10)": "VGG16"}
_ALEXNET, _UNNAMED = "BVLC AlexNet (ImageNet)", "Three and five pixels (CIFAR-10)"
_NEW = "No published figures: the network is not in the paper."
ROWS = (
    *(Row(origin.row) for origin in ORIGINS[:3]),
    Row(
        _ALEXNET, "Published figures only: no weights of this network are at hand, so this version does not measure it."
    ),
    Row(_UNNAMED, "The paper's figures for three and five pixels, kept here without the network's name."),
    *(Row(origin.row, _NEW) for origin in ORIGINS[3:]),
)


def _columns(pixels: int) -> tuple[Column, ...]:
    sheet = f"{pixels} pixel{'s' if pixels > 1 else ''}"
    heads: tuple[tuple[str, str, Unit], ...] = (
        ("images", "images attacked", "number"),
        ("targeted", "targeted", "percent"),
        ("any", "non-targeted", "percent"),
        ("direct", "untargeted attack", "percent"),
        ("confidence", "confidence", "percent"),
        ("classes", "target classes reached", "number"),
        ("queries", "queries", "number"),
    )
    return tuple(Column(f"{pixels}.{key}", title, unit, sheet) for key, title, unit in heads)


COLUMNS = (
    Column("accuracy", "original accuracy", "percent", "Networks"),
    *(column for pixels in PIXELS for column in _columns(pixels)),
)
NOTES = (
    "Targeted: the fraction of pairs of an image and another class in which the attack makes the network predict that "
    "class. Non-targeted: the fraction of images that reach at least one other class so, as the paper counts it on "
    "CIFAR-10. Untargeted attack: the fraction of images that leave their class when the label's probability is made "
    "small, as the paper does on ImageNet (its 16.04 % of AlexNet). Confidence: the probability of the predicted class "
    "after a targeted success. Queries: forward passes for a pair.",
    "Attacked are the first images of the test set that the network gets right; the paper draws 500 at random. Scale "
    f"small: {FEW['LeNet (CIFAR-10)']} images of LeNet and {FEWEST} of each other network, {QUICK.population} "
    f"candidates, {QUICK.generations} generations: intervals are wide, and rates lie below those of the full attack. "
    f"Scale paper: {IMAGES} images, {OnePixel().population} candidates, {OnePixel().generations} generations.",
    INTERVALS,
)


@dataclass(frozen=True)
class Accuracy(Work):
    """The fraction of test images that the network gets right."""

    subject: Benchmark
    name = "accuracy"

    def measure(self) -> Measured:
        """Classify every test image."""
        right, count = 0, 0
        for block in self.subject.blocks("accuracy"):
            right += int(self.subject.right(block.images, block.labels).sum())
            count += len(block)
        return Measured({"accuracy": proportion(right, count)}, remark=self.subject.story())


@dataclass(frozen=True)
class ByPixels(Work):
    """The attack with so many pixels on the first images that the network gets right, towards every other class."""

    subject: Benchmark
    pixels: int
    identity_fields = ("attack", "count")

    @property
    def name(self) -> str:
        """What the work is called."""
        return f"{self.pixels} pixel{'s' if self.pixels > 1 else ''}"

    @property
    def count(self) -> int:
        """How many images are attacked."""
        small = self.subject.setting.scale != "paper"
        return FEW.get(self.subject.origin.row, FEWEST) if small else IMAGES

    @property
    def attack(self) -> OnePixel:
        """The attack, the paper's but at the small scale."""
        return QUICK if self.subject.setting.scale != "paper" else OnePixel()

    @cached_property
    def _sample(self) -> tuple[Images, Labels, Tensor]:
        """The images, their labels and their positions in the test set.

        Raises:
            DataError: the network gets none right.
        """
        parts: list[tuple[Tensor, Tensor, Tensor]] = []
        for block in self.subject.source.blocks(self.subject.batch):
            right = self.subject.right(block.images, block.labels).nonzero()[:, 0]
            parts.append((block.images[right], block.labels[right], block.index[right]))
            if sum(len(labels) for _, labels, _ in parts) >= self.count:
                break
        images, labels, index = (torch.cat(column)[: self.count] for column in zip(*parts, strict=True))
        if not len(images):
            raise DataError(f"{self.subject.origin.row} gets none of the {len(self.subject.source)} test images right")
        return images, labels, index

    def measure(self) -> Measured:
        """Attack every image towards every other class, then away from its own."""
        images, labels, index = self._sample
        classes = self._classes(images)
        every = torch.arange(classes).expand(len(labels), classes)
        targets = every[every != labels[:, None]].reshape(len(labels), classes - 1)
        pairs = (len(labels), classes - 1)
        result = self._attacked(
            images.repeat_interleave(classes - 1, 0),
            goal=Targeted(targets.flatten()),
            ids=(index[:, None] * classes + targets).flatten(),
            doing="targeted",
        )
        away = self._attacked(images, labels=labels, ids=index * classes + labels, doing="untargeted")
        reached = result.success.reshape(pairs).numpy()
        values = self._values(reached, result, away)
        if self.pixels > 1:
            return Measured(values)
        names = self.subject.source.classes or tuple(str(number) for number in range(classes))
        title = self.subject.origin.row
        return Measured(values, figures=drawings(title, names, images, labels, targets, reached, result.adversarial))

    def _values(self, reached: np.ndarray, result: Result, away: Result) -> dict[str, Estimate | str]:
        fraction, count = reached.astype(float).mean(axis=1), reached.sum(axis=1).astype(float)
        confidence = np.where(reached, result.confidence.double().reshape(reached.shape).numpy(), 0.0).sum(axis=1)
        queries = result.forward.double().reshape(reached.shape).mean(1).numpy()

        def of_successes(samples: Floats) -> Floats:
            rows = samples.astype(np.int64)
            return confidence[rows].sum(axis=1) / np.maximum(count[rows].sum(axis=1), 1)

        values: dict[str, Estimate | str] = {
            "images": f"{len(reached):,}",
            "targeted": mean(fraction, bounds=(0, 1)),
            "any": proportion(int(reached.any(axis=1).sum()), len(reached)),
            "direct": proportion(int(away.success.sum()), len(away)),
            "confidence": jackknife(np.arange(len(count), dtype=np.float64), of_successes)
            if count.any()
            else "no success",
            "classes": mean(count, bounds=(0, reached.shape[1])),
            "queries": mean(queries),
        }
        return {f"{self.pixels}.{key}": value for key, value in values.items()}

    def _classes(self, images: Images) -> int:
        classifier = self.subject.classifier
        with torch.no_grad():
            return classifier.logits(images[:1].to(classifier.device, classifier.dtype)).shape[1]

    def _attacked(
        self,
        images: Images,
        *,
        doing: str,
        ids: Tensor,
        labels: Labels | None = None,
        goal: Targeted | None = None,
    ) -> Result:
        setting, done, row = self.subject.setting, 0, self.subject.origin.row
        on_cpu = setting.device.startswith("cpu")

        def tell(count: int) -> None:
            nonlocal done
            done += count
            setting.tell(f"{row}: {self.name}, {doing}, {done:,} of {len(images):,} attacks")

        return run(
            self.attack,
            self.subject.classifier,
            images,
            labels,
            goal=goal,
            threat=Pixels(self.pixels),
            seed=setting.seed,
            batch=self.subject.batch if on_cpu else BATCH_OF_A_GPU,
            ids=ids,
            progress=tell,
        )


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: for each network its accuracy and the attack by pixels, or why there are none."""
    found: list[Cell] = []
    for origin in ORIGINS:
        subject = Benchmark(origin, setting)
        given = subject.given is not None or subject.trains or not origin.architecture
        works = (Accuracy(subject), *(ByPixels(subject, pixels) for pixels in PIXELS))
        found += [
            Cell(origin.row, work.name, work.measure, work.identity)
            for work in (works if given else (Untrained(subject),))
        ]
    return found


def _published(row: str, column: str) -> Figure:
    one, few = published()["one_pixel"], published()["one_pixel_few"]
    pixels, _, quantity = column.rpartition(".")
    if row == _UNNAMED and pixels in ("3", "5"):
        name = {"targeted": "success targeted", "any": "success non-targeted", "confidence": "rate per label"}
        return few.figure(name[quantity], f"{pixels} pixels") if quantity in name else None
    if row == _ALEXNET and column in ("1.direct", "1.confidence", "accuracy"):
        name = {"1.direct": "non-targeted", "1.confidence": "confidence", "accuracy": "original accuracy"}
        return one.figure(name[column], "BVLC")
    name = {"accuracy": "original accuracy", "1.targeted": "targeted"}
    name |= {"1.any": "non-targeted", "1.confidence": "confidence"}
    return one.figure(name[column], _PAPERS[row]) if row in _PAPERS and column in name else None


ONE_PIXEL = Study(
    name="one-pixel",
    title="Success of one-, three- and five-pixel attacks by differential evolution",
    source=published()["one_pixel"].source + ", tables of results",
    cells=cells,
    rows=ROWS,
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
)
