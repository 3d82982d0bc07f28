"""`train` for generative models: from images to a folder with weights and their story."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from brittle.arguments import Device, check_fields, fitted
from brittle.data import Fit, Source
from brittle.errors import DataError, InputError
from brittle.evaluation.command import command_words
from brittle.evaluation.spec import with_settings
from brittle.evaluation.subject import open_images
from brittle.evaluation.trained import Trained, finished, save
from brittle.evaluation.training_manifest import manifest_of
from brittle.files import as_out
from brittle.models.generative import WGAN, PixelCNN
from brittle.names import in_shell
from brittle.runs.kinds import TRAINING
from brittle.runs.manifest_info import said_of_images
from brittle.runs.place import check_folder, files_named
from brittle.runs.results import TrainingFolder
from brittle.specs import Asked, DataSpec
from brittle.training.epoch import Epoch
from brittle.training.generative import CriticWithPenalty, MaximumLikelihood, identity_of_generative, train_generative
from brittle.training.named import seeded
from brittle.training.recipe import PlainTraining
from brittle.training.weights import training_story
from brittle.types import Images


@dataclass(frozen=True)
class PixelCNNSizes:
    """The sizes of a PixelCNN, as in `brittle.models.generative.PixelCNN`; `size` is the side of its images.

    Attributes:
        size: pixels of a side that images are brought to; 0 leaves them as they are.
    """

    width: int = 24
    depth: int = 3
    mixtures: int = 5
    levels: int = 256
    reach: int = 3
    size: int = 0

    def __post_init__(self):
        check_fields(self)

    def build(self, shape: tuple[int, int, int]) -> PixelCNN:
        """Return a new network for images of a shape."""
        return PixelCNN(shape[0], self.width, self.depth, self.mixtures, self.levels, self.reach)

    @property
    def lesson(self) -> MaximumLikelihood:
        """What its training does in a step."""
        return MaximumLikelihood()


@dataclass(frozen=True)
class WGANSizes:
    """The sizes of a WGAN, as in `brittle.models.generative.WGAN`, and the settings of its training.

    Attributes:
        size: pixels of a side that images are brought to; 0 leaves them as they are.
    """

    latent: int = 64
    features: int = 24
    penalty: float = 10.0
    critic_steps: int = 3
    size: int = 0

    def __post_init__(self):
        check_fields(self)
        if self.critic_steps < 1 or not self.penalty >= 0:
            raise InputError(
                f"critic_steps is {self.critic_steps} and penalty {self.penalty}; expected at least 1, and at least 0"
            )

    def build(self, shape: tuple[int, int, int]) -> WGAN:
        """Return new networks for images of a shape."""
        return WGAN(*shape, latent=self.latent, features=self.features)

    @property
    def lesson(self) -> CriticWithPenalty:
        """What its training does in a step."""
        return CriticWithPenalty(self.penalty, self.critic_steps)


Sizes = PixelCNNSizes | WGANSizes
GENERATIVE: dict[str, tuple[Sizes, PlainTraining]] = {
    "pixelcnn": (
        PixelCNNSizes(),
        PlainTraining(epochs=4, batch=16, optimiser="adam", rate=2e-3, decay=0.0, threads=1),
    ),
    "wgan": (
        WGANSizes(),
        PlainTraining(epochs=15, batch=32, optimiser="adam", rate=5e-4, decay=0.0, threads=1),
    ),
}
"""What can be trained beside `ARCHITECTURES`, with its sizes and its recipe."""
MEANINGS = {
    "pixelcnn": "generative, for pixeldefend: needs `brittle train`",
    "wgan": "generative, for defense-gan: needs `brittle train`",
}
"""What each is for."""


@dataclass(frozen=True)
class GenerativePlan:
    """What is trained, and how."""

    name: str
    sizes: Sizes
    settings: PlainTraining

    @classmethod
    def of(cls, name: str, text: str, epochs: int | None, seed: int | None) -> "GenerativePlan":
        """Read `FIELD=VALUE,...` of sizes and settings.

        Raises:
            InputError: an unknown field or a wrong value.

        Example:
            >>> GenerativePlan.of("wgan", "latent=8,rate=0.001", None, None).sizes.latent
            8
        """
        sizes, settings = GENERATIVE[name]
        own = {field.name for field in fields(sizes)}
        options = [option.strip() for option in text.split(",") if option.strip()]
        sizes = with_settings(sizes, ",".join(one for one in options if _field(one) in own))
        settings = with_settings(settings, ",".join(one for one in options if _field(one) not in own))
        settings = replace(settings, epochs=epochs or settings.epochs, seed=settings.seed if seed is None else seed)
        if settings.workers > 1:
            raise InputError(f"workers is {settings.workers}, and {name} is trained by one process; leave it out")
        return cls(name, sizes, settings)


def _field(option: str) -> str:
    return option.partition("=")[0].replace("-", "_")


@dataclass(frozen=True)
class _Design:
    """What a manifest says of the network."""

    name: str
    input_shape: tuple[int, int, int]
    construct: Callable[[], nn.Module]

    def build(self) -> nn.Module:
        return self.construct()


def train_by_images(
    asked: Asked,
    path: Path,
    text: str,
    epochs: int | None,
    beside: Mapping[str, object],
    **told: Any,
) -> Trained:
    """Train what `train` was asked for by one of the names in `GENERATIVE`.

    Args:
        asked: its name, the images, seed and device.
        path: the folder.
        text: fields of its sizes and of `PlainTraining` to change, `FIELD=VALUE,...`.
        epochs: instead of the recipe's own number.
        beside: other options by name, none of which may be given.
        **told: force, progress and watch, as in `train`.

    Raises:
        InputError: an option that means nothing here.
        BrittleError: as `train`.
    """
    name, data, effort = str(asked.model.spec), asked.data, asked.effort
    beside = {**beside, "norm": asked.question.threat, "eps": asked.question.radius}
    if said := [option for option, value in beside.items() if value]:
        raise InputError(f"{said[0]} is given, and a {name} learns from images alone, without labels; leave it out")
    plan = GenerativePlan.of(name, text, epochs, effort.seed)
    given = {"out": as_out(path), "set": text, "epochs": epochs, "max_images": data.max_images}
    given |= {"device": None if effort.device == "cpu" else effort.device, "seed": effort.seed}
    return fit_generative(
        *(plan, data, path, lambda source: command_words(["train", name], {"data": source.spec, **given})),
        device=fitted("device", effort.device or "cpu", Device),
        **told,
    )


def fit_generative(  # noqa: PLR0913  # each of these is a question of its own
    plan: GenerativePlan,
    data: DataSpec,
    path: Path,
    command: Callable[[Source], Sequence[str]],
    *,
    device: str = "cpu",
    force: bool = False,
    progress: Callable[[Epoch], None] | None = None,
    watch: Callable[[float], None] | None = None,
) -> Trained:
    """Train a generative model on a source of images of one shape, and save its weights and their course.

    Args:
        plan: what is trained, and how.
        data: images, whose labels play no part.
        path: the folder.
        command: from the opened images to what the user typed, word by word.
        device: where to train.
        force: replace what another training made.
        progress: called after every epoch.
        watch: called after every step with the fraction of the epoch that is done.

    Raises:
        BrittleError: as `train`.
    """
    side = plan.sizes.size or None
    source = open_images(data, Fit(None, side, side))
    check_folder(path, TRAINING, files_named(source.spec, None))
    images, lesson = all_images(source), plan.sizes.lesson
    shape = (images.shape[1], images.shape[2], images.shape[3])
    design = _Design(plan.name, shape, lambda: plan.sizes.build(shape))
    first = seeded(design.build, plan.settings.seed)
    stated: dict[str, Any] = json.loads(identity_of_generative(first, images, plan.settings, lesson))
    stated["settings"] |= asdict(plan.sizes)
    words = command(source)
    manifest = manifest_of(design, first, stated, source, None, command=list(words), device=device)
    with TrainingFolder.create(path, manifest, force=force) as folder:
        done = finished(folder, plan.settings, None)
        if done is None:
            module = seeded(design.build, plan.settings.seed).to(device)
            history = train_generative(
                *(module, images, lesson),
                settings=plan.settings,
                checkpoint=folder.checkpoint,
                progress=progress,
                watch=watch,
            )
            said = said_of_images(len(source), source.conversions(), source.skipped, [])
            about = {"train": source.spec, "train_digest": source.digest(), **({"said": list(said)} if said else {})}
            story = training_story(plan.name, in_shell(words), history, about)
            story |= {"design": design_of(module), "objective": lesson.objective}
            done = save(folder, module, story, history, (None, None), said)
        folder.finish()
    return done


def design_of(module: nn.Module) -> dict[str, int]:
    """Return the sizes that such a network is made with, for those who open its weights."""
    if not isinstance(module, PixelCNN | WGAN):
        raise TypeError(f"{type(module).__name__} is no generative model")
    return module.design


def all_images(source: Source) -> Images:
    """Return all images of a source at once.

    Raises:
        DataError: there are none.
    """
    if not len(source):
        raise DataError(f"{source.spec} has no images; training needs some")
    return torch.cat([block.images for block in source.blocks(1000)])
