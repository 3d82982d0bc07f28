"""What is asked of the teaching of a substitute, and what it costs at most."""

import math
from dataclasses import dataclass

from brittle.errors import InputError
from brittle.evaluation.oracle import Asked
from brittle.evaluation.plan import Planned
from brittle.evaluation.substitute_images import Seeds, Unseen
from brittle.evaluation.substitute_recipes import SubstituteRecipe
from brittle.training.named import Design
from brittle.words import plural

MOST = 1e9
"""Further away than any radius."""


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
        each_round: test images that are attacked after each round, to see what transfers so far; 0 for none.
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
    each_round: int
    budget: int | None
    seed: int
    device: str

    def costs(self) -> dict[str, int]:
        """Return the most queries that it takes, by what for."""
        teaching, count = self.recipe.teaching, len(self.unseen.images)
        labelled = teaching.augmentation.sizes(len(self.seeds.images), teaching.rounds)[-1]
        costs = {"training": labelled, "agreement": count, "transfer": count * len(self.planned)}
        return costs | ({"rounds": min(self.each_round, count) * teaching.rounds} if self.each_round else {})

    def watched(self) -> Planned:
        """Return what is tried after each round: the first attack, at the radius nearest to the usual one."""
        first = self.planned[0]
        same = [one for one in self.planned if one.attack == first.attack and one.info.radius is not None]
        usual = first.threat.usual_radius(self.design.input_shape)
        wanted = math.inf if usual is None else usual[0]  # the largest one where none is usual
        return min(same, key=lambda one: abs((one.info.radius or 0.0) - min(wanted, MOST)), default=first)

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
                f"{plural(len(self.planned), 'attack and radius', 'attacks and radii')}, and "
                f"{costs.get('rounds', 0):,} by the first attack after the rounds), and the budget is "
                f"{self.budget:,}; expected a larger --budget, fewer --test-images, --eps or --rounds, or a "
                "smaller sample in --augment"
            )
