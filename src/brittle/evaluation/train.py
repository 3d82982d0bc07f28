"""`train`: from an architecture's name and labelled images to a file of weights."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from brittle.core.classifier import Classifier
from brittle.core.run import run
from brittle.data import Fit, Source, open_source
from brittle.errors import DataError, InputError
from brittle.evaluation.class_names import match_classes
from brittle.evaluation.command import command_line
from brittle.evaluation.manifest_info import said_of_images
from brittle.evaluation.plan import DEFAULT_RADIUS, plan
from brittle.evaluation.radius import check_reach
from brittle.evaluation.recipes import adversarial_recipe
from brittle.evaluation.spec import with_settings
from brittle.files import check_names, write_atomically
from brittle.metrics import Estimate, proportion
from brittle.models import ARCHITECTURES
from brittle.names import stored_within
from brittle.training.adversarial import AdversarialTraining
from brittle.training.epoch import Epoch
from brittle.training.plain import Design, History, accuracy, train_named
from brittle.training.recipe import RECIPES, PlainTraining
from brittle.training.weights import save_weights, training_story
from brittle.types import Images, Labels

ATTACKED = 1000
"""Most test images that are attacked after a training."""


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    Attributes:
        path: the weights.
        course: the file of all epochs, JSON, beside them.
        history: the epochs.
        accuracy: on the test images; None without.
        robust: fraction of the first `ATTACKED` test images that are right and stay so under the attack of the
            training; None without test images, attack or radius.
        said: what was done to the images on their way to the network, and what was passed over, in sentences.
    """

    path: Path
    course: Path
    history: History
    accuracy: Estimate | None
    robust: Estimate | None
    said: tuple[str, ...] = ()


def train(  # noqa: PLR0913  # one parameter for each option of the command of the same name
    network: str,
    data: str,
    out: Path | str,
    *,
    test: str | None = None,
    recipe: str | None = None,
    settings: str = "",
    epochs: int | None = None,
    attack: str | None = None,
    norm: str = "linf",
    eps: float | None = None,
    share: float = 1.0,
    warmup: float = 0.0,
    clean_epochs: int = 0,
    limit: int | None = None,
    device: str = "cpu",
    seed: int | None = None,
    progress: Callable[[Epoch], None] | None = None,
    watch: Callable[[float], None] | None = None,
) -> Trained:
    """Train a built-in architecture on labelled images and save its weights.

    Killed at any moment and called again, it goes on after the last finished epoch; the same call gives the same file.

    Args:
        network: the name of an architecture.
        data: what `open_source` understands.
        out: the safetensors file to write; a checkpoint lies beside it meanwhile, `NAME.training.json` afterwards.
        test: images to measure the accuracy on afterwards.
        recipe: an adversarial training by name (`ADVERSARIAL_RECIPES`), in place of the attack and its options.
        settings: fields of `PlainTraining` to change, `FIELD=VALUE,...`.
        epochs: instead of the recipe's own number.
        attack: trains on what this attack makes of the images, as text.
        norm: of the attack, as in `audit`.
        eps: radius of the attack; by default the norm's usual one, or none for attacks that need none.
        share: fraction of each batch that is attacked.
        warmup: epochs over which the radius grows from 0.
        clean_epochs: first epochs without the attack.
        limit: use the first so many images.
        device: where to train.
        seed: of weights, order, augmentation and attacks, instead of 0.
        progress: called after every epoch.
        watch: called after every step with the fraction of the epoch that is done.

    Returns:
        The files, the epochs and what was measured on `test`.

    Raises:
        BrittleError: anything that cannot be meant or done.
    """
    if network not in ARCHITECTURES:
        raise InputError(f"there is no architecture {network!r}; there are {', '.join(ARCHITECTURES)}")
    design, path = ARCHITECTURES[network], Path(out)
    check_names(path, *(path.with_suffix(ending) for ending in (".checkpoint", ".training.json")))
    options = {"share": share, "warmup": warmup, "clean_epochs": clean_epochs}
    adversarial = _adversarial(recipe, attack, norm, eps, options)
    chosen = adversarial_recipe(recipe).settings if recipe else RECIPES.get(network, PlainTraining())
    chosen = with_settings(chosen, settings)
    chosen = replace(chosen, epochs=epochs or chosen.epochs, seed=chosen.seed if seed is None else seed)
    source = open_source(data, fit=Fit(*design.input_shape), limit=limit)
    if adversarial is not None:
        check_reach(adversarial.threat, design.input_shape)
    given: dict[str, Any] = {"data": data, "out": path.name, "test": test, "recipe": recipe, "set": settings}
    given |= {"epochs": epochs, "attack": attack, "eps": eps, **_changed(options), "norm": norm if attack else None}
    given |= {"limit": limit, "device": None if device == "cpu" else device, "seed": seed}
    command = command_line(["train", network], given)
    return fit_and_save(
        *(design, source, path, command),
        settings=chosen,
        adversarial=adversarial,
        test=test,
        device=device,
        progress=progress,
        watch=watch,
    )


