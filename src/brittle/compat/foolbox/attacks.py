"""Foolbox's attacks: `LinfPGD()(fmodel, images, labels, epsilons=...)`."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Never

import torch
from torch import Tensor

from brittle.attacks import carlini_wagner_l2, deepfool, fgsm, pgd
from brittle.compat.calls import ALL_CLASSES, Absent, aim, as_given, refuse, to_the_end
from brittle.compat.foolbox.model import (
    Criterion,
    Misclassification,
    PyTorchModel,
    TargetedMisclassification,
    criterion_of,
    radii_of,
)
from brittle.compat.native import FOOLBOX, absent
from brittle.core.attack import Attack
from brittle.core.goal import Goal
from brittle.core.run import run
from brittle.errors import InputError
from brittle.maths import norms
from brittle.threats import Lp
from brittle.types import Images

Radii = float | Sequence[float | None] | None
Found = tuple[Any, Any, Tensor]
"""raw, clipped, is_adv: for one radius (n, c, h, w), (n, c, h, w) and (n,), for several lists of these and (k, n)."""
_ABSENT = {
    "early_stop": Absent(None, "leave it out: an image leaves once its smallest change is found"),
    "distance": Absent(None, "take brittle.run with brittle.Lp"),
    "loss": Absent("logits", "leave it out: DeepFool goes by logits, as published"),
}


class Attacks(ABC):
    """What the attacks share: the call."""

    p: ClassVar[float] = math.inf
    calls: int = 0

    def __call__(
        self, model: PyTorchModel, inputs: Tensor, criterion: Tensor | Criterion, *, epsilons: Radii, **others: Any
    ) -> Found:
        """Attack images.

        Args:
            model: a `PyTorchModel` of this module.
            inputs: (n, c, h, w) within the model's bounds, or uint8.
            criterion: (n,) the true classes, or one of the two criteria.
            epsilons: a radius, several, or None for the smallest change whatever its size, for attacks that search it.
            others: further arguments of Foolbox, refused where they ask for something.

        Returns:
            raw: the images that the attack found. clipped: the same, with changes that are longer than the radius cut
            to it. is_adv: whether these meet the criterion. With several radii two lists, and (radii, n).

        Raises:
            InputError: images outside the bounds, a model or a criterion of another kind, no radius where one is
                needed.
        """
        refuse(f"foolbox.{type(self).__name__}", others, _ABSENT)
        if not isinstance(model, PyTorchModel):  # pyright: ignore[reportUnnecessaryIsInstance]  # what users do
            raise InputError(
                "the model is none of brittle's; write brittle.compat.foolbox.PyTorchModel(module, bounds=(0, 1))"
            )
        images, sought = as_given(inputs, model.classifier), criterion_of(criterion)
        classes = sought.labels if isinstance(sought, Misclassification) else sought.target_classes
        goal = aim(classes, images, targeted=isinstance(sought, TargetedMisclassification))
        raw, clipped = self._found(model, images, goal, radii_of(epsilons))
        is_adv = torch.stack([sought(one, model(one)) for one in clipped])
        self.calls += 1
        return (raw, clipped, is_adv) if isinstance(epsilons, Sequence) else (raw[0], clipped[0], is_adv[0])

    def run(
        self,
        model: PyTorchModel,
        inputs: Tensor,
        criterion: Tensor | Criterion,
        *,
        epsilon: Radii = None,
        **others: Any,
    ) -> Images:
        """Return the images that the attack found, the first of what a call with one radius returns."""
        return self(model, inputs, criterion, epsilons=epsilon, **others)[0]

    def repeat(self, times: int) -> Never:
        """Refused: restarts are a setting."""
        raise InputError(
            f"foolbox.{type(self).__name__} is not repeated; write brittle.run(brittle.PGD(restarts={times}), ...), or "
            f"brittle.Restarts(attack, count={times}) of another attack"
        )

    @abstractmethod
    def _found(
        self, model: PyTorchModel, images: Images, goal: Goal, radii: list[float | None]
    ) -> tuple[list[Images], list[Images]]: ...


class FixedEpsilon(Attacks, ABC):
    """Attacks at a radius, which go to their last step, once for each radius."""

    def _found(
        self, model: PyTorchModel, images: Images, goal: Goal, radii: list[float | None]
    ) -> tuple[list[Images], list[Images]]:
        found: list[Images] = []
        for radius in radii:
            if radius is None:
                raise InputError(
                    f"foolbox.{type(self).__name__} was given epsilons=None; give radii, or search for the smallest "
                    "change with L2DeepFoolAttack, LinfDeepFoolAttack or L2CarliniWagnerAttack"
                )
            threat, batch = Lp(self.p, radius), max(len(images), 1)
            result = to_the_end(self.at(radius), model.classifier, images, goal, threat, seed=self.calls, batch=batch)
            found.append(result.adversarial)
        return found, found

    @abstractmethod
    def at(self, radius: float) -> Attack:
        """Return the attack at a radius."""


class Descent(FixedEpsilon, ABC):
    """Steps along the steepest direction, kept within the radius: `brittle.PGD`.

    Args:
        rel_stepsize: the length of a step, as a fraction of the radius.
        abs_stepsize: the same in the units of the images, instead.
        steps: how many.
        random_start: begin at a random point of the ball.
    """

    def __init__(self, rel_stepsize: float, abs_stepsize: float | None, steps: int, random_start: bool):
        self.rel_stepsize, self.abs_stepsize = rel_stepsize, abs_stepsize
        self.steps, self.random_start = steps, random_start

    def at(self, radius: float) -> Attack:
        """Return PGD with the step of this radius."""
        step = self.rel_stepsize * radius if self.abs_stepsize is None else self.abs_stepsize
        return pgd.PGD(self.steps, step_size=step, random_start=self.random_start)


class LinfProjectedGradientDescentAttack(Descent):
    """PGD in the largest change, 40 steps from a random start."""

    def __init__(
        self,
        *,
        rel_stepsize: float = 0.01 / 0.3,
        abs_stepsize: float | None = None,
        steps: int = 40,
        random_start: bool = True,
    ):
        super().__init__(rel_stepsize, abs_stepsize, steps, random_start)


class L2ProjectedGradientDescentAttack(Descent):
    """PGD in the 2-norm, 50 steps from a random start."""

    p: ClassVar[float] = 2.0

    def __init__(
        self,
        *,
        rel_stepsize: float = 0.025,
        abs_stepsize: float | None = None,
        steps: int = 50,
        random_start: bool = True,
    ):
        super().__init__(rel_stepsize, abs_stepsize, steps, random_start)


class LinfBasicIterativeAttack(Descent):
    """The basic iterative method, 10 steps from the image itself."""

    def __init__(
        self,
        *,
        rel_stepsize: float = 0.2,
        abs_stepsize: float | None = None,
        steps: int = 10,
        random_start: bool = False,
    ):
        super().__init__(rel_stepsize, abs_stepsize, steps, random_start)


class FastGradient(FixedEpsilon, ABC):
    """One step along the steepest direction: `brittle.FGSM`, or one step of PGD from a random start."""

    def __init__(self, *, random_start: bool = False):
        self.random_start = random_start

    def at(self, radius: float) -> Attack:
        """Return the step of this radius."""
        return pgd.PGD(1, step_size=radius) if self.random_start else fgsm.FGSM()


class LinfFastGradientAttack(FastGradient):
    """One step along the sign of the gradient."""


class L2FastGradientAttack(FastGradient):
    """One step along the gradient, in the 2-norm."""

    p: ClassVar[float] = 2.0


class Smallest(Attacks, ABC):
    """Attacks that search for the smallest change, once for all radii."""

    confidence: float = 0.0

    def _found(
        self, model: PyTorchModel, images: Images, goal: Goal, radii: list[float | None]
    ) -> tuple[list[Images], list[Images]]:
        settings: dict[str, Any] = {"seed": self.calls, "batch": max(len(images), 1), "confidence": self.confidence}
        raw = run(self.attack(), model.classifier, images, goal=goal, threat=Lp(self.p), **settings).adversarial
        change = raw - images
        clipped = [raw if one is None else images + norms.project(change, self.p, one) for one in radii]
        return [raw] * len(radii), clipped

    @abstractmethod
    def attack(self) -> Attack:
        """Return the search."""


class DeepFool(Smallest, ABC):
    """DeepFool as published, with the 10 likeliest classes: `brittle.DeepFool(slack=inf, box=0)`."""

    def __init__(self, *, steps: int = 50, candidates: int | None = 10, overshoot: float = 0.02, **others: Any):
        refuse(f"foolbox.{type(self).__name__}", others, _ABSENT)
        self.steps, self.candidates, self.overshoot = steps, candidates, overshoot

    def attack(self) -> Attack:
        """Return DeepFool."""
        count = ALL_CLASSES if self.candidates is None else self.candidates
        return deepfool.DeepFool(self.steps, self.overshoot, candidates=count, slack=math.inf, box=0.0)


class L2DeepFoolAttack(DeepFool):
    """DeepFool in the 2-norm."""

    p: ClassVar[float] = 2.0


class LinfDeepFoolAttack(DeepFool):
    """DeepFool in the largest change."""


class L2CarliniWagnerAttack(Smallest):
    """Carlini & Wagner's attack in the 2-norm: `brittle.CarliniWagnerL2`.

    Args:
        binary_search_steps: constants tried per image.
        steps: of Adam at each of them.
        stepsize: of Adam.
        confidence: by how many logits a success is to be won.
        initial_const: the first constant.
        abort_early: give a constant up where it brings nothing more.
    """

    p: ClassVar[float] = 2.0

    def __init__(  # the arguments of Foolbox
        self,
        binary_search_steps: int = 9,
        steps: int = 10000,
        stepsize: float = 1e-2,
        confidence: float = 0,
        initial_const: float = 1e-3,
        abort_early: bool = True,
    ):
        self.searches, self.steps, self.stepsize = binary_search_steps, steps, stepsize
        self.confidence, self.initial_const, self.abort_early = float(confidence), initial_const, abort_early

    def attack(self) -> Attack:
        """Return the search."""
        return carlini_wagner_l2.CarliniWagnerL2(
            self.searches, self.steps, self.stepsize, self.initial_const, self.abort_early
        )


FGSM = LinfFastGradientAttack
FGM = L2FastGradientAttack
LinfPGD = PGD = LinfProjectedGradientDescentAttack
L2PGD = L2ProjectedGradientDescentAttack


def __getattr__(name: str) -> Never:
    absent(__name__, name, FOOLBOX, globals())
