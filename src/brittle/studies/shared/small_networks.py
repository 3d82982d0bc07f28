"""The small MNIST networks of Szegedy et al. 2014, trained by a study when one of its cells first asks for them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from torch import nn

from brittle.classifiers.classifier import Classifier
from brittle.data import Fit, open_source
from brittle.evaluation.training_run import in_memory
from brittle.identity.compare import fingerprint
from brittle.identity.sources import own_digest
from brittle.models import ARCHITECTURES
from brittle.models.weights import load_weights
from brittle.runs.place import beside
from brittle.studies.bench.study import Setting
from brittle.studies.shared.once import trained_once
from brittle.training.autoencoder import Sparsity, train_autoencoder
from brittle.training.epoch import Epoch
from brittle.training.fit import fit
from brittle.training.named import seeded
from brittle.training.recipe import RECIPES, PlainTraining
from brittle.training.weights import save_weights, training_story
from brittle.types import Images, Labels

TRAINING, TEST = "mnist/train.parquet", "mnist/test.parquet"
CODE = 4
"""The first so many parts of `ae400-10` are its encoder."""
SPARSITY = Sparsity()
CODE_TRAINING = PlainTraining(epochs=40, batch=128, rate=2e-3, decay=0.0, threads=1)
"""How the encoder is trained; the paper says that its filters were of very high quality, and were left as they were."""


@dataclass(frozen=True)
class Model:
    """A network of a table.

    Attributes:
        key: its name in the table.
        architecture: a key of `ARCHITECTURES`.
        penalty: lambda of the penalty lambda sum w^2 that is added to the loss.
        epochs: at the small scale; at the paper's those of the recipe.
        half: None for all training images, 0 for those at even positions, 1 for those at odd ones.
        code: epochs of the autoencoder at the small scale; 0 where there is none.
    """

    key: str
    architecture: str
    penalty: float
    epochs: int
    half: int | None = None
    code: int = 0


class SmallNetworks:
    """Networks with their training and test images; nothing is read or trained before it is asked for.

    Args:
        models: the networks; each starts from random weights of its own.
        setting: what the user chose.
        images: test images at the small scale.
    """

    def __init__(self, models: Sequence[Model], setting: Setting, images: int):
        self.models = {model.key: model for model in models}
        self.setting, self._images = setting, images
        self._classifiers: dict[str, Classifier] = {}

    @cached_property
    def test(self) -> tuple[Images, Labels]:
        """The test images and their labels, on the device.

        Raises:
            DataError: there are none.
        """
        max_images = self._images if self.setting.scale != "paper" else None
        images, labels = self._read(TEST, max_images)
        return images.to(self.setting.device), labels.to(self.setting.device)

    @cached_property
    def training(self) -> tuple[Images, Labels]:
        """The training images and their labels.

        Raises:
            DataError: there are none.
        """
        self.setting.tell(f"reading {TRAINING}")
        return self._read(TRAINING, None)

    def _read(self, name: str, max_images: int | None) -> tuple[Images, Labels]:
        return in_memory(open_source(str(self.setting.data_file(name)), fit=Fit(1, 28, 28), max_images=max_images))

    def identity(self) -> Mapping[str, object]:
        """Everything of networks and images that determines a figure."""
        data = {name: open_source(str(self.setting.data_file(name))).digest() for name in (TRAINING, TEST)}
        return {
            "networks": [self._decisive(model) for model in self.models.values()],
            "data": data,
            "images": self._images if self.setting.scale != "paper" else "all",
            "seed": self.setting.seed,
            "device": self.setting.device.partition(":")[0],
        }

    def classifier(self, key: str) -> Classifier:
        """Return a network, trained now unless an earlier run has done so."""
        if key not in self._classifiers:
            self._classifiers[key] = Classifier(self._module(self.models[key]))
        return self._classifiers[key]

    def story(self, key: str) -> str:
        """How a network was trained, in a sentence or two."""
        model = self.models[key]
        training, code = self._recipe(model), self._code_recipe(model)
        part = {None: "all", 0: "every second one (even positions)", 1: "every second one (odd positions)"}[model.half]
        encoder = f"its code {code.epochs} epochs as a sparse autoencoder, then its softmax layer " if code else ""
        return (
            f"Trained by the study, {encoder}{training.epochs} epochs on {part} of {TRAINING}; λ = {model.penalty:g}."
        )

    def _recipe(self, model: Model) -> PlainTraining:
        """The decay is the penalty's derivative, 2 lambda w."""
        recipe = RECIPES[model.architecture]
        epochs = model.epochs if self.setting.scale != "paper" else recipe.epochs
        return replace(recipe, epochs=epochs, decay=2 * model.penalty, seed=self._seed(model))

    def _code_recipe(self, model: Model) -> PlainTraining | None:
        if not model.code:
            return None
        epochs = model.code if self.setting.scale != "paper" else CODE_TRAINING.epochs
        return replace(CODE_TRAINING, epochs=epochs, seed=self._seed(model))

    def _seed(self, model: Model) -> int:
        return self.setting.seed * len(self.models) + list(self.models).index(model.key)

    def _decisive(self, model: Model) -> Mapping[str, object]:
        code = self._code_recipe(model)
        return {
            "key": model.key,
            "architecture": model.architecture,
            "half": model.half,
            "training": asdict(self._recipe(model)),
            "code": code and {**asdict(code), "sparsity": asdict(SPARSITY)},
        }

    def _module(self, model: Model) -> nn.Module:
        given = {name: self.identity()[name] for name in ("data", "device")}
        identity = {**self._decisive(model), **given, "brittle's code": own_digest()}
        digest = fingerprint(identity)[:12]
        recipe, device = self._recipe(model), self.setting.device
        name = f"{model.architecture}-{digest}.safetensors"
        path = trained_once(self.setting, name, lambda path: self._train(model, path))
        module = seeded(ARCHITECTURES[model.architecture].build, recipe.seed).to(device)
        load_weights(module, path)
        return module.eval()

    def _train(self, model: Model, path: Path) -> None:
        """Train a network and write its weights; a killed training goes on."""
        recipe = self._recipe(model)
        module = seeded(ARCHITECTURES[model.architecture].build, recipe.seed).to(self.setting.device)
        images, labels = (whole[model.half :: 2] if model.half is not None else whole for whole in self.training)
        self._train_code(model, module, images)
        checkpoint = beside(path, ".checkpoint")
        history = fit(
            module,
            images,
            labels,
            settings=recipe,
            checkpoint=checkpoint,
            progress=lambda epoch: self._tell_epoch(model, epoch, recipe.epochs),
        )
        story = training_story(model.architecture, f"brittle study, {model.key}", history, {"train": TRAINING})
        save_weights(path, module, story)
        Path(checkpoint).unlink(missing_ok=True)

    def _train_code(self, model: Model, module: nn.Module, images: Images) -> None:
        """Train the encoder, where there is one, to give the images back, and hold it fast."""
        recipe = self._code_recipe(model)
        if recipe is None:
            return
        encoder = nn.Sequential(*list(module.children())[:CODE])
        train_autoencoder(
            encoder,
            images,
            settings=recipe,
            sparsity=SPARSITY,
            progress=lambda number, error: self.setting.tell(
                f"{model.key}: epoch {number} of {recipe.epochs} of the autoencoder, error {error:.2f}"
            ),
        )
        encoder.requires_grad_(False)

    def _tell_epoch(self, model: Model, epoch: Epoch, epochs: int) -> None:
        accuracy = f"{epoch.accuracy:.1%} of the training images right"
        self.setting.tell(f"{model.key}: epoch {epoch.number} of {epochs}, {accuracy}, {epoch.seconds:.0f} s")
