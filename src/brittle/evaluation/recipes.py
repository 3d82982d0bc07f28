"""Adversarial trainings that are known by name."""

from dataclasses import dataclass
from typing import Any

from brittle.attacks.pgd import PGD
from brittle.core.attack import Attack
from brittle.errors import InputError, UnsupportedThreat
from brittle.evaluation.plan import plan, usual
from brittle.evaluation.spec import with_settings
from brittle.near import meant
from brittle.threats import Lp, Threat
from brittle.training.accumulated import AccumulatedTraining
from brittle.training.adversarial import AdversarialTraining
from brittle.training.free import FreeTraining
from brittle.training.precision import fastest_precision
from brittle.training.recipe import PlainTraining


@dataclass(frozen=True)
class Recipe:
    """A whole training.

    Attributes:
        meaning: where it comes from, in one line.
        settings: of the steps.
        adversarial: what is done to the images before them.
    """

    meaning: str
    settings: PlainTraining
    adversarial: AccumulatedTraining | AdversarialTraining


ADVERSARIAL_RECIPES: dict[str, Recipe] = {
    "madry-mnist": Recipe(
        "Madry et al. 2018 for MNIST: 100,000 steps on 40 steps of PGD within 0.3 (84 epochs of 60,000 images)",
        PlainTraining(epochs=84, batch=50, optimiser="adam", rate=1e-4, schedule="constant", decay=0.0),
        AdversarialTraining(PGD(steps=40, step_size=0.01), Lp("inf", 0.3)),
    ),
    "madry-mnist-quick": Recipe(
        "the network of Madry et al. 2018 for MNIST in minutes: attacks that go on from epoch to epoch (Zheng et al. "
        "2020), one step of 0.1 in each of 25 epochs of 60,000 images, in mixed precision where the processor has it",
        PlainTraining(25, 100, "adam", rate=1e-3, decay=0.0, threads=2, precision=fastest_precision()),
        AccumulatedTraining(Lp("inf", 0.3), warmup=2.0),
    ),
}
"""By name. `madry-mnist` has the numbers of the paper's section 5 and of its published `config.json` and `train.py`;
`madry-mnist-quick` those that had the best robust accuracy for its time among the trainings that we tried."""
METHODS = {"accumulated": AccumulatedTraining, "free": FreeTraining}
"""Adversarial trainings that find their changes otherwise than by an attack in each step."""


def adversarial_recipe(name: str) -> Recipe:
    """Return a recipe by name.

    Raises:
        InputError: there is none of that name.

    Example:
        >>> adversarial_recipe("madry-mnist").settings.batch
        50
    """
    if name not in ADVERSARIAL_RECIPES:
        raise InputError(
            f"there is no recipe {name!r}{meant(name, ADVERSARIAL_RECIPES)}; there are {', '.join(ADVERSARIAL_RECIPES)}"
        )
    return ADVERSARIAL_RECIPES[name]


def _word(key: str) -> str:
    return key.replace("_", "-")


def changed_course(options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of `AdversarialTraining` that are not as they are by default."""
    return {key: value for key, value in options.items() if value != AdversarialTraining.__dict__[key]}


def what_is_attacked(  # each of these is a question of its own
    recipe: str | None,
    attack: str | Attack | None,
    threat: Threat,
    eps: float | None,
    options: dict[str, Any],
    method: str | None = None,
) -> AccumulatedTraining | AdversarialTraining | FreeTraining | None:
    """Read what is to be done to the images before each step; None for nothing."""
    asked = [f"--{_word(key)}" for key in changed_course(options)]
    asked += ["--eps"] if eps is not None else []
    if recipe is not None:
        asked += ["--attack"] if attack is not None else []
        asked += ["--method"] if method is not None else []
        if asked:
            raise InputError(f"the recipe {recipe!r} says how to attack; leave out {', '.join(asked)}, or the recipe")
        return adversarial_recipe(recipe).adversarial
    if method is not None:
        if attack is not None:
            raise InputError(f"the attack {attack} is given beside the method {method}; train on one of them")
        return _by_method(method, threat, eps, options)
    if attack is None:
        if asked:
            raise InputError(f"{', '.join(asked)} without an attack; say which, such as --attack pgd:steps=7")
        return None
    (planned,) = plan([attack], threat, usual(threat) if eps is None else eps)
    threat = planned.threat
    if planned.info.kind == "minimum" and eps is not None:
        threat = threat.within(eps)
    return AdversarialTraining(planned.attack, threat, **options)


def _by_method(
    text: str, threat: Threat, eps: float | None, options: dict[str, Any]
) -> AccumulatedTraining | FreeTraining:
    """Read a training of `METHODS`, `NAME[:FIELD=VALUE,...]`."""
    name, _, fields_given = text.strip().partition(":")
    if name not in METHODS:
        raise InputError(f"there is no method {name!r}{meant(name, METHODS)}; there are {', '.join(METHODS)}")
    other = [f"--{_word(key)}" for key in changed_course(options) if key != "warmup"]
    if other:
        raise InputError(f"{', '.join(other)} beside the method {name}, which attacks every image; leave it out")
    if not isinstance(threat, Lp):
        raise UnsupportedThreat(f"the method {name} works within the maximum norm; got {threat.name}, expected linf")
    threat = threat.within(threat.default_radius if eps is None else eps)
    made = METHODS[name](threat, warmup=options.get("warmup", 0.0))
    changed = with_settings(made, fields_given)
    if made.warmup and changed.warmup != made.warmup:
        raise InputError(f"the warm-up is given twice, --warmup {made.warmup:g} and {text}; give it once")
    return changed
