"""Adversarial trainings that are known by name."""

from dataclasses import dataclass

from brittle.attacks.pgd import PGD
from brittle.errors import InputError
from brittle.threats import Lp
from brittle.training.adversarial import AdversarialTraining
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
    adversarial: AdversarialTraining


ADVERSARIAL_RECIPES: dict[str, Recipe] = {
    "madry-mnist": Recipe(
        "Madry et al. 2018 for MNIST: 100,000 steps on 40 steps of PGD within 0.3 (84 epochs of 60,000 images)",
        PlainTraining(epochs=84, batch=50, optimiser="adam", rate=1e-4, schedule="constant", decay=0.0),
        AdversarialTraining(PGD(steps=40, step_size=0.01), Lp("inf", 0.3)),
    ),
}
"""By name. `madry-mnist` has the numbers of the paper's section 5 and of its published `config.json` and `train.py`."""


def adversarial_recipe(name: str) -> Recipe:
    """Return a recipe by name.

    Raises:
        InputError: there is none of that name.

    Example:
        >>> adversarial_recipe("madry-mnist").settings.batch
        50
    """
    if name not in ADVERSARIAL_RECIPES:
        raise InputError(f"there is no recipe {name!r}; there are {', '.join(ADVERSARIAL_RECIPES)}")
    return ADVERSARIAL_RECIPES[name]
