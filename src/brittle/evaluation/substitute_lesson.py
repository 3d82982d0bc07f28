"""What is asked of the teaching of a substitute, and what it costs at most."""

from dataclasses import dataclass

from brittle.errors import InputError
from brittle.evaluation.oracle import Asked
from brittle.evaluation.plan import Planned
from brittle.evaluation.substitute_images import Seeds, Unseen
from brittle.evaluation.substitute_recipes import SubstituteRecipe
from brittle.training.named import Design
from brittle.words import plural


@dataclass(frozen=True, eq=False)
class Lesson:
    """The teaching of a substitute, and the attacks that follow.

    Attributes:
        asked: who is asked.
        design: the substitute's architecture.
        seeds: images to begin with.
        unseen: images to measure on.
        recipe: how it is taught.
        planned: what is made on it and shown to the oracle.
        budget: most queries in all; None for no end.
        seed: of weights, order, choice of images and attacks.
        device: where the substitute lies.
    """

    asked: Asked
    design: Design
    seeds: Seeds
    unseen: Unseen
    recipe: SubstituteRecipe
    planned: tuple[Planned, ...]
    budget: int | None
    seed: int
    device: str

    def costs(self) -> dict[str, int]:
        """Return the most queries that it takes, by what for."""
        teaching, count = self.recipe.teaching, len(self.unseen.images)
        labelled = teaching.augmentation.sizes(len(self.seeds.images), teaching.rounds)[-1]
        return {"training": labelled, "agreement": count, "transfer": count * len(self.planned)}

    def check_budget(self) -> None:
        """Refuse what the budget does not suffice for, before anything is asked.

        Raises:
            InputError: with what everything costs.
        """
        costs = self.costs()
        total = sum(costs.values())
        if self.budget is not None and total > self.budget:
            raise InputError(
                f"this takes up to {total:,} queries ({costs['training']:,} labels, and "
                f"{plural(costs['agreement'], 'test image')} as they are and by "
                f"{plural(len(self.planned), 'attack and radius', 'attacks and radii')}), and the budget is "
                f"{self.budget:,}; expected a larger --budget, fewer --test-images, --eps or --rounds, or a "
                "smaller sample in --augment"
            )
