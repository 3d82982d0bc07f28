"""Courses of fine-tuning: a network trained on for some epochs, and its robustness before and after each of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

from torch import nn

from brittle.attacks.deepfool import DeepFool
from brittle.attacks.fgsm import FGSM
from brittle.data import Fit, Source, open_source
from brittle.evaluation.training_run import in_memory
from brittle.metrics import Estimate
from brittle.models import Network
from brittle.studies.bench.cells import plain_value, value_of
from brittle.studies.deepfool.fast_gradient_sign import Found, smallest_eps
from brittle.studies.deepfool.methods import ByDeepFool, ByFastGradientSign, ErrorRate
from brittle.studies.shared.inference_form import trainable
from brittle.studies.shared.kept_content import kept_content
from brittle.studies.shared.subject import Benchmark
from brittle.threats import Lp
from brittle.training.accuracy import accuracy
from brittle.training.epoch import Epoch
from brittle.training.fine_tuning import magnified, perturbed_once
from brittle.training.fit import fit
from brittle.training.recipe import RECIPES, PlainTraining
from brittle.types import Images, Labels

EPOCHS = 5
"""Extra epochs (Moosavi-Dezfooli et al. 2016, section 4.2)."""
RATES = {"lenet-mnist": 0.01, "fc500-150-10": 0.01, "nin-cifar": 0.00025, "lenet-cifar": 0.001}
"""Learning rate by architecture: for digits half of the one that the training began with, for small pictures, whose
rates fall in the course of it, half of one of its end."""
SLOWER = 0.2
"""By what the rate is multiplied where the paper lowers it by 90 % in place of 50 %."""
SEARCHED = 1000
"""Training images, at most, by which the length of the gradient-sign step is found."""


@dataclass(frozen=True)
class Tuning:
    """What a network is trained on.

    Attributes:
        key: in the names of columns.
        title: in tables and drawings.
        made_by: what changes the training images, for the network as it was; "" for nothing.
        alpha: what the changes are multiplied by.
        slower: whether the learning rate is lowered by 90 %.
    """

    key: str
    title: str
    made_by: Literal["", "deepfool", "sign"] = ""
    alpha: float = 1.0
    slower: bool = False


@dataclass(frozen=True)
class Point:
    """How robust a network is after an epoch.

    Attributes:
        error: on test images.
        deepfool: rho by DeepFool.
        sign: rho by fast gradient sign; text where there is none.
    """

    error: Estimate
    deepfool: Estimate | str
    sign: Estimate | str

    def plain(self) -> dict[str, object]:
        """Return it as JSON can hold it."""
        return {name: plain_value(getattr(self, name)) for name in ("error", "deepfool", "sign")}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Point":
        """Read what `plain` returned."""
        error = value_of(plain["error"])
        if not isinstance(error, Estimate):
            raise TypeError("a test error is text")
        return cls(error, value_of(plain["deepfool"]), value_of(plain["sign"]))


class _As(Benchmark):
    """A network of a study with other weights."""

    def __init__(self, subject: Benchmark, module: nn.Module):
        super().__init__(subject.origin, subject.setting)
        self._before, self._module = subject, module

    @cached_property
    def network(self) -> Network:
        """The network as it is now."""
        return replace(self._before.network, module=self._module)

    @cached_property
    def source(self) -> Source:
        """The same test images."""
        return self._before.source


class FineTuned:
    """A network with its training images; nothing is opened, attacked or trained before it is asked for.

    Args:
        subject: the network as it was, with its test images.
        images: so many training images; None for all.
    """

    def __init__(self, subject: Benchmark, images: int | None):
        self.subject, self.images = subject, images

    @cached_property
    def training(self) -> tuple[Images, Labels]:
        """The training images and their labels."""
        return in_memory(self._source)

    @property
    def _source(self) -> Source:
        data = str(self.subject.setting.data_file(self.subject.origin.training))
        shape = self.subject.image_shape or (None, None, None)
        return open_source(data, fit=Fit(*shape), max_images=self.images)

    def identity(self) -> dict[str, object]:
        """Everything of network, images and recipe that determines a figure."""
        return {
            **self.subject.identity(),
            "training": self._source.digest(),
            "training images": len(self._source),
            "settings": asdict(self.settings(slower=False)),
        }

    def settings(self, *, slower: bool) -> PlainTraining:
        """How the network is trained on: by its recipe without augmentation, at a constant rate."""
        architecture = self.subject.origin.architecture
        rate = RATES[architecture] * (SLOWER if slower else 1.0)
        recipe = replace(RECIPES[architecture], epochs=EPOCHS, rate=rate, schedule="constant", shift=0, flip=False)
        return replace(recipe, seed=self.subject.setting.seed)

    def start(self) -> nn.Module:
        """Return the network as it was, a new one each time."""
        return trainable(Benchmark(self.subject.origin, self.subject.setting).network.module)

    @cached_property
    def changed(self) -> Images:
        """The training images as DeepFool changes them for the network as it was."""
        return self._perturbed("DeepFool on training images", DeepFool(), Lp(2))

    @cached_property
    def eps(self) -> Found:
        """The smallest length of a gradient-sign step that makes the network wrong on 90 % of the training images."""
        images, labels = (whole[:SEARCHED] for whole in self.training)
        module = self.start()

        def rate(eps: float) -> float:
            self._tell(f"looking for ε, {eps:.4g}")
            return 1 - accuracy(module, perturbed_once(module, images, labels, FGSM(), Lp("inf", eps)), labels)

        return smallest_eps(rate)

    @cached_property
    def stepped(self) -> Images:
        """The training images after a gradient-sign step of that length."""
        return self._perturbed("fast gradient sign on training images", FGSM(), Lp("inf", self.eps.eps))

    def _perturbed(self, doing: str, attack: DeepFool | FGSM, threat: Lp) -> Images:
        images, labels = self.training
        done = 0

        def tell(count: int) -> None:
            nonlocal done
            done += count
            self._tell(f"{doing}, {done:,} of {len(images):,} images")

        seed, batch = self.subject.setting.seed, self.subject.batch
        return perturbed_once(self.start(), images, labels, attack, threat, seed=seed, batch=batch, progress=tell)

    def images_of(self, tuning: Tuning) -> Images:
        """Return what a network is trained on."""
        if not tuning.made_by:
            return self.training[0]
        changed = self.changed if tuning.made_by == "deepfool" else self.stepped
        return magnified(self.training[0], changed, tuning.alpha)

    def before(self) -> Point:
        """Return how robust the network is before, measured or kept."""
        return self._kept("before", lambda: [self._measured(self.start(), "before")])[0]

    def course(self, tuning: Tuning) -> Sequence[Point]:
        """Return how robust the network is before and after each epoch, measured or kept."""
        return [self.before(), *self._kept(tuning, lambda: self._trained(tuning))]

    def _trained(self, tuning: Tuning) -> list[Point]:
        """Train the network on, and measure it after each epoch."""
        module, points, settings = self.start(), list[Point](), self.settings(slower=tuning.slower)

        def look(epoch: Epoch) -> None:
            points.append(self._measured(module, f"{tuning.title}, epoch {epoch.number} of {settings.epochs}"))

        fit(module, self.images_of(tuning), self.training[1], settings=settings, progress=look)
        return points

    def _measured(self, module: nn.Module, when: str) -> Point:
        now = _As(self.subject, module)
        error = ErrorRate(now).measure().values["error"]
        deepfool = ByDeepFool(now).measure().values["deepfool.rho"]
        sign = ByFastGradientSign(now).measure().values["sign.rho"]
        assert isinstance(error, Estimate)  # a proportion
        rho = f"ρ {deepfool.value:.4g}" if isinstance(deepfool, Estimate) else deepfool
        self._tell(f"{when}: test error {error.value:.1%}, {rho}")
        return Point(error, deepfool, sign)

    def _kept(self, of: Tuning | str, make: Callable[[], list[Point]]) -> list[Point]:
        """Return what lies in the study's folder of courses, made now where there is nothing whole."""
        about = asdict(of) if isinstance(of, Tuning) else of
        place = f"courses/{self.subject.origin.architecture}"
        identity = {**self.identity(), "of": about}
        points = kept_content(self.subject.setting, place, identity, lambda: [point.plain() for point in make()])
        return [Point.of(point) for point in points]

    def _tell(self, line: str) -> None:
        self.subject.setting.tell(f"{self.subject.origin.row}: {line}")
