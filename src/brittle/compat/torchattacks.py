"""The call shape of torchattacks: `PGD(module, eps=8/255, alpha=2/255, steps=10)(images, labels)`.

Names, defaults and the order of arguments are those of torchattacks 3.5. Images lie in [0, 1], and the normalisation
belongs inside the module. The attacks with steps at a radius are run to their last step on every image.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Never, cast

from torch import Tensor, nn

from brittle.attacks import autoattack, carlini_wagner_l2, deepfool, fgsm, pgd
from brittle.classifiers.classifier import Classifier
from brittle.compat.calls import ALL_CLASSES, TAKEN, Absent, aim, as_given, changed, norm_of, refuse, to_the_end
from brittle.compat.native import TORCHATTACKS, absent
from brittle.core.run import run
from brittle.errors import InputError
from brittle.threats import Lp
from brittle.types import Images

_DIVISION = {"eps_for_division": Absent(1e-10, "leave it out: a gradient of 0 moves nothing")}


class Adversary(ABC):
    """What the attacks share: the network, and which classes the labels of a call are.

    Args:
        model: from images in [0, 1] to logits.
        others: arguments that torchattacks has, refused where they ask for something.
        absent: which these are.
    """

    targets: ClassVar[bool] = True

    def __init__(self, model: nn.Module, others: Mapping[str, Any], absent: Mapping[str, Absent] | None = None):
        refuse(self._named, others, absent or {})
        self.classifier = Classifier(model)
        self.calls = 0
        self._target_of: Callable[[Tensor, Tensor], Tensor] | None = None

    @property
    def _named(self) -> str:
        return f"torchattacks.{type(self).__name__}"

    def set_mode_default(self, quiet: bool = False) -> None:
        """Let labels be the classes to leave."""
        self._target_of = None

    def set_mode_targeted_by_label(self, quiet: bool = False) -> None:
        """Let the labels of the next calls be the classes to reach."""
        self.set_mode_targeted_by_function(lambda images, labels: labels)

    def set_mode_targeted_by_function(
        self, target_map_function: Callable[[Tensor, Tensor], Tensor], quiet: bool = False
    ) -> None:
        """Let a function of images and labels say the classes to reach.

        Raises:
            InputError: an attack that has no targeted mode.
        """
        if not self.targets:
            raise InputError(f"{self._named} has no targeted mode; expected PGD, FGSM, BIM, PGDL2 or CW")
        self._target_of = target_map_function

    def set_mode_targeted_random(self, quiet: bool = False) -> Never:
        """Refused: it draws from the global random state.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{self._named} draws no classes; give those to reach as labels, after set_mode_targeted_by_label()"
        )

    def set_normalization_used(self, mean: Any, std: Any) -> Never:
        """Refused: images are those of [0, 1].

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{self._named} takes images in [0, 1]; put the normalisation into the module: "
            "torch.nn.Sequential(torchvision.transforms.Normalize(mean, std), model)"
        )

    def __call__(self, images: Tensor, labels: Tensor) -> Images:
        """Attack images.

        Args:
            images: (n, c, h, w) in [0, 1], or uint8.
            labels: (n,) the true classes, or in a targeted mode those to reach.

        Returns:
            The changed images, (n, c, h, w), on the device of those given.

        Raises:
            InputError: images outside the box, or labels that are no classes.
            ModelError: outputs that are not logits.
        """
        images = as_given(images, self.classifier)
        targeted = self._target_of is not None
        classes = labels if self._target_of is None else self._target_of(images, labels)
        found = self._attacked(images, classes, targeted=targeted, seed=self.calls)
        self.calls += 1
        return found

    @abstractmethod
    def _attacked(self, images: Images, classes: Tensor, *, targeted: bool, seed: int) -> Images: ...


class Steps(Adversary, ABC):
    """Attacks at a radius, which go to their last step."""

    p: ClassVar[float] = math.inf
    eps: float

    def _attacked(self, images: Images, classes: Tensor, *, targeted: bool, seed: int) -> Images:
        goal = aim(classes, images, targeted=targeted)
        threat, batch = Lp(self.p, self.eps), max(len(images), 1)
        return to_the_end(self._attack(), self.classifier, images, goal, threat, seed=seed, batch=batch).adversarial

    @abstractmethod
    def _attack(self) -> "pgd.PGD | fgsm.FGSM": ...


class FGSM(Steps):
    """One step along the sign of the gradient: `brittle.FGSM`.

    Example:
        >>> import torch
        >>> module = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> images = torch.full((1, 1, 2, 2), 0.5)
        >>> moved = FGSM(module, eps=0.25)(images, torch.tensor([0]))
        >>> (moved - images).abs().unique()
        tensor([0.2500])
    """

    def __init__(self, model: nn.Module, eps: float = 8 / 255, **others: Any):
        super().__init__(model, others)
        self.eps = eps

    def _attack(self) -> fgsm.FGSM:
        return fgsm.FGSM()


class PGD(Steps):
    """Steps of `alpha` along the sign of the gradient, kept within `eps`, from a random start: `brittle.PGD`."""

    def __init__(
        self,
        model: nn.Module,
        eps: float = 8 / 255,
        alpha: float = 2 / 255,
        steps: int = 10,
        random_start: bool = True,
        **others: Any,
    ):
        super().__init__(model, others)
        self.eps, self.alpha, self.steps, self.random_start = eps, alpha, steps, random_start

    def _attack(self) -> pgd.PGD:
        return pgd.PGD(self.steps, step_size=self.alpha, random_start=self.random_start)


class BIM(Steps):
    """PGD from the image itself; without `steps` as many as torchattacks makes: min(eps + 4, 1.25 eps) on 0..255."""

    def __init__(self, model: nn.Module, eps: float = 8 / 255, alpha: float = 2 / 255, steps: int = 10, **others: Any):
        super().__init__(model, others)
        self.eps, self.alpha = eps, alpha
        self.steps = steps or math.ceil(min(eps * 255 + 4, eps * 255 * 1.25))

    def _attack(self) -> pgd.PGD:
        return pgd.PGD(self.steps, step_size=self.alpha, random_start=False)


class PGDL2(Steps):
    """PGD in the 2-norm: `brittle.PGD` with `brittle.Lp(2, eps)`."""

    p: ClassVar[float] = 2.0

    def __init__(  # the arguments of torchattacks
        self,
        model: nn.Module,
        eps: float = 1.0,
        alpha: float = 0.2,
        steps: int = 10,
        random_start: bool = True,
        **others: Any,
    ):
        super().__init__(model, others, _DIVISION)
        self.eps, self.alpha, self.steps, self.random_start = eps, alpha, steps, random_start

    def _attack(self) -> pgd.PGD:
        return pgd.PGD(self.steps, step_size=self.alpha, random_start=self.random_start)


class DeepFool(Adversary):
    """The smallest change in the 2-norm: `brittle.DeepFool` with all classes, as published.

    torchattacks clamps every step and leaves out the 1e-4 that the authors' code adds to it. Black and white pixels
    then swallow a part of each step, and many images end a rounding before the boundary. Here it is added, so that this
    breaks images that torchattacks does not.
    """

    targets: ClassVar[bool] = False

    def __init__(self, model: nn.Module, steps: int = 50, overshoot: float = 0.02, **others: Any):
        super().__init__(model, others)
        self.steps, self.overshoot = steps, overshoot

    def _attacked(self, images: Images, classes: Tensor, *, targeted: bool, seed: int) -> Images:
        attack = deepfool.DeepFool(self.steps, self.overshoot, candidates=ALL_CLASSES, slack=math.inf, box=0.0)
        goal = aim(classes, images, targeted=False)
        return run(attack, self.classifier, images, goal=goal, threat=Lp(2), batch=max(len(images), 1)).adversarial


class CW(Adversary):
    """Carlini & Wagner's attack with one constant.

    It is `brittle.CarliniWagnerL2(searches=1, constant=c, abort_early=False)`.

    An image that was not broken is returned as it was given.
    """

    def __init__(  # the arguments of torchattacks
        self, model: nn.Module, c: float = 1, kappa: float = 0, steps: int = 50, lr: float = 0.01, **others: Any
    ):
        super().__init__(model, others)
        self.c, self.kappa, self.steps, self.lr = c, kappa, steps, lr

    def _attacked(self, images: Images, classes: Tensor, *, targeted: bool, seed: int) -> Images:
        attack = carlini_wagner_l2.CarliniWagnerL2(
            searches=1, steps=self.steps, learning_rate=self.lr, constant=self.c, abort_early=False
        )
        goal = aim(classes, images, targeted=targeted)
        settings: dict[str, Any] = {"confidence": float(self.kappa), "batch": max(len(images), 1)}
        return changed(run(attack, self.classifier, images, goal=goal, threat=Lp(2), **settings), images)


class AutoAttack(Adversary):
    """The ensemble: `brittle.AutoAttack(version)`; an image that was not broken is returned as it was given.

    `n_classes` and `verbose` are taken and change nothing: the network says how many classes it has.
    """

    targets: ClassVar[bool] = False

    def __init__(  # the arguments of torchattacks
        self,
        model: nn.Module,
        norm: str = "Linf",
        eps: float = 8 / 255,
        version: str = "standard",
        n_classes: int = 10,
        seed: int | None = None,
        **others: Any,
    ):
        super().__init__(model, others, {"verbose": TAKEN})
        p = norm_of(self._named, norm, {"Linf": math.inf, "L2": 2.0, "L1": 1.0})
        self.attack, self.threat = autoattack.AutoAttack(cast("autoattack.Version", version)), Lp(p, eps)
        self.seed = seed

    def _attacked(self, images: Images, classes: Tensor, *, targeted: bool, seed: int) -> Images:
        settings: dict[str, Any] = {
            "seed": seed if self.seed is None else self.seed,
            "batch": max(len(images), 1),
        }
        goal = aim(classes, images, targeted=False)
        return changed(run(self.attack, self.classifier, images, goal=goal, threat=self.threat, **settings), images)


def __getattr__(name: str) -> Never:
    absent(__name__, name, TORCHATTACKS, globals())
