"""What a universal perturbation shall change: classes of images, classes of pixels, or depths."""

from dataclasses import dataclass

from brittle.classifiers.classifier import Classifier
from brittle.dense.rows import DenseRows, DepthRows, PixelRows
from brittle.errors import InputError
from brittle.metrics.depth import THRESHOLD, checked_ratio
from brittle.runs.manifest_info import Task
from brittle.universal_attacks.answers import CLASSES, Answers, ClassOfPixels, DepthOfPixels

ROWS: dict[Task, type[DenseRows]] = {"segmentation": PixelRows, "depth": DepthRows}
"""How networks that answer for every pixel say it."""


@dataclass(frozen=True)
class AskedTask:
    """A task as it was asked.

    Attributes:
        name: of the task.
        ratio: from which a depth is another one; None for other tasks.
    """

    name: Task
    ratio: float | None

    @classmethod
    def of(cls, name: Task, ratio: float | None) -> "AskedTask":
        """Take what was asked.

        Raises:
            InputError: a ratio that is none of depths, or that nothing is compared by.
        """
        if name == "depth":
            return cls(name, checked_ratio(THRESHOLD if ratio is None else ratio))
        if ratio is not None:
            raise InputError(f"ratio is {ratio}, by which depths are compared, and the task is {name}; leave it out")
        return cls(name, None)

    @property
    def dense(self) -> bool:
        """Whether there is an answer for every pixel."""
        return self.name in ROWS

    @property
    def answers(self) -> Answers:
        """How outputs are read."""
        if self.ratio is not None:
            return DepthOfPixels(self.ratio)
        return ClassOfPixels() if self.dense else CLASSES

    def classifier(self, given: Classifier) -> Classifier:
        """Return the network as a search sees it."""
        return ROWS[self.name].of(given) if self.dense else given

    def told(self) -> dict[str, object]:
        """What the file of the perturbation tells of it: nothing of classes of images."""
        told = {"task": self.name if self.dense else None, "ratio": self.ratio}
        return {name: value for name, value in told.items() if value is not None}

    def given(self) -> dict[str, object]:
        """What a command says of it: nothing that it would do anyway."""
        return {"task": self.name if self.dense else None, "ratio": None if self.ratio == THRESHOLD else self.ratio}
