"""`train`: from a network and labelled images to a folder with weights and their story."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from brittle.arguments import Count, CountOrNone, Device, FileName, checked, fitted, several
from brittle.core.attack import Attack
from brittle.errors import InputError
from brittle.evaluation.command import command_words
from brittle.evaluation.design_behind import said_of
from brittle.evaluation.generative import GENERATIVE, train_by_images
from brittle.evaluation.holding import Holding
from brittle.evaluation.plan import spec_of, threat_of
from brittle.evaluation.radius import check_reach
from brittle.evaluation.recipes import adversarial_recipe, changed_course, what_is_attacked
from brittle.evaluation.spec import parse_objective, with_settings
from brittle.evaluation.trained import Trained
from brittle.evaluation.trainee import open_trainee
from brittle.evaluation.training_run import fit_and_save
from brittle.evaluation.tuning import attacked_once, pooled
from brittle.files import as_out
from brittle.plugins.own_code import telling_of_own_code
from brittle.remote import out_at_address
from brittle.runs.place import folder_of
from brittle.specs import SEARCHING, Asked, DataLike, DataSpec, Effort, ModelLike, ModelSpec, Question
from brittle.threats import parse_threat
from brittle.training.epoch import Epoch
from brittle.training.held_out import WITHIN_RADIUS, Keep
from brittle.training.objective import Objective
from brittle.training.recipe import RECIPES, PlainTraining

NOTHING = (
    *(
        "weights",
        "dtype",
        "binary",
        "probabilities",
        "labels",
        "class_order",
        "size",
        "resize",
        "crop",
        "interpolation",
        "skip_bad",
    ),
    *("target", "quantization", "confidence", "budget", "eot_samples", "batch", "defence_data", "naive", "channel"),
    *SEARCHING,
)
"""What means nothing to a training."""


@checked
@telling_of_own_code()
@out_at_address
def train(  # noqa: PLR0913  # each of these is a question of its own
    network: ModelLike | ModelSpec,
    data: DataLike | DataSpec,
    out: Path | str,
    *,
    test: FileName | None = None,
    start: FileName | None = None,
    recipe: str | None = None,
    settings: str = "",
    epochs: Count | None = None,
    attack: str | Attack | None = None,
    method: str | None = None,
    question: Question | None = None,
    objective: str | Objective | None = None,
    once: bool = False,
    pool: FileName | Sequence[FileName] = (),
    probability: float = 0.5,
    alpha: float = 1.0,
    fraction: float = 1.0,
    warmup: float = 0.0,
    clean_epochs: CountOrNone = 0,
    held_out: CountOrNone | None = None,
    keep: Keep | None = None,
    patience: Count | None = None,
    distil: float | None = None,
    workers: Count | None = None,
    effort: Effort | None = None,
    force: bool = False,
    progress: Callable[[Epoch], None] | None = None,
    watch: Callable[[float], None] | None = None,
    begins: Callable[[str], None] | None = None,
    **options: Any,
) -> Trained:
    """Train a network on labelled images and save its weights.

    Killed at any moment and called again, it goes on after the last finished epoch; the same call gives the same file.
    Finished and called again, it reads what it made. What another call made stays as it is.

    Args:
        network: the name of an architecture; FILE.py:FACTORY or whatever else builds a network; or a module, of which a
            copy is trained; or a `ModelSpec`.
        data: images as `audit` takes them, or a `DataSpec`.
        out: the folder, or its address: `weights.safetensors`, `training.json` with every epoch, `manifest.json` with
            what it was made from; and a checkpoint meanwhile.
        test: images to measure the accuracy on afterwards.
        start: weights to begin with, for fine-tuning: a safetensors file, or the folder of a training, which may have
            been interrupted; by default first ones drawn from the seed, or those that come with the network.
        recipe: an adversarial training by name (`ADVERSARIAL_RECIPES`), in place of the attack and its options.
        settings: fields of `PlainTraining` to change, `FIELD=VALUE,...`.
        epochs: instead of the recipe's own number.
        attack: trains on what this attack makes of the images, as text or as a value.
        method: in place of an attack, a training that finds its changes otherwise: "accumulated:steps=1" (Zheng et al.
            2020) or "free:replays=8" (Shafahi et al. 2019), both within the maximum norm.
        question: the threat of the attack, by default linf, and its radius; by default the usual one, or none for
            attacks that need none.
        objective: what is minimised: "cross-entropy" of the attacked images, "trades:beta=6" or "mixed:weight=0.5".
        once: attack the images once, for the network as it is before the training, and not anew in each step; the
            fine-tuning of the DeepFool paper.
        pool: folders of `universal`, or one, or their addresses: one of their perturbations, picked at random, is
            added to images in each step.
        probability: that an image has one added.
        alpha: what the changes of `once` or `pool` are multiplied by.
        fraction: fraction of each batch that is attacked.
        warmup: epochs over which the radius grows from 0.
        clean_epochs: first epochs without the attack.
        held_out: so many of the training images are kept aside, and clean and robust accuracy measured on them after
            every epoch; by default a tenth, at most 1,000, where an attack is given, and none otherwise.
        keep: end with the weights of the "best" epoch on these images, the default where there are some, or the "last".
        patience: stop after so many epochs without a better one.
        distil: temperature of a defensive distillation: a teacher is trained first, then the network on its answers.
        workers: so many processes of this machine share each batch, one for each GPU on GPUs, as `PlainTraining` says.
        effort: device, and the seed of weights, order, augmentation and attacks, instead of the recipe's.
        force: replace what another training left in the folder.
        progress: called after every epoch.
        watch: called after every step with the fraction of the epoch that is done.
        begins: told whose epochs begin, where `distil` makes a teacher's and a student's.
        **options: single fields of these values, as in `audit`; of those of the network only `defence`, `mean`, `std`
            and `output`, with which it is trained: open its weights with the same ones.

    Returns:
        The files, the epochs and what was measured on `test`.

    Raises:
        BrittleError: invalid input or an input/output failure.
    """
    path, note = folder_of(out)
    if note:
        warnings.warn(note, DeprecationWarning, stacklevel=3)
    asked = Asked.of(network, data, question, effort, options, without=NOTHING)
    course = {"fraction": fraction, "warmup": warmup, "clean_epochs": clean_epochs}
    aside = {"held_out": held_out, "keep": keep, "patience": patience}
    if isinstance(asked.model.spec, str) and asked.model.spec in GENERATIVE:
        beside = {
            "test": test,
            "recipe": recipe,
            "attack": attack,
            "method": method,
            "defence": asked.model.defence,
            "distil": distil,
            "workers": workers,
        }
        beside |= {"warmup": warmup, "clean_epochs": clean_epochs, "start": start, "objective": objective, **aside}
        told = {"progress": progress, "watch": watch, "force": force}
        return train_by_images(asked, path, settings, epochs, beside, **told)
    if distil is not None and (pool or any(one is not None for one in (attack, method, recipe, *aside.values()))):
        raise InputError("distil is given beside an attack, a recipe, a pool or held-out images; train on one of them")
    threat, eps = threat_of(asked.question)
    threat, pool = threat or parse_threat("linf"), several(pool)
    goal = parse_objective(objective)
    adversarial = what_is_attacked(recipe, attack, threat, eps, course | {"objective": goal}, method)
    tuned = attacked_once(adversarial, changed_course(course), alpha) if once else None
    if pool:
        adversarial = pooled(pool, probability, alpha, attacked=adversarial is not None)
    elif (alpha != 1 and not once) or probability != 0.5:
        raise InputError("alpha or probability is given, with neither once nor a pool, whose changes they are for")
    holding = Holding(held_out if distil is None else 0, keep, patience)
    design, source = open_trainee(asked, start)
    if isinstance(adversarial, WITHIN_RADIUS):
        check_reach(adversarial.threat, design.input_shape)
    given: dict[str, Any] = {"data": source.spec, "out": as_out(path), "test": test, "from": start, "recipe": recipe}
    given |= {"mean": asked.model.mean, "std": asked.model.std, "output": asked.model.output}
    given |= {"set": settings, "defence": said_of(design).get("defence"), "distil": distil, "epochs": epochs}
    given |= {
        "attack": None if attack is None else spec_of(attack).text,
        "method": method,
        "eps": eps,
        **changed_course(course),
    }
    given |= {"once": once or None, "pool": list(pool), "alpha": None if alpha == 1 else alpha}
    given |= {"probability": None if probability == 0.5 else probability}
    given |= {"norm": None if attack is None and method is None else threat.name, "objective": objective, **aside}
    seed, device = asked.effort.seed, fitted("device", asked.effort.device or "cpu", Device)
    given |= {"max_images": asked.data.max_images, "device": None if device == "cpu" else device, "seed": seed}
    given |= {"workers": workers}
    changed = {"epochs": epochs, "seed": seed, "temperature": distil, "workers": workers}
    return fit_and_save(
        *(design, source, path, command_words(["train", design.name], given)),
        settings=_settings(design.name, recipe, settings, changed),
        adversarial=None if once else adversarial,
        once=tuned,
        holding=holding,
        distilled=distil is not None,
        test=test,
        device=device,
        force=force,
        progress=progress,
        watch=watch,
        begins=begins,
    )


def _settings(name: str, recipe: str | None, text: str, changed: dict[str, Any]) -> PlainTraining:
    """Return the settings of a recipe or an architecture, with what the user changed."""
    chosen = adversarial_recipe(recipe).settings if recipe else RECIPES.get(name, PlainTraining())
    return replace(with_settings(chosen, text), **{key: value for key, value in changed.items() if value is not None})