def fit_and_save(  # noqa: PLR0913  # each of these is a question of its own
    design: Design,
    source: Source,
    path: Path,
    command: str,
    *,
    settings: PlainTraining,
    adversarial: AdversarialTraining | None = None,
    test: str | None = None,
    device: str = "cpu",
    progress: Callable[[Epoch], None] | None = None,
    watch: Callable[[float], None] | None = None,
) -> Trained:
    """Train an architecture on a source of its shape, and save its weights and their course; `train` in values.

    Args:
        design: the architecture.
        source: labelled images.
        path: the file of weights; a checkpoint lies beside it meanwhile, `NAME.training.json` afterwards.
        command: what the user typed, for the story that the file tells.
        settings: of the training.
        adversarial: what is done to the images before each step.
        test: images to measure the accuracy on afterwards.
        device: where to train.
        progress: called after every epoch.
        watch: called after every step with the fraction of the epoch that is done.

    Returns:
        The files, the epochs and what was measured on `test`.

    Raises:
        BrittleError: as `train`.
    """
    checkpoint = path.with_suffix(".checkpoint")
    said = said_of_images(len(source), source.conversions(), source.skipped, ())
    module, history = train_named(
        *(design, *in_memory(source)),
        settings=settings,
        adversarial=adversarial,
        checkpoint=checkpoint,
        device=device,
        progress=progress,
        watch=watch,
    )
    measured, robust = _measured(test, source.classes, design.input_shape, module, history)
    about: dict[str, object] = {"train": source.spec, "train_digest": source.digest()}
    about |= {"classes": list(source.classes)} if source.classes else {}
    about |= {"said": said} if said else {}
    about |= {"test": test, "test_accuracy": measured.value} if measured else {}
    about |= {"robust_accuracy": asdict(robust)} if robust else {}
    story = training_story(design.name, command, history, about)
    save_weights(path, module, story)
    course = path.with_suffix(".training.json")
    write_atomically(
        course,
        json.dumps(stored_within({**story, "epochs": [asdict(one) for one in history.epochs]}), indent=1).encode(),
    )
    checkpoint.unlink(missing_ok=True)
    return Trained(path, course, history, measured, robust, tuple(said))


def _word(key: str) -> str:
    return key.replace("_", "-")


def _changed(options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of `AdversarialTraining` that are not as they are by default."""
    return {key: value for key, value in options.items() if value != AdversarialTraining.__dict__[key]}


def _adversarial(
    recipe: str | None, attack: str | None, norm: str, eps: float | None, options: dict[str, Any]
) -> AdversarialTraining | None:
    """Read what is to be done to the images before each step; None for nothing."""
    asked = [f"--{_word(key)}" for key in _changed(options)]
    asked += ["--eps"] if eps is not None else []
    if recipe is not None:
        asked += ["--attack"] if attack is not None else []
        if asked:
            raise InputError(f"the recipe {recipe!r} says how to attack; leave out {', '.join(asked)}, or the recipe")
        return adversarial_recipe(recipe).adversarial
    if attack is None:
        if asked:
            raise InputError(f"{', '.join(asked)} without an attack; say which, such as --attack pgd:steps=7")
        return None
    (planned,) = plan([attack], norm, DEFAULT_RADIUS.get(norm) if eps is None else eps)
    threat = planned.threat
    if planned.info.kind == "minimum" and eps is not None:
        threat = threat.within(eps)
    return AdversarialTraining(planned.attack, threat, **options)


def _measured(
    test: str | None, classes: Sequence[str], shape: tuple[int, int, int], module: nn.Module, history: History
) -> tuple[Estimate | None, Estimate | None]:
    """Measure the accuracy on test images, matched by the names of their classes, and what an attack leaves of it."""
    if test is None:
        return None, None
    source = open_source(test, fit=Fit(*shape))
    source, _ = match_classes(classes, source)
    images, labels = in_memory(source)
    clean = proportion(round(accuracy(module, images, labels) * len(images)), len(images))
    adversarial = history.adversarial
    if adversarial is None or not adversarial.threat.bounded:
        return clean, None
    return clean, robust_accuracy_of(module, images[:ATTACKED], labels[:ATTACKED], adversarial, history.settings.seed)


def robust_accuracy_of(
    module: nn.Module, images: Images, labels: Labels, adversarial: AdversarialTraining, seed: int = 0
) -> Estimate:
    """Measure which fraction of the images is right and stays so under a training's own attack and full radius.

    Args:
        module: from images to logits.
        images: n x c x h x w in [0, 1].
        labels: int64, n.
        adversarial: whose attack and threat are taken.
        seed: of the attack's draws.

    Returns:
        The rate with its interval: an upper bound, which a better attack can only lower.
    """
    result = run(adversarial.attack, Classifier(module), images, labels, threat=adversarial.threat, seed=seed)
    standing = (result.clean_prediction.cpu() == labels.cpu()) & ~result.success.cpu()
    return proportion(int(standing.sum()), len(images))


def in_memory(source: Source) -> tuple[Images, Labels]:
    """Return all images and labels of a source at once, as training needs them.

    Raises:
        DataError: no images, or no labels.
    """
    if not len(source) or not source.labelled:
        raise DataError(
            f"{source.spec} has {len(source)} images and {'' if source.labelled else 'no '}labels; training needs both"
        )
    blocks = list(source.blocks(1000))
    return torch.cat([block.images for block in blocks]), torch.cat([block.labels for block in blocks])
