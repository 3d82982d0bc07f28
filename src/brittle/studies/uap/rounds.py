"""Rounds of fine-tuning on universal perturbations: a pool is made for the network, it is trained on, and again."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from brittle.classifiers.classifier import Classifier
from brittle.data import Fit, open_source
from brittle.evaluation.training_run import in_memory
from brittle.identity.compare import fingerprint
from brittle.identity.sources import own_digest
from brittle.metrics import Estimate, proportion
from brittle.models.weights import load_weights
from brittle.runs.place import beside
from brittle.studies.bench.study import Scale, Setting, sized
from brittle.studies.shared.inference_form import trainable
from brittle.studies.shared.once import trained_once
from brittle.studies.shared.photographs import LINF, batch_of, uniform_in_ball
from brittle.studies.shared.subject import Benchmark, NetworkSource
from brittle.training.accuracy import accuracy
from brittle.training.epoch import Epoch
from brittle.training.fit import fit
from brittle.training.recipe import PlainTraining
from brittle.training.universal_pool import UniversalPool
from brittle.training.weights import save_weights, training_story
from brittle.types import Images, Labels
from brittle.universal_attacks.ascent import UniversalAscent
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.search import Pass, UniversalProblem, find_universal

POOL = 10
"""Perturbations in a pool (Moosavi-Dezfooli et al. 2017)."""
PROBABILITY = 0.5
"""That an image is perturbed in a step."""


@dataclass(frozen=True)
class Size:
    """How much is done at a scale; None for all images.

    Attributes:
        trained: training images.
        tested: test images.
        pool, judge: how many of the training images the perturbations of a pool, and the one that a network is judged
            by, are made from, and how.
    """

    trained: int | None
    tested: int | None
    pool: tuple[int | None, UniversalAscent]
    judge: tuple[int | None, UniversalAscent]


@dataclass(frozen=True)
class Tuned:
    """A network that is fine-tuned, and how.

    Attributes:
        origin: its row, its file and its images; without training images, the test images are halved.
        settings: of the training in each round.
        sizes: by scale.
        own_answers: whether it learns what it says of clean images itself in place of the labels.
    """

    origin: NetworkSource
    settings: PlainTraining
    sizes: Mapping[Scale, Size]
    own_answers: bool = False


class Rounds:
    """A network after each round of fine-tuning; nothing is opened, made or trained before it is asked for.

    What is made is kept in the study's folders, so that a killed study goes on after the last pass or epoch.

    Args:
        tuned: the network.
        setting: what the user chose.
    """

    def __init__(self, tuned: Tuned, setting: Setting):
        self.tuned, self.setting = tuned, setting
        self.size = sized(tuned.sizes, setting.scale)
        self.subject = Benchmark(tuned.origin, setting)
        self._modules: dict[int, nn.Module] = {}

    @cached_property
    def _read(self) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
        """Training images and test images, with their labels."""
        origin, size = self.tuned.origin, self.size
        if origin.training:
            return self._of(origin.training, size.trained), self._of(origin.test, size.tested)
        images, labels = self._of(origin.test, None)
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(self.setting.seed))
        first, second = order.tensor_split(2)
        first, second = first[: size.trained], second[: size.tested]
        return (images[first], labels[first]), (images[second], labels[second])

    def _of(self, name: str, count: int | None) -> tuple[Images, Labels]:
        fit = Fit(*(self.subject.image_shape or (None, None, None)))
        return in_memory(open_source(str(self.setting.data_file(name)), fit=fit, max_images=count))

    def identity(self) -> dict[str, object]:
        """Everything that determines a figure."""
        origin, setting = self.tuned.origin, self.setting
        names = [name for name in (origin.training, origin.test) if name]
        return {
            "network": self.subject.network.digest,
            "data": {name: open_source(str(setting.data_file(name))).digest() for name in names},
            "size": repr(self.size),
            "settings": asdict(self.settings),
            "own answers": self.tuned.own_answers,
            "pool": [POOL, PROBABILITY, repr(LINF)],
            "seed": setting.seed,
            "device": setting.device.partition(":")[0],
        }

    @property
    def settings(self) -> PlainTraining:
        """How each round trains."""
        return replace(self.tuned.settings, seed=self.setting.seed)

    def module(self, number: int) -> nn.Module:
        """Return the network after so many rounds, which are made now unless they are kept."""
        if number not in self._modules:
            module = trainable(Benchmark(self.tuned.origin, self.setting).network.module)
            if number:
                load_weights(
                    module, trained_once(self.setting, self._name(number), lambda path: self._tune(number, path))
                )
            self._modules[number] = module
        return self._modules[number]

    def _name(self, number: int) -> str:
        """The file of the weights after a round."""
        return f"{self._stem}-universal-{number}-{self._key('weights', number)[:12]}.safetensors"

    @property
    def _stem(self) -> str:
        return Path(self.tuned.origin.files[0]).stem

    def _key(self, what: str, *numbers: int) -> str:
        return fingerprint([self.identity(), what, *numbers, own_digest()])

    def _tune(self, number: int, path: Path) -> None:
        """Train the network as the round before left it, on a pool made for it."""
        pool = UniversalPool(self.pool(number - 1).cpu(), PROBABILITY)
        module = trainable(Benchmark(self.tuned.origin, self.setting).network.module)
        module.load_state_dict(self.module(number - 1).state_dict())
        images, labels = self._read[0]
        settings, checkpoint = self.settings, beside(path, ".checkpoint")

        def tell(epoch: Epoch) -> None:
            right = f"{epoch.accuracy:.1%} of the images right, {epoch.seconds:.0f} s"
            self._tell(f"round {number}, epoch {epoch.number} of {settings.epochs}, {right}")

        soft = self.answers if self.tuned.own_answers else None
        history = fit(
            *(module, images, labels),
            settings=settings,
            adversarial=pool,
            soft=soft,
            checkpoint=checkpoint,
            progress=tell,
        )
        data = {"train": self.tuned.origin.training or self.tuned.origin.test}
        save_weights(path, module, training_story(self._stem, f"brittle study, round {number}", history, data))
        Path(checkpoint).unlink(missing_ok=True)

    @cached_property
    def answers(self) -> Tensor:
        """What the network says of the clean training images before all rounds, as probabilities (n, k)."""
        module = self.module(0)
        images = self._read[0][0]
        with torch.no_grad():
            some = images.split(batch_of(images.shape[1:]))
            parts = [module(few.to(self.setting.device)).softmax(1).cpu() for few in some]
        return torch.cat(parts)

    def pool(self, number: int) -> Tensor:
        """Return the perturbations (k, c, h, w) that are made for the network after so many rounds."""
        return torch.stack(
            [self._found(number, f"pool, {one + 1} of {POOL}", one, *self.size.pool) for one in range(POOL)]
        )

    def judge(self, number: int) -> Tensor:
        """Return the perturbation that the network is judged by after so many rounds; it is in no pool."""
        return self._found(number, "a new perturbation", POOL, *self.size.judge)

    def _found(self, number: int, what: str, seed: int, count: int | None, method: UniversalAscent) -> Tensor:
        """Make a perturbation for the network after so many rounds, or take the kept one."""
        images = self._set(number, self._read[0][0][:count])
        seed += self.setting.seed * (POOL + 1)
        problem = UniversalProblem(images.classifier, images.shape, LINF, images, seed)
        key = self._key(repr(method), number, seed, len(images))
        path = self.setting.folder / "perturbations" / f"{self._stem}-{number}-{key[:16]}.safetensors"

        def watch(line: Pass) -> None:
            passes = f"pass {line.number} of {method.most_passes}"
            self._tell(f"after {number} rounds, {what}, {passes}, {line.score:.1%} of X ({line.seconds:.0f} s)")

        return find_universal(method, problem, checkpoint=path, identity=key, watch=watch).tensor

    def _set(self, number: int, images: Images) -> ImageSet:
        return ImageSet(Classifier(self.module(number)), images, batch_of(images.shape[1:]))

    def tested(self, number: int) -> ImageSet:
        """Return the test images as the network after so many rounds sees them."""
        return self._set(number, self._read[1][0])

    def noise(self) -> Tensor:
        """Draw a perturbation uniformly from the ball."""
        generator = torch.Generator().manual_seed(self.setting.seed * 1_000_003)
        return uniform_in_ball(self._read[1][0].shape[1:], LINF, generator)

    def accuracy(self, number: int) -> Estimate:
        """Estimate how many clean test images the network gets right after so many rounds."""
        images, labels = self._read[1]
        return proportion(round(accuracy(self.module(number), images, labels) * len(images)), len(images))

    def counts(self) -> Sequence[int]:
        """How many images it is trained on, its pools and its judge are made from, and it is tested on."""
        trained, tested = (len(images) for images, _ in self._read)
        made = (trained if count is None else min(count, trained) for count, _ in (self.size.pool, self.size.judge))
        return (trained, *made, tested)

    def _tell(self, line: str) -> None:
        self.setting.tell(f"{self.tuned.origin.row}: {line}")
