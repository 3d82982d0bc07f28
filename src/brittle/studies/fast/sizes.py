"""What the study of fast training trains, how, and by what it judges: by data set and by scale."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from brittle.attacks.pgd import PGD
from brittle.studies.bench.study import Scale, sized
from brittle.threats import Lp
from brittle.training.accumulated import AccumulatedTraining
from brittle.training.adversarial import AdversarialTraining
from brittle.training.free import FreeTraining
from brittle.training.recipe import PlainTraining

Way = Literal["clean", "FGSM", "free", "accumulated", "PGD"]
WAYS: tuple[Way, ...] = ("clean", "FGSM", "free", "accumulated", "PGD")
Climb = AccumulatedTraining | AdversarialTraining | FreeTraining
"""Trainings within a radius."""
FAST_STEP = 1.25
"""Step of FGSM from a random start, in radii (Wong et al. 2020, section 4.1)."""


@dataclass(frozen=True)
class Size:
    """How much is done at a scale; None for all images.

    Attributes:
        architecture: what is trained.
        images: training images, those kept aside among them.
        held_out: of these, how many are kept aside.
        tested: test images.
        settings: of every training but that for free, which has fewer epochs.
        free_epochs: of free training.
        replays: of free training.
        climb: the attack of PGD training.
        judge: what the networks are attacked with at the end.
        warmup: epochs over which the radius grows; those of free training are fewer in proportion.
    """

    architecture: str
    images: int | None
    held_out: int
    tested: int | None
    settings: PlainTraining
    free_epochs: int
    replays: int
    climb: PGD
    judge: PGD
    warmup: float = 0.0


@dataclass(frozen=True)
class Bench:
    """A data set with its radius.

    Attributes:
        name: in the rows.
        folder: of its files.
        eps: largest change of a value.
        sizes: by scale.
    """

    name: str
    folder: str
    eps: float
    sizes: Mapping[Scale, Size]

    @property
    def threat(self) -> Lp:
        """The changes that are allowed."""
        return Lp("inf", self.eps)

    def row(self, way: Way) -> str:
        """Return the key of a row."""
        return f"{self.name}, {way}"

    def training(self, way: Way, scale: Scale) -> Climb | None:
        """Return what is done to the images of a training; None for nothing."""
        size = sized(self.sizes, scale)
        if way == "clean":
            return None
        if way == "free":
            return FreeTraining(self.threat, size.replays, warmup=size.warmup * size.free_epochs / size.settings.epochs)
        if way == "accumulated":
            return AccumulatedTraining(self.threat, warmup=size.warmup)
        climb = PGD(steps=1, step_size=FAST_STEP * self.eps) if way == "FGSM" else size.climb
        return AdversarialTraining(climb, self.threat, warmup=size.warmup)

    def settings(self, way: Way, scale: Scale, seed: int) -> PlainTraining:
        """Return how a training goes otherwise."""
        size = sized(self.sizes, scale)
        epochs = size.free_epochs if way == "free" else size.settings.epochs
        unmoved = {"shift": 0, "flip": False} if way == "accumulated" else {}
        return replace(size.settings, epochs=epochs, seed=seed, **unmoved)


ADAM = PlainTraining(12, 25, "adam", 1e-3, decay=0.0)
_LEVEL = 1 / 255
MNIST = Bench(
    "MNIST",
    "mnist",
    0.3,
    {
        "small": Size(
            *("mnist-a-quarter", 4200, 200, 500, ADAM, 6, 4),
            climb=PGD(steps=5, step_size=0.1),
            judge=PGD(steps=40, step_size=0.01),
            warmup=4.0,
        ),
        "paper": Size(
            *("mnist-a", None, 1000, None, replace(ADAM, batch=50), 3, 8),
            climb=PGD(steps=40, step_size=0.01),
            judge=PGD(steps=40, step_size=0.01),
            warmup=2.0,
        ),
    },
)
_SGD = PlainTraining(epochs=30, batch=128, rate=0.05, shift=4, flip=True)
CIFAR = Bench(
    "CIFAR-10",
    "cifar10",
    8 * _LEVEL,
    {
        "small": Size(
            *("lenet-cifar", 2500, 500, 500, replace(ADAM, epochs=8, batch=50), 4, 4),
            climb=PGD(steps=5, step_size=2 * _LEVEL),
            judge=PGD(steps=20, step_size=2 * _LEVEL),
        ),
        "full": Size(
            *("lenet-cifar", 8500, 500, 1000, replace(ADAM, epochs=8, batch=50), 4, 4),
            climb=PGD(steps=5, step_size=2 * _LEVEL),
            judge=PGD(steps=20, step_size=2 * _LEVEL),
        ),
        "paper": Size(
            *("lenet-cifar", None, 1000, None, _SGD, 10, 8),
            climb=PGD(steps=7, step_size=2 * _LEVEL),
            judge=PGD(steps=50, step_size=2 * _LEVEL, restarts=10),
        ),
    },
)
BENCHES = (MNIST, CIFAR)
