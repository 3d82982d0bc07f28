"""AutoAttack, the ensemble by which robust accuracies are compared."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from brittle.attacks.apgd import APGD
from brittle.attacks.fab import FAB
from brittle.attacks.objective import dlr_or_margin, fewest_classes
from brittle.attacks.square import Square
from brittle.core.attack import Attack, at_least
from brittle.core.combinators import Cascade
from brittle.core.problem import Problem
from brittle.errors import InputError

Version = Literal["standard", "plus", "rand"]
TARGETS = 9
"""Classes that the targeted members aim at, one after the other; in l1 APGD-T has 5."""


@dataclass(frozen=True)
class AutoAttack(Attack):
    """Run attacks of different kinds one after the other, each on the images that those before left unbroken.

    Croce & Hein, ICML 2020 (arXiv:2003.01690), section 5, with the members and settings of the authors' code, in whose
    terms:

    - standard: apgd-ce (l1: 5 restarts), apgd-t (9 targets; l1: 5), fab-t (9 targets), square (5000 queries);
    - plus: apgd-ce and apgd-dlr (5 restarts), fab (5 restarts), square, apgd-t and fab-t (9 targets);
    - rand, for randomised networks: apgd-ce and apgd-dlr, with every gradient averaged over 20 samples.

    The targeted DLR loss needs 4 classes and the untargeted one 3. With 3 classes apgd-t is replaced by apgd-dlr, with
    2 by APGD on the margin, which then is the only other loss there is; fab-t aims at all the other classes. Goals that
    name a target are approached by the untargeted members, whose losses then lead to it.

    Deviation: images leave within an attack too, as soon as they are broken, which changes the passes and not the
    result.

    Its first member climbs the cross-entropy, as published, which depends on the scale of the logits.

    Attributes:
        version: standard, plus or rand.
        steps: of APGD and FAB; 100 as published.
        queries: of Square; 5000 as published.
        eot_samples: for rand, of every gradient; 20 as published.

    Example:
        >>> [type(member).__name__ for member in AutoAttack().members("linf", classes=10)]
        ['APGD', 'APGD', 'FAB', 'Square']
    """

    threats: ClassVar[tuple[str, ...]] = ("l1", "l2", "linf")
    needs_radius: ClassVar[bool] = True
    version: Version = "standard"
    steps: int = 100
    queries: int = 5000
    eot_samples: int = 20

    def __post_init__(self):
        if self.version not in ("standard", "plus", "rand"):
            raise InputError(f"version is {self.version!r}; expected standard, plus or rand")
        for name, value in (("steps", self.steps), ("queries", self.queries), ("eot_samples", self.eot_samples)):
            at_least(name, value, 1)

    def perturb(self, problem: Problem) -> None:
        """Run the members on the survivors of those before."""
        classes, targeted = problem.clean.shape[1], problem.goal.targeted
        if self.version == "rand":
            problem = replace(problem, eot_samples=max(problem.eot_samples, self.eot_samples))
        Cascade(self.members(problem.threat.name, classes, targeted=targeted)).perturb(problem)

    def parts(self, classes: int | None = None) -> list[Attack]:
        """Return the members for linf and so many classes, by default many."""
        return list(self.members("linf", TARGETS + 1 if classes is None else classes))

    def members(self, norm: str, classes: int, *, targeted: bool = False) -> tuple[Attack, ...]:
        """Return the attacks in their order.

        Args:
            norm: linf, l2 or l1.
            classes: of the network.
            targeted: the goal names its own target.
        """
        wide = norm == "l1"
        first = APGD(self.steps, restarts=5 if self.version == "plus" or (wide and self.version == "standard") else 1)
        other = replace(first, loss=dlr_or_margin(classes, targeted=targeted))
        if self.version == "rand":
            return (first, other)
        square = Square(self.queries, rescaled=False)
        fab = FAB(self.steps, restarts=5 if self.version == "plus" else 1)
        if targeted:
            return (first, other, fab, square)
        aimed, aimable = replace(other, restarts=1), fewest_classes(targeted=True)
        if classes >= aimable:
            aimed = APGD(self.steps, targets=5 if wide and self.version == "standard" else TARGETS)
        fab_aimed = FAB(self.steps, targets=TARGETS)
        if self.version == "plus":
            return (first, other, fab, square, *(() if classes < aimable else (aimed,)), fab_aimed)
        return (first, aimed, fab_aimed, square)
