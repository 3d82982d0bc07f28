"""`train`: from an architecture's name and labelled images to a file of weights."""

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
from brittle.evaluation.command import command_line
from brittle.evaluation.plan import spec_of, threat_of
from brittle.evaluation.radius import check_reach
from brittle.evaluation.recipes import adversarial_recipe, changed_course, what_is_attacked
from brittle.evaluation.spec import with_settings
from brittle.evaluation.subject import open_images
from brittle.evaluation.trained import COURSE, Trained, finished, identity_in, save
from brittle.identity.compare import fingerprint
from brittle.metrics import Estimate, proportion
from brittle.models import ARCHITECTURES
from brittle.runs import kinds
from brittle.runs.checkpoint import belongs_to_another
from brittle.runs.manifest_info import said_of_images
from brittle.runs.place import FilePlace, files_named
from brittle.specs import Asked, DataLike, DataSpec, Effort, Question
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
        out: the safetensors file to write; a checkpoint lies beside it meanwhile, `NAME.training.json` afterwards.
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
        effort: device, and the seed of weights, order, augmentation and attacks, instead of the recipe's.
        force: replace weights, with their course, that another training made.
        progress: called after every epoch.
        watch: called after every step with the fraction of the epoch that is done.
        **options: single fields of these values, as in `audit`.

    Returns:
        The files, the epochs and what was measured on `test`.

    Raises:
        BrittleError: invalid input or an input/output failure.
    """
    if network not in ARCHITECTURES:
        raise InputError(f"there is no architecture {network!r}; there are {', '.join(ARCHITECTURES)}")
    design, path = ARCHITECTURES[network], Path(out)
    nothing = (
        "weights",
        "dtype",
        "binary",
        "probabilities",
        "labels",
        "class_order",
        "resize",
        "crop",
        "skip_bad",
        "target",
        "quantization",
        "budget",
        "eot_samples",
        "batch",
    )
    asked = Asked.of(network, data, question, effort, options, without=nothing)
    threat, eps = threat_of(asked.question)
    threat = threat or parse_threat("linf")
    seed, device = asked.effort.seed, fitted("device", asked.effort.device or "cpu", Device)
    course = {"fraction": fraction, "warmup": warmup, "clean_epochs": clean_epochs}
    adversarial = what_is_attacked(recipe, attack, threat, eps, course)
    chosen = adversarial_recipe(recipe).settings if recipe else RECIPES.get(network, PlainTraining())
    chosen = with_settings(chosen, settings)
    chosen = replace(chosen, epochs=epochs or chosen.epochs, seed=chosen.seed if seed is None else seed)
    source = open_images(asked.data, Fit(*design.input_shape))
    if adversarial is not None:
        check_reach(adversarial.threat, design.input_shape)
    given: dict[str, Any] = {"data": source.spec, "out": path.name, "test": test, "recipe": recipe, "set": settings}
    text, norm = (None, None) if attack is None else (spec_of(attack).text, threat.name)
    given |= {"epochs": epochs, "attack": text, "eps": eps, **changed_course(course), "norm": norm}
    given |= {"max_images": asked.data.max_images, "device": None if device == "cpu" else device, "seed": seed}
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
        identity = fingerprint([whole, design.name, measured_on])
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
