"""How substitutes are taught: as published, and so that more transfers."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from brittle.arguments import Count, check_fields
from brittle.blackbox.augmentation import JacobianAugmentation
from brittle.blackbox.substitute import SubstituteTraining
from brittle.errors import InputError
from brittle.evaluation.spec import with_settings
from brittle.near import meant
from brittle.training.recipe import PlainTraining

ROUND = PlainTraining(epochs=10, batch=32, rate=0.01, schedule="constant", momentum=0.9, decay=0.0)
"""The training in each round: 10 epochs as in the paper's section 5, which leaves the batch open."""


@dataclass(frozen=True)
class SubstituteRecipe:
    """How a substitute is taught.

    Attributes:
        teaching: which images are asked about, in how many rounds.
        training: of the substitute in each round, from the weights that it has.
        attacks: what is made on it and shown to the oracle, where the user names nothing.
    """

    teaching: SubstituteTraining = field(default_factory=SubstituteTraining)
    training: PlainTraining = ROUND
    attacks: tuple[str, ...] = ("fgsm", "jsma")

    def __post_init__(self):
        check_fields(self)

    def plain(self) -> dict[str, Any]:
        """Return all settings by their names, as JSON can hold them."""
        return {
            "rounds": self.teaching.rounds,
            "augmentation": asdict(self.teaching.augmentation),
            "training": asdict(self.training),
        }


RECIPES = {
    "wide": SubstituteRecipe(
        SubstituteTraining(JacobianAugmentation(step=0.3, flip=1, full_rounds=4, sample=800), rounds=8),
        replace(ROUND, decay=5e-3, schedule="cosine"),
        ("fgsm:loss=scaled", "jsma"),
    ),
    "published": SubstituteRecipe(),
}
"""By name. `published` is Papernot et al. 2017, sections 4 and 5. Of `wide`, the default, `docs/substitute.md` says
what differs and what it brings: steps as long as the changes that are to transfer, forwards and backwards in turns, so
that the substitute learns the oracle there; more of them; a penalty on the weights, without which the few images are
learnt so surely that gradients vanish in float32; and a rate that falls to 0 within each round, so that what transfers
does not hang on the last steps."""


def recipe_of(name: str, rounds: Count | None, augment: str, settings: str) -> SubstituteRecipe:
    """Return a recipe with what the user changed.

    Args:
        name: one of `RECIPES`.
        rounds: instead of its own.
        augment: fields of `JacobianAugmentation`, `FIELD=VALUE,...`.
        settings: fields of `PlainTraining`, likewise.

    Raises:
        InputError: an unknown recipe or field, or a value of another kind.

    Example:
        >>> recipe_of("published", 3, "step=0.2", "epochs=2").teaching.augmentation.step
        0.2
    """
    if name not in RECIPES:
        raise InputError(f"there is no recipe {name!r}{meant(name, RECIPES)}; known are {', '.join(RECIPES)}")
    chosen = RECIPES[name]
    teaching = SubstituteTraining(
        with_settings(chosen.teaching.augmentation, augment), rounds or chosen.teaching.rounds
    )
    return replace(chosen, teaching=teaching, training=with_settings(chosen.training, settings))
