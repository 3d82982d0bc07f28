"""The small MNIST networks of Szegedy et al. 2014, trained by a study when one of its cells first asks for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from brittle.classifiers.classifier import Classifier
from brittle.data import Fit, open_source
from brittle.evaluation.training_run import in_memory
from brittle.identity.compare import fingerprint
from brittle.identity.sources import own_digest
from brittle.models import ARCHITECTURES
from brittle.models.weights import load_weights
from brittle.runs.place import beside
from brittle.studies.bench.study import Scale, Setting, sized
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
SPARSITY = Sparsity(target=0.1, weight=3.0)
CODE_TRAINING = PlainTraining(epochs=20, batch=128, rate=2e-3, decay=3e-3, threads=1)
"""How the encoder is trained; the paper says that its filters were of very high quality, and were left as they were.

Sparsity and penalty are those of the exercises to Ng's lecture notes (CS294A, 2011) on these digits: 0.1, 3 and 3e-3.
Without the penalty and with a weight of 0.3 the filters are noisy, and AE400-10 then errs on 40.9 % of 1,000 training
images under noise of stddev 0.3, where the paper has 3.1 %.
"""


@dataclass(frozen=True)
class Model:
    """A network of a table.

    Attributes:
        key: its name in the table.
        architecture: a key of `ARCHITECTURES`.
        penalty: lambda of the penalty lambda sum w^2, over weights and biases, that is added to the loss.
        last: the same of the softmax layer, where it is another; None where it is not.
        half: None for all training images, 0 for those at even positions, 1 for those at odd ones.
        code: whether its hidden layer is first trained as a sparse autoencoder's, and then left as it is.
    """

    key: str
    architecture: str
    penalty: float
    last: float | None = None
    half: int | None = None
    code: bool = False

    def decays(self, module: nn.Module) -> list[tuple[nn.Linear, float]]:
        """Return the layers of the network with the derivative of their penalty, 2 lambda, for a weight of 1."""
        layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
        penalties = [self.penalty] * (len(layers) - 1) + [self.penalty if self.last is None else self.last]
        return [(layer, 2 * one) for layer, one in zip(layers, penalties, strict=True)]


class SmallNetworks:
    """Networks with their training and test images; nothing is read or trained before it is asked for.

    Args:
        models: the networks; each starts from random weights of its own.
        setting: what the user chose.
        split: the file of the images that are changed, `TRAINING` or `TEST`.
        sizes: how many of them by scale; None for all.
    """

    def __init__(self, models: Sequence[Model], setting: Setting, split: str, sizes: Mapping[Scale, int | None]):
        self.models = {model.key: model for model in models}
        self.setting, self._split, self._size = setting, split, sized(sizes, setting.scale)
        self._classifiers: dict[str, Classifier] = {}

    @cached_property
    def shown(self) -> tuple[Images, Labels]:
        """The images that are changed and their labels, on the device.

        Raises:
            DataError: there are none.
        """
        images, labels = self._read(self._split, self._size)
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
        return {
            "networks": [self._decisive(model) for model in self.models.values()],
            "data": self._data((TRAINING, self._split)),
            "images": self._size or "all",
            "seed": self.setting.seed,
            "device": self.setting.device.partition(":")[0],
        }

    def _data(self, names: Sequence[str]) -> Mapping[str, str]:
        return {name: open_source(str(self.setting.data_file(name))).digest() for name in names}

    def classifier(self, key: str) -> Classifier:
        """Return a network, trained now unless an earlier run has done so."""
        if key not in self._classifiers:
            self._classifiers[key] = Classifier(self._module(self.models[key]))
        return self._classifiers[key]

    def story(self, key: str) -> str:
        """How a network was trained, in a sentence or two."""
        model = self.models[key]
        epochs = self._recipe(model).epochs
        part = {None: "all", 0: "every second one (even positions)", 1: "every second one (odd positions)"}[model.half]
        encoder = (
            f"its code {CODE_TRAINING.epochs} epochs as a sparse autoencoder, then its softmax layer "
            if model.code
            else ""
        )
        last = "" if model.last is None else f", {model.last:g} for the softmax layer"
        return f"Trained by the study, {encoder}{epochs} epochs on {part} of {TRAINING}; λ = {model.penalty:g}{last}."

    def _recipe(self, model: Model) -> PlainTraining:
        """The penalty is not in it: it differs by layer."""
        return replace(RECIPES[model.architecture], decay=0.0, seed=self._seed(model))

    def _code_recipe(self, model: Model) -> PlainTraining | None:
        return replace(CODE_TRAINING, seed=self._seed(model)) if model.code else None

    def _seed(self, model: Model) -> int:
        return self.setting.seed * len(self.models) + list(self.models).index(model.key)

    def _decisive(self, model: Model) -> Mapping[str, object]:
        code = self._code_recipe(model)
        return {
            "key": model.key,
            "architecture": model.architecture,
            "half": model.half,
            "penalties": [model.penalty, model.last],
            "training": asdict(self._recipe(model)),
            "code": code and {**asdict(code), "sparsity": asdict(SPARSITY)},
        }

    def _module(self, model: Model) -> nn.Module:
        recipe, device = self._recipe(model), self.setting.device
        given = {"data": self._data((TRAINING,)), "device": device.partition(":")[0]}
        digest = fingerprint({**self._decisive(model), **given, "brittle's code": own_digest()})[:12]
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
            optimiser=penalised(model, module, recipe),
            schedule=lambda progress: recipe.rate_at(progress) / recipe.rate,
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


def penalised(
    model: Model, module: nn.Module, recipe: PlainTraining
) -> Callable[[Sequence[nn.Parameter]], torch.optim.Optimizer]:
    """Return what makes the recipe's optimiser with the penalty of each layer."""

    def made(weights: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        decays = {id(weight): decay for layer, decay in model.decays(module) for weight in layer.parameters()}
        groups = [{"params": [weight], "weight_decay": decays[id(weight)]} for weight in weights]
        if recipe.optimiser == "adam":
            return torch.optim.Adam(groups, recipe.rate)
        return torch.optim.SGD(groups, recipe.rate, recipe.momentum, nesterov=recipe.momentum > 0)

    return made
