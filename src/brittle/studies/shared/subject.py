"""Subject: a network of a table with its test images, found or trained when a cell first asks for it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.core.attack import Attack
from brittle.core.inputs import check_range_of_labels
from brittle.core.result import Result
from brittle.core.run import run
from brittle.data import Block, Fit, Source, open_source
from brittle.errors import DataError
from brittle.evaluation.compatibility import VALUES_IN_A_BATCH
from brittle.evaluation.train import train
from brittle.evaluation.training_run import in_memory
from brittle.identity.compare import fingerprint
from brittle.identity.sources import own_digest
from brittle.models import ARCHITECTURES, Network, open_network
from brittle.studies.bench.study import NotGiven, Scale, Setting, sized
from brittle.studies.shared.once import trained_once
from brittle.threats import Threat
from brittle.training.epoch import Epoch
from brittle.training.named import train_named
from brittle.training.recipe import RECIPES, PlainTraining
from brittle.types import Images, Labels, Mask

TIMED_STEPS = 2
"""Steps of training that are timed to tell how long all of them take, after as many that pay for the start."""


class NotAtThisScale(NotGiven):
    """A network is neither given nor trained at the scale asked for."""


@dataclass(frozen=True)
class NetworkSource:
    """Where a network of a table comes from.

    Attributes:
        row: key of the row.
        test: file of test images in the folder of data.
        files: in the folder of networks, the first that exists is taken: a `.pt2` or `.onnx` file, or the weights
            (`.safetensors`) of `architecture`.
        architecture: is trained where no file exists; "" where only files will do.
        training: file of training images in the folder of data.
        epochs: by scale; None for those of the architecture's recipe; a scale that is not named does not train, but
            "full" does as "small" where that is.
        images: test images at the small scale.
        full: the same at full scale; None for all, 0 for as many as at the small scale.
    """

    row: str
    test: str
    files: tuple[str, ...] = ()
    architecture: str = ""
    training: str = ""
    epochs: tuple[tuple[Scale, int | None], ...] = ()
    images: int = 1000
    full: int | None = 0


class Benchmark:
    """A network with its test images; nothing is opened, trained or read before it is asked for.

    Args:
        origin: where the network comes from.
        setting: what the user chose.
    """

    def __init__(self, origin: NetworkSource, setting: Setting):
        self.origin, self.setting = origin, setting

    @property
    def given(self) -> Path | None:
        """The network's file in the folder of networks; None where there is none."""
        found = (self.setting.model_file(name) for name in self.origin.files)
        return next((path for path in found if path is not None), None)

    @property
    def trains(self) -> bool:
        """Whether the study trains this network itself."""
        also: Scale = "small" if self.setting.scale == "full" else self.setting.scale
        return self.given is None and bool({self.setting.scale, also} & set(dict(self.origin.epochs)))

    @cached_property
    def network(self) -> Network:
        """The network.

        Raises:
            ModelError: a file that is no network.
            NotGiven: no file, and it is not trained at this scale; or training images are missing.
        """
        path, architecture, device = self.given, self.origin.architecture, self.setting.device
        if path is not None and path.suffix != ".safetensors":
            return open_network(str(path), device=device)
        if path is not None:
            return open_network(architecture, weights=path, device=device)
        if not self.trains:
            raise NotAtThisScale(self._missing())
        return open_network(architecture, weights=self._trained(), device=device)

    def _missing(self) -> str:
        names = " or ".join(self.origin.files)
        if self.setting.models is None:
            return f"needs {names}: give the folder that holds it with --models (or BRITTLE_MODELS)"
        return f"needs {names}, which is not in the folder given with --models, {self.setting.models}"

    def _trained(self) -> Path:
        """The folder of the training, made now unless an earlier run has done so; a killed one goes on."""
        origin, setting = self.origin, self.setting
        epochs, data = sized(dict(origin.epochs), setting.scale), setting.data_file(origin.training)
        recipe = self._recipe(epochs)
        device = setting.device.partition(":")[0]
        identity_fields = [asdict(recipe), open_source(str(data)).digest(), device, own_digest()]
        name = f"{origin.architecture}-{fingerprint(identity_fields)[:12]}"

        def make(path: Path) -> None:
            setting.tell(f"{origin.row}: training {origin.architecture}, {recipe.epochs} epochs")
            train(
                origin.architecture,
                str(data),
                path,
                epochs=epochs,
                device=setting.device,
                seed=setting.seed,
                progress=lambda epoch: self.tell_epoch(epoch, recipe.epochs),
            )

        return trained_once(setting, name, make)

    def story(self) -> str:
        """Where the network came from, in a sentence."""
        weights = f"{self.network.parameters:,} weights"
        if self.given is not None:
            return f"Network from {self.given.name} ({weights})."
        epochs = self._recipe(sized(dict(self.origin.epochs), self.setting.scale)).epochs
        return f"Trained by the study, {epochs} epochs on {self.origin.training} ({weights})."

    def _recipe(self, epochs: int | None) -> PlainTraining:
        recipe = RECIPES.get(self.origin.architecture, PlainTraining())
        return replace(recipe, epochs=epochs or recipe.epochs, seed=self.setting.seed)

    def tell_epoch(self, epoch: Epoch, epochs: int, which: str = "training") -> None:
        """Tell that an epoch of so many is done, and how many of which images it got right."""
        accuracy = f"{epoch.accuracy:.1%} of the {which} images right"
        self.setting.tell(f"{self.origin.row}: epoch {epoch.number} of {epochs}, {accuracy}, {epoch.seconds:.0f} s")

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """Channels, height and width of the images; None for any."""
        return self.network.input_shape

    @cached_property
    def source(self) -> Source:
        """The test images, fitted to the network.

        Raises:
            DataError: there are none, or they have no labels.
        """
        origin = self.origin
        sizes = {"small": origin.images, "full": origin.images if origin.full == 0 else origin.full, "paper": None}
        max_images = sizes[self.setting.scale]
        shape = self.image_shape or (None, None, None)
        source = open_source(str(self.setting.data_file(self.origin.test)), fit=Fit(*shape), max_images=max_images)
        if not len(source) or not source.labelled:
            raise DataError(f"{source.spec} holds no labelled images")
        return source

    @cached_property
    def classifier(self) -> Classifier:
        """The network as attacks see it."""
        return Classifier(self.network.module)

    @property
    def batch(self) -> int:
        """Images in one pass: by their size, as an audit does."""
        shape = self.network.input_shape or (3, 224, 224)
        channels, height, width = shape
        room = max(1, VALUES_IN_A_BATCH // (channels * height * width))
        return max(16, min(256, 1 << (room.bit_length() - 1)))

    def blocks(self, doing: str) -> Iterator[Block]:
        """Stream the test images a batch at a time, telling what is being done with them."""
        done, total = 0, len(self.source)
        for block in self.source.blocks(self.batch):
            check_range_of_labels(block.labels, self.classes(block.images))
            yield block
            done += len(block)
            self.setting.tell(f"{self.origin.row}: {doing}, {done:,} of {total:,} images")

    def attacked(
        self, attack: Attack, block: Block, threat: Threat, *, classifier: Classifier | None = None, **options: Any
    ) -> Result:
        """Attack a block of the test images, with the study's seed and each image's own random numbers.

        Args:
            attack: the method.
            block: as `blocks` yields it.
            threat: of the attack.
            classifier: another one than the network's own, such as a defended one.
            **options: of `run`.
        """
        classifier = self.classifier if classifier is None else classifier
        images = block.images.to(classifier.device, classifier.dtype)
        given: dict[str, Any] = {"threat": threat, "seed": self.setting.seed, "batch": self.batch, "ids": block.index}
        return run(attack, classifier, images, block.labels, **given, **options)

    def classes(self, images: Images) -> int:
        """How many classes the network knows, seen on the first of some images once and then remembered."""
        if self._classes is None:
            images = images[:1].to(self.classifier.device, self.classifier.dtype)
            logits = self.classifier.logits(images).detach()
            self.classifier.check(logits, images)
            self._classes = logits.shape[1]
        return self._classes

    _classes: int | None = None

    @torch.no_grad()
    def right(self, images: Images, labels: Labels) -> Mask:
        """Say which images the network gets right; on the CPU, where images and labels are."""
        classifier = self.classifier
        return classifier.logits(images.to(classifier.device, classifier.dtype)).argmax(1).cpu() == labels

    def count_right(self, doing: str) -> tuple[int, int]:
        """Count the test images that the network gets right, and all of them."""
        right, count = 0, 0
        for block in self.blocks(doing):
            right += int(self.right(block.images, block.labels).sum())
            count += len(block)
        return right, count

    def first_right(self, count: int) -> tuple[Images, Labels, Tensor]:
        """Return the first test images that the network gets right, their labels and their positions.

        Raises:
            DataError: it gets none right.
        """
        parts: list[tuple[Images, Labels, Tensor]] = []
        for block in self.blocks("looking for images that it gets right"):
            right = self.right(block.images, block.labels).nonzero()[:, 0]
            parts.append((block.images[right], block.labels[right], block.index[right]))
            if sum(len(labels) for _, labels, _ in parts) >= count:
                break
        images, labels, index = (torch.cat(column)[:count] for column in zip(*parts, strict=True))
        if not len(images):
            raise self.none_right()
        return images, labels, index

    def none_right(self) -> DataError:
        """Say that the network gets no test image right."""
        return DataError(f"{self.origin.row} gets none of the {len(self.source):,} test images right")

    def identity(self) -> dict[str, object]:
        """Everything of network and images that determines a figure."""
        return {
            "network": self.network.digest,
            "data": self.source.digest(),
            "images": len(self.source),
            "fit": asdict(self.source.fit),
            "seed": self.setting.seed,
            "device": self.setting.device.partition(":")[0],
        }

    def training_hours(self) -> tuple[float, PlainTraining, int]:
        """Estimate how long the full training takes here by timing a few of its steps.

        Returns:
            Hours, the recipe, and the number of training images.

        Raises:
            DataError: the training images are missing.
        """
        recipe, design = self._recipe(None), ARCHITECTURES[self.origin.architecture]
        data, few = str(self.setting.data_file(self.origin.training)), TIMED_STEPS * recipe.batch
        images, labels = in_memory(open_source(data, fit=Fit(*design.input_shape), max_images=few))
        timed = replace(recipe, epochs=2)
        _, history = train_named(design, images, labels, settings=timed, device=self.setting.device)
        count = len(open_source(data))
        seconds = history.epochs[1].seconds / len(images) * count * recipe.epochs
        return seconds / 3600, recipe, count
