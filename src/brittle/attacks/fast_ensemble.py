"""The fast ensemble: brittle's own, for AutoAttack's verdict at a fraction of its passes."""

from dataclasses import dataclass
from typing import ClassVar

from brittle.attacks.apgd import APGD
from brittle.attacks.boundary_descent import BoundaryDescent
from brittle.attacks.objective import dlr_or_margin, fewest_classes
from brittle.attacks.square import Square
from brittle.core.attack import Attack, at_least
from brittle.core.combinators import Cascade
from brittle.core.problem import Problem

EASY = 20
"""Steps of the first member, after which most images that fall at all have fallen."""


@dataclass(frozen=True)
class FastEnsemble(Attack):
    """A few members of different kinds, the cheapest first, each on the images that those before left unbroken.

    Brittle's own ensemble of published parts. The members, for networks with at least 4 classes and goals without a
    target:

    1. `APGD` on the margin, 20 steps: most images that fall at all fall here;
    2. `APGD` with the targeted DLR loss towards the classes that are nearest by the linear model, one after the other
       (MALT, Melamed et al., NeurIPS 2024, arXiv:2407.02240): the first of them breaks what AutoAttack's nine targets
       by logits break, or nearly;
    3. `BoundaryDescent`, which walks along the boundary where a climb is stuck: in linf once, from the image, in l2 and
       l1 also from far away, and in l2 three times as long, where walks break what no climb does: of 195 images of an
       adversarially trained MNIST network (l2 1.5) such an ensemble broke 105 to 106, one with a short walk 90 to 94;
    4. `Square`, which needs no gradient, for networks whose gradients mislead.

    Others get APGD with the DLR loss, or with two classes a second run on the margin, in place of 2. Nothing is given
    up on: every image that stands has been through all members.

    Attributes:
        steps: of each run of 2; 3 has twice as many, in l2 six times.
        targets: classes of 2; by default 3, in l2 2.
        queries: of Square; 0 leaves it out.

    Example:
        >>> [type(member).__name__ for member in FastEnsemble().members("linf", classes=10)]
        ['APGD', 'APGD', 'BoundaryDescent', 'Square']
    """

    threats: ClassVar[tuple[str, ...]] = ("l1", "l2", "linf")
    needs_radius: ClassVar[bool] = True
    steps: int = 50
    targets: int | None = None
    queries: int = 300

    def __post_init__(self):
        for name, value, least in (
            ("steps", self.steps, 1),
            ("targets", 1 if self.targets is None else self.targets, 1),
            ("queries", self.queries, 0),
        ):
            at_least(name, value, least)

    def perturb(self, problem: Problem) -> None:
        """Run the members on the survivors of those before."""
        norm, targeted = problem.threat.name, problem.goal.targeted
        Cascade(self.members(norm, problem.clean.shape[1], targeted=targeted)).perturb(problem)

    def parts(self, classes: int | None = None) -> list[Attack]:
        """Return the members for so many classes, by default many."""
        return list(self.members("linf", fewest_classes(targeted=True) if classes is None else classes))

    def members(self, norm: str, classes: int, *, targeted: bool = False) -> tuple[Attack, ...]:
        """Return the attacks in their order.

        Args:
            norm: name of the threat; in linf one long walk breaks more than two short ones.
            classes: of the network.
            targeted: the goal names its own target.
        """
        targets, walk = (2, 6 * self.steps) if norm == "l2" else (3, 2 * self.steps)
        targets = targets if self.targets is None else self.targets
        if targeted or classes < fewest_classes(targeted=True):
            second = APGD(self.steps, restarts=targets, loss=dlr_or_margin(classes, targeted=targeted))
        else:
            second = APGD(self.steps, targets=targets, order="near")
        members = (
            APGD(EASY, loss="margin"),
            second,
            BoundaryDescent(walk, runs=1 if norm == "linf" else None),
        )
        return (*members, Square(self.queries)) if self.queries else members
