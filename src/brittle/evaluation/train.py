"""`train`: from an architecture's name and labelled images to a file of weights."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from brittle.arguments import Count, CountOrNone, Device, FileName, Seed, checked
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.still import remarks_on_autocast
from brittle.core.run import run
from brittle.data import Fit, Source, open_source
from brittle.errors import DataError, InputError
from brittle.evaluation.class_names import match_classes
from brittle.evaluation.command import command_line
from brittle.evaluation.manifest_info import said_of_images
from brittle.evaluation.plan import plan
from brittle.evaluation.radius import check_reach
from brittle.evaluation.recipes import adversarial_recipe
from brittle.evaluation.spec import with_settings
from brittle.evaluation.trained import COURSE, Trained, finished, identity_in, save
from brittle.metrics import Estimate, proportion
from brittle.models import ARCHITECTURES
from brittle.runs import kinds
from brittle.runs.checkpoint import belongs_to_another
from brittle.runs.place import FilePlace, files_named
from brittle.threats import parse_threat
from brittle.training.adversarial import AdversarialTraining
from brittle.training.epoch import Epoch
from brittle.training.plain import Design, History, accuracy, identity_of, seeded, train_named
from brittle.training.recipe import RECIPES, PlainTraining
from brittle.training.weights import training_story
from brittle.types import Images, Labels

ATTACKED = 1000
"""Most test images that are attacked after a training."""
CHECKPOINT = ".checkpoint"
"""Ending of the file that a killed training goes on from."""


@checked
def train(  # noqa: PLR0913  # one parameter for each option of the command of the same name
    network: str,
    data: FileName,
    out: Path | str,
    *,
    test: FileName | None = None,
    recipe: str | None = None,
    settings: str = "",
    epochs: Count | None = None,
    attack: str | None = None,
    norm: str = "linf",
    eps: float | None = None,
    share: float = 1.0,
    warmup: float = 0.0,
    clean_epochs: CountOrNone = 0,
    limit: Count | None = None,
    device: Device = "cpu",
    seed: Seed | None = None,
    force: bool = False,
    progress: Callable[[Epoch], None] | None = None,
    watch: Callable[[float], None] | None = None,
) -> Trained:
    """Train a built-in architecture on labelled images and save its weights.

    Killed at any moment and called again, it goes on after the last finished epoch; the same call gives the same file.
    Finished and called again, it reads what it made. What another call made stays as it is.

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
        force: replace weights, with their course, that another training made.
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
        force=force,
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
    force: bool = False,
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
        force: replace what another training made.
        progress: called after every epoch.
        watch: called after every step with the fraction of the epoch that is done.

    Returns:
        The files, the epochs and what was measured on `test`.

    Raises:
        BrittleError: as `train`.
    """
    sides = {COURSE: kinds.COURSE, CHECKPOINT: kinds.CHECKPOINT}
    place = FilePlace(path, kinds.WEIGHTS, sides, files_named(source.spec, test), force)
    place.check()
    images, labels = in_memory(source)
    with place.held():
        first = seeded(design.build, settings.seed)
        whole = identity_of(first, images, labels, settings, adversarial)
        measured_on = None if test is None else [test, open_source(test).digest()]
        identity = hashlib.sha256(json.dumps([whole, design.name, measured_on]).encode()).hexdigest()
        done = _kept(place, whole, identity, settings, adversarial)
        if done is None:
            module, history = train_named(
                *(design, images, labels),
                settings=settings,
                adversarial=adversarial,
                checkpoint=place.side(CHECKPOINT),
                device=device,
                progress=progress,
                watch=watch,
            )
            found = _measured(test, source.classes, design.input_shape, module, history)
            said = said_of_images(len(source), source.conversions(), source.skipped, remarks_on_autocast())
            about = {**_about(source, test, *found, said), "identity": identity}
            done = save(path, module, training_story(design.name, command, history, about), history, found, said)
        place.side(CHECKPOINT).unlink(missing_ok=True)
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


def _kept(
    place: FilePlace, whole: str, identity: str, settings: PlainTraining, adversarial: AdversarialTraining | None
) -> Trained | None:
    """Return what the same call has made before, and refuse to write over what another one made."""
    done, checkpoint = finished(place.path, identity, settings, adversarial), place.side(CHECKPOINT)
    if done is not None:
        return done
    if identity_in(place.path) != identity:
        place.replace("the weights of another training", [place.path])
    if not place.path.exists() and not checkpoint.exists():
        place.replace("what belongs to another training", [place.side(COURSE)])
    if place.force and belongs_to_another(checkpoint, whole):
        checkpoint.unlink()
    return None


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
    (planned,) = plan([attack], norm, parse_threat(norm).default_radius if eps is None else eps)
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
