"""A training in values: images are read, kept aside and trained on, and the folder is written."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from brittle.classifiers.frozen import remarks_on_autocast
from brittle.data import Fit, Source, open_source
from brittle.errors import DataError, LabelError
from brittle.evaluation.class_names import match_classes
from brittle.evaluation.compatibility import check_labels
from brittle.evaluation.design_behind import bare, said_of
from brittle.evaluation.holding import Holding, tested_by
from brittle.evaluation.trained import Trained, finished, save
from brittle.evaluation.training_manifest import manifest_of
from brittle.evaluation.tuning import Once
from brittle.metrics import Estimate, proportion
from brittle.names import in_shell
from brittle.runs.kinds import TRAINING
from brittle.runs.manifest_info import said_of_images
from brittle.runs.place import check_folder, files_named
from brittle.runs.results import TrainingFolder
from brittle.training.accuracy import accuracy
from brittle.training.distillation import distil_named
from brittle.training.epoch import Epoch
from brittle.training.fit import History, check_together
from brittle.training.held_out import HeldOut, robust_accuracy
from brittle.training.identity import Beside, identity_of
from brittle.training.named import Design, seeded, train_named
from brittle.training.precision import remarks_on_precision
from brittle.training.recipe import PlainTraining
from brittle.training.trainable import check_shape, check_trainable
from brittle.training.universal_pool import Hardening
from brittle.training.weights import training_story
from brittle.types import Images, Labels

ATTACKED = 1000
"""Most test images that are attacked after a training."""


def fit_and_save(  # noqa: PLR0913  # each of these is a question of its own
    design: Design,
    source: Source,
    path: Path,
    command: Sequence[str],
    *,
    settings: PlainTraining,
    adversarial: Hardening | None = None,
    once: Once | None = None,
    holding: Holding | None = None,
    distilled: bool = False,
    test: str | None = None,
    device: str = "cpu",
    force: bool = False,
    progress: Callable[[Epoch], None] | None = None,
    watch: Callable[[float], None] | None = None,
    begins: Callable[[str], None] | None = None,
) -> Trained:
    """Train an architecture on a source of its shape, and save its weights and their course; `train` in values.

    Args:
        design: the architecture.
        source: labelled images.
        path: the folder.
        command: what the user typed, word by word, for the story that the folder tells.
        settings: of the training.
        adversarial: what is done to the images before each step.
        once: what is done to the images once, before the training.
        holding: which images are kept aside, and what they decide; none by default.
        distilled: train a teacher first, both at the temperature of the settings.
        test: images to measure the accuracy on afterwards.
        device: where to train.
        force: replace what another training made.
        progress: called after every epoch.
        watch: called after every step with the fraction of the epoch that is done.
        begins: see `train`.

    Returns:
        The files, the epochs and what was measured on `test`.

    Raises:
        BrittleError: as `train`.
    """
    check_folder(path, TRAINING, files_named(source.spec, test))
    check_together(settings, adversarial)
    images, labels, held_out = (holding or Holding(0)).split(*in_memory(source), adversarial, settings.seed)
    tested = None if test is None else _tested(test, source.classes, design)
    first = seeded(design.build, settings.seed)
    stated = json.loads(identity_of(first, images, labels, settings, adversarial, Beside(held_out=held_out)))
    stated["settings"] |= {"distilled": True} if distilled else {}
    stated["settings"] |= {} if once is None else {"once": once.to_dict()}
    stated["settings"] |= {} if held_out is None else _asked_of(held_out)
    manifest = manifest_of(design, first, stated, source, tested, command=list(command), device=device)
    check_shape(design.name, design.input_shape, images)
    classes = check_trainable(first, images, labels)
    if tested is not None:
        check_labels(tested, classes)
    how: dict[str, Any] = {"settings": settings, "device": device, "progress": progress, "watch": watch}
    how |= {"begins": begins} if distilled else {"adversarial": adversarial, "held_out": held_out}
    with TrainingFolder.create(path, manifest, force=force) as folder:
        done = finished(folder, settings, adversarial)
        if done is None:
            if once is not None:
                images = once.of(first.to(device), images, labels, settings.seed)
            training = distil_named if distilled else train_named
            module, history, *taught = training(design, images, labels, checkpoint=folder.checkpoint, **how)
            found = _measured(tested, module, history)
            remarks = remarks_on_autocast() + remarks_on_precision(settings.precision, device)
            said = said_of_images(len(source), source.conversions(), source.skipped, remarks)
            if tested is not None:
                changed = said_of_images(len(tested), tested.conversions(), tested.skipped, [])
                said += [f"test images: {sentence}" for sentence in changed]
            about = _about(source, test, *found, said) | _held(held_out, history)
            story = training_story(design.name, in_shell(command), history, about) | said_of(design)
            story |= {} if once is None else {"once": once.to_dict()}
            story |= {"teacher": [asdict(one) for one in taught[0].epochs]} if taught else {}
            done = save(folder, bare(design, module), story, history, found, said)
        folder.finish()
    return done


def _asked_of(held_out: HeldOut) -> dict[str, object]:
    """Return what determines which weights are kept, and when the training stops."""
    attack = None if held_out.attack is None else repr(held_out.attack)
    asked: dict[str, object] = {"held_out": len(held_out.images), "held_out_attack": attack, "keep": held_out.keep}
    return asked | {"patience": held_out.patience}


def _held(held_out: HeldOut | None, history: History) -> dict[str, object]:
    """Return what the story of a training tells of the images kept aside."""
    if held_out is None:
        return {}
    return _asked_of(held_out) | {"kept_epoch": history.kept, "collapsed": list(history.collapsed)}


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
    try:
        tested = match_classes(classes, open_source(test, fit=Fit(*design.input_shape)))[0]
    except LabelError as error:
        raise LabelError(
            f"the classes of the test images {test} are not those of the training images: {error} (a training takes no "
            "class order: name the classes alike)"
        ) from error
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
    tested_with = tested_by(history.adversarial)
    if tested_with is None:
        return clean, None
    some, seed = (images[:ATTACKED], labels[:ATTACKED]), history.settings.seed
    return clean, robust_accuracy(module, *some, *tested_with, seed)


def in_memory(source: Source) -> tuple[Images, Labels]:
    """Return all images and labels of a source at once, as training needs them.

    Raises:
        DataError: no images, or no labels.
    """
    _check_labelled(source, "training")
    blocks = list(source.blocks(1000))
    return torch.cat([block.images for block in blocks]), torch.cat([block.labels for block in blocks])
