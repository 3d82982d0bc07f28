"""What is measured of a network: its accuracy, and what a few pixels do to it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from brittle.attacks.one_pixel import OnePixel
from brittle.core.goal import Targeted
from brittle.core.result import Result
from brittle.core.run import run
from brittle.metrics import Estimate, jackknife, mean, proportion
from brittle.metrics.estimate import Floats
from brittle.studies.bench.study import Measured
from brittle.studies.bench.work import Work
from brittle.studies.one_pixel.drawings import drawings
from brittle.studies.one_pixel.sizes import Size, size
from brittle.studies.shared.subject import Benchmark
from brittle.threats import Pixels
from brittle.types import Images, Labels

BATCH_OF_A_GPU = 4096


@dataclass(frozen=True)
class Accuracy(Work):
    """The fraction of test images that the network gets right."""

    subject: Benchmark
    name = "accuracy"

    def measure(self) -> Measured:
        """Classify every test image."""
        return Measured({"accuracy": proportion(*self.subject.count_right("accuracy"))}, remark=self.subject.story())


@dataclass(frozen=True)
class ByPixels(Work):
    """The attack with so many pixels on the first images that the network gets right, towards every other class."""

    subject: Benchmark
    pixels: int
    identity_fields = ("size",)

    @property
    def name(self) -> str:
        """What the work is called."""
        return f"{self.pixels} pixel{'s' if self.pixels > 1 else ''}"

    @property
    def size(self) -> Size:
        """How many images are attacked, and how."""
        return size(self.subject.origin.row, self.subject.setting.scale)

    def measure(self) -> Measured:
        """Attack every image towards every other class, then away from its own."""
        images, labels, index = self.subject.first_right(self.size.images)
        classes = self.subject.classes(images)
        every = torch.arange(classes).expand(len(labels), classes)
        targets = every[every != labels[:, None]].reshape(len(labels), classes - 1)
        pairs = (len(labels), classes - 1)
        result = attacked(
            *(self.subject, self.size.attack, self.pixels, images.repeat_interleave(classes - 1, 0)),
            goal=Targeted(targets.flatten()),
            ids=(index[:, None] * classes + targets).flatten(),
            doing=f"{self.name}, targeted",
        )
        away = attacked(
            *(self.subject, self.size.attack, self.pixels, images),
            labels=labels,
            ids=index * classes + labels,
            doing=f"{self.name}, untargeted",
        )
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
            "queries": mean(queries, bounds=(0, most(self.size.attack))),
        }
        return {f"{self.pixels}.{key}": value for key, value in values.items()}


@dataclass(frozen=True)
class AwayByOne(Work):
    """One pixel away from the label, on the first photographs that the network gets right."""

    subject: Benchmark
    name = "1 pixel"
    identity_fields = ("size",)

    @property
    def size(self) -> Size:
        """How many images are attacked, and how."""
        return size(self.subject.origin.row, self.subject.setting.scale)

    def measure(self) -> Measured:
        """Attack every image."""
        images, labels, index = self.subject.first_right(self.size.images)
        found = attacked(
            self.subject, self.size.attack, 1, images, labels=labels, ids=index, doing="1 pixel, untargeted"
        )
        broken = int(found.success.sum())
        confidence = found.confidence[found.success].double().cpu().numpy()
        return Measured(
            {
                "1.images": f"{len(found):,}",
                "1.direct": proportion(broken, len(found)),
                "1.confidence": mean(confidence, bounds=(0, 1)) if broken else "no success",
                "1.queries": mean(found.forward.double().cpu().numpy(), bounds=(0, most(self.size.attack))),
            }
        )


def most(attack: OnePixel) -> int:
    """Return the most passes of a search: every candidate, and the two that `run` makes before and after."""
    return attack.population * (attack.generations + 1) + 2


def attacked(  # noqa: PLR0913  # what is attacked, how, and what is said of it
    subject: Benchmark,
    attack: OnePixel,
    pixels: int,
    images: Images,
    *,
    doing: str,
    ids: Tensor,
    labels: Labels | None = None,
    goal: Targeted | None = None,
) -> Result:
    """Attack images, telling how far it is."""
    setting, done = subject.setting, 0
    on_cpu = setting.device.startswith("cpu")

    def tell(count: int) -> None:
        nonlocal done
        done += count
        setting.tell(f"{subject.origin.row}: {doing}, {done:,} of {len(images):,} attacks")

    return run(
        attack,
        subject.classifier,
        images,
        labels,
        goal=goal,
        threat=Pixels(pixels),
        seed=setting.seed,
        batch=subject.batch if on_cpu else BATCH_OF_A_GPU,
        ids=ids,
        progress=tell,
    )
