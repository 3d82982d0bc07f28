"""`train`: from an architecture's name and labelled images to a folder with weights and their story."""

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from brittle.arguments import Count, CountOrNone, Device, FileName, checked, fitted
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import remarks_on_autocast
from brittle.core.attack import Attack
from brittle.core.run import run
from brittle.data import Fit, Source, open_source
from brittle.errors import DataError, InputError
from brittle.evaluation.class_names import match_classes
from brittle.evaluation.command import command_words
from brittle.evaluation.compatibility import check_labels
from brittle.evaluation.design_behind import DesignBehind, bare, said_of
from brittle.evaluation.generative import GENERATIVE, train_by_images
from brittle.evaluation.plan import spec_of, threat_of
from brittle.evaluation.radius import check_reach
from brittle.evaluation.recipes import adversarial_recipe, changed_course, what_is_attacked
from brittle.evaluation.spec import with_settings
from brittle.evaluation.subject import open_images
from brittle.evaluation.trained import Trained, finished, save
from brittle.evaluation.training_manifest import manifest_of
from brittle.metrics import Estimate, proportion
from brittle.models import ARCHITECTURES
from brittle.names import in_shell
from brittle.plugins.own_code import telling_of_own_code
from brittle.runs.kinds import TRAINING
from brittle.runs.manifest_info import said_of_images
from brittle.runs.place import check_folder, files_named, folder_of
from brittle.runs.results import TrainingFolder
from brittle.specs import Asked, DataLike, DataSpec, Effort, Question
from brittle.threats import parse_threat
from brittle.training.adversarial import AdversarialTraining
from brittle.training.distillation import distil_named
from brittle.training.epoch import Epoch
from brittle.training.plain import Design, History, accuracy, identity_of, seeded, train_named
from brittle.training.recipe import RECIPES, PlainTraining
from brittle.training.trainable import check_shape, check_trainable
from brittle.training.weights import training_story
from brittle.types import Images, Labels

ATTACKED = 1000
"""Most test images that are attacked after a training."""


@checked
@telling_of_own_code()
def train(  # noqa: PLR0913  # each of these is a question of its own
    network: str,
    data: DataLike | DataSpec,
    out: Path | str,
    *,
    test: FileName | None = None,
    recipe: str | None = None,
    settings: str = "",
    epochs: Count | None = None,
    attack: str | Attack | None = None,
    question: Question | None = None,
    fraction: float = 1.0,
    warmup: float = 0.0,
    clean_epochs: CountOrNone = 0,
    distil: float | None = None,
    effort: Effort | None = None,
    force: bool = False,
    progress: Callable[[Epoch], None] | None = None,
    watch: Callable[[float], None] | None = None,
    **options: Any,
) -> Trained:
    """Train a built-in architecture on labelled images and save its weights.

    Killed at any moment and called again, it goes on after the last finished epoch; the same call gives the same file.
    Finished and called again, it reads what it made. What another call made stays as it is.

    Args:
        network: the name of an architecture.
        data: images as `audit` takes them, or a `DataSpec`.
        out: the folder: `weights.safetensors`, `training.json` with every epoch, `manifest.json` with what it was made
            from; and a checkpoint meanwhile.
        test: images to measure the accuracy on afterwards.
        recipe: an adversarial training by name (`ADVERSARIAL_RECIPES`), in place of the attack and its options.
        settings: fields of `PlainTraining` to change, `FIELD=VALUE,...`.
        epochs: instead of the recipe's own number.
        attack: trains on what this attack makes of the images, as text or as a value.
        question: the threat of the attack, by default linf, and its radius; by default the usual one, or none for
            attacks that need none.
        fraction: fraction of each batch that is attacked.
        warmup: epochs over which the radius grows from 0.
        clean_epochs: first epochs without the attack.
        distil: temperature of a defensive distillation: a teacher is trained first, then the network on its answers.
        effort: device, and the seed of weights, order, augmentation and attacks, instead of the recipe's.
        force: replace what another training left in the folder.
        progress: called after every epoch.
        watch: called after every step with the fraction of the epoch that is done.
        **options: single fields of these values, as in `audit`; of those of the network only `defence`, behind which it
            is trained: open its weights with the same one.

    Returns:
        The files, the epochs and what was measured on `test`.

    Raises:
        BrittleError: invalid input or an input/output failure.
    """
    if network not in (*ARCHITECTURES, *GENERATIVE):
        raise InputError(f"there is no architecture {network!r}; there are {', '.join((*ARCHITECTURES, *GENERATIVE))}")
    path, note = folder_of(out)
    if note:
        warnings.warn(note, DeprecationWarning, stacklevel=3)
    nothing = (
        *("weights", "dtype", "binary", "probabilities", "labels", "class_order", "resize", "crop", "skip_bad"),
        *("target", "quantization", "confidence", "budget", "eot_samples", "batch", "defence_data", "naive"),
    )
    asked = Asked.of(network, data, question, effort, options, without=nothing)
    if network in GENERATIVE:
        beside = {"test": test, "recipe": recipe, "attack": attack, "defence": asked.model.defence, "distil": distil}
        beside |= {"warmup": warmup, "clean_epochs": clean_epochs}
        told = {"progress": progress, "watch": watch, "force": force}
        return train_by_images(asked, path, settings, epochs, beside, **told)
    design = ARCHITECTURES[network]
    design = design if asked.model.defence is None else DesignBehind.of(design, asked.model.defence)
    threat, eps = threat_of(asked.question)
    threat = threat or parse_threat("linf")
    seed, device = asked.effort.seed, fitted("device", asked.effort.device or "cpu", Device)
    if distil is not None and (attack is not None or recipe is not None):
        raise InputError("distil is given beside an attack or a recipe; train on one of them")
    course = {"fraction": fraction, "warmup": warmup, "clean_epochs": clean_epochs}
    adversarial = what_is_attacked(recipe, attack, threat, eps, course)
    chosen = adversarial_recipe(recipe).settings if recipe else RECIPES.get(network, PlainTraining())
    chosen = with_settings(chosen, settings)
    chosen = chosen if distil is None else replace(chosen, temperature=distil)
    chosen = replace(chosen, epochs=epochs or chosen.epochs, seed=chosen.seed if seed is None else seed)
    source = open_images(asked.data, Fit(*design.input_shape))
    if adversarial is not None:
        check_reach(adversarial.threat, design.input_shape)
    given: dict[str, Any] = {"data": source.spec, "out": path.name, "test": test, "recipe": recipe, "set": settings}
    given |= {"defence": said_of(design).get("defence"), "distil": distil}
    text, norm = (None, None) if attack is None else (spec_of(attack).text, threat.name)
    given |= {"epochs": epochs, "attack": text, "eps": eps, **changed_course(course), "norm": norm}
    given |= {"max_images": asked.data.max_images, "device": None if device == "cpu" else device, "seed": seed}
    command = command_words(["train", network], given)
    return fit_and_save(
        *(design, source, path, command),
        settings=chosen,
        adversarial=adversarial,
        distilled=distil is not None,
        test=test,
        device=device,
        force=force,
        progress=progress,
        watch=watch,
    )


def fit_and_save(  # noqa: PLR0913  # each of these is a question of its own
    design: Design,
    source: Source,
    path: Path,
    command: Sequence[str],
    *,
    settings: PlainTraining,
    adversarial: AdversarialTraining | None = None,
    distilled: bool = False,
    test: str | None = None,
    device: str = "cpu",
    force: bool = False,
    progress: Callable[[Epoch], None] | None = None,
    watch: Callable[[float], None] | None = None,
) -> Trained:
    """Train an architecture on a source of its shape, and save its weights and their course; `train` in values.

    Args:
        design: the architecture.
        source: labelled images.
        path: the folder.
        command: what the user typed, word by word, for the story that the folder tells.
        settings: of the training.
        adversarial: what is done to the images before each step.
        distilled: train a teacher first, both at the temperature of the settings.
        test: images to measure the accuracy on afterwards.
        device: where to train.
        force: replace what another training made.
        progress: called after every epoch.
        watch: called after every step with the fraction of the epoch that is done.

    Returns:
        The files, the epochs and what was measured on `test`.

    Raises:
        BrittleError: as `train`.
    """
    check_folder(path, TRAINING, files_named(source.spec, test))
    images, labels = in_memory(source)
    tested = None if test is None else _tested(test, source.classes, design)
    first = seeded(design.build, settings.seed)
    stated = json.loads(identity_of(first, images, labels, settings, adversarial))
    stated["settings"] |= {"distilled": True} if distilled else {}
    manifest = manifest_of(design, first, stated, source, tested, command=list(command), device=device)
    check_shape(design.name, design.input_shape, images)
    classes = check_trainable(first, images, labels)
    if tested is not None:
        check_labels(tested, classes)
    with TrainingFolder.create(path, manifest, force=force) as folder:
        done = finished(folder, settings, adversarial)
        if done is None:
            how: dict[str, Any] = {"settings": settings, "device": device, "progress": progress, "watch": watch}
            how |= {} if distilled else {"adversarial": adversarial}
            training = distil_named if distilled else train_named
            module, history, *taught = training(design, images, labels, checkpoint=folder.checkpoint, **how)
            found = _measured(tested, module, history)
            said = said_of_images(len(source), source.conversions(), source.skipped, remarks_on_autocast())
            about = _about(source, test, *found, said)
            story = training_story(design.name, in_shell(command), history, about) | said_of(design)
            story |= {"teacher": [asdict(one) for one in taught[0].epochs]} if taught else {}
            done = save(folder, bare(design, module), story, history, found, said)
        folder.finish()
    return done


def _about(
    source: Source, test: str | None, measured: Estimate | None, robust: Estimate | None, said: Sequence[str]
) -> dict[str, object]:
    """Return what the story of a training tells of the images."""
    about: dict[str, object] = {"train": source.spec, "train_digest": source.digest()}
    about |= {"classes": list(source.classes)} if source.classes else {}
    about |= {"said": list(said)} if said else {}
    about |= {"test": test, "test_accuracy": measured.value, "test_images": measured.n} if measured else {}
    return about | ({"robust_accuracy": asdict(robust)} if robust else {})


def _tested(test: str, classes: Sequence[str], design: Design) -> Source:
    """Open the test images, their classes matched by name with those of the training."""
    tested = match_classes(classes, open_source(test, fit=Fit(*design.input_shape)))[0]
    _check_labelled(tested, "a test")
    return tested


def _check_labelled(source: Source, purpose: str) -> None:
    if not len(source) or not source.labelled:
        raise DataError(
            f"{source.spec} has {len(source)} images and {'' if source.labelled else 'no '}labels; {purpose} needs both"
        )


def _measured(tested: Source | None, module: nn.Module, history: History) -> tuple[Estimate | None, Estimate | None]:
    """Measure the accuracy on test images, and what an attack leaves of it."""
    if tested is None:
        return None, None
    images, labels = in_memory(tested)
    clean = proportion(round(accuracy(module, images, labels) * len(images)), len(images))
    adversarial = history.adversarial
    if not isinstance(adversarial, AdversarialTraining) or not adversarial.threat.bounded:
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
    _check_labelled(source, "training")
    blocks = list(source.blocks(1000))
    return torch.cat([block.images for block in blocks]), torch.cat([block.labels for block in blocks])
