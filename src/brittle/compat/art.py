"""The call shape of ART: `ProjectedGradientDescent(estimator=..., eps=...).generate(x=array, y=array)`.

Names, defaults and the order of arguments are those of the Adversarial Robustness Toolbox 1.20, for classifiers in
PyTorch. Arrays go in and come out.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Never

import numpy as np
from torch import Tensor, nn

from brittle.arguments import seen
from brittle.attacks import carlini_wagner_l2, deepfool, fgsm, pgd
from brittle.classifiers.classifier import Classifier
from brittle.compat.calls import TAKEN, Absent, aim, as_given, behind, changed, logits_of, norm_of, refuse, to_the_end
from brittle.compat.native import ART, absent
from brittle.core.attack import Attack
from brittle.core.goal import Goal
from brittle.core.run import run
from brittle.errors import InputError
from brittle.threats import Lp

Array = np.ndarray
NORMS: dict[Any, float] = {math.inf: math.inf, "inf": math.inf, 2: 2.0}
_ABSENT_OF_CLASSIFIER = {
    "device_type": TAKEN,
    "optimizer": TAKEN,  # of training alone
    "use_amp": Absent(False, "call it within torch.autocast"),
    "channels_first": Absent(True, "permute arrays to (n, channels, height, width)"),
    "preprocessing_defences": Absent(None, "put a defence around the network: see brittle.Defence"),
    "postprocessing_defences": Absent(None, "put a defence around the network: see brittle.Defence"),
}
_ABSENT = {
    "verbose": TAKEN,
    "summary_writer": Absent(False, "give brittle.run trace=True, and look at result.trace"),
    "random_eps": Absent(False, "draw the radius yourself and give it as eps"),
    "decay": Absent(None, "take brittle.PGD(momentum=...)"),
    "minimal": Absent(False, "take brittle.SmallestRadius(brittle.FGSM())"),
    "eps_step": Absent(0.1, "leave it out: it is a setting of minimal=True, which is brittle.SmallestRadius"),
    "max_halving": Absent(5, "leave it out: steps are of one length, as the authors' are"),
    "max_doubling": Absent(5, "leave it out: steps are of one length, as the authors' are"),
    "mask": Absent(None, "give brittle.run a threat that changes a part of an image, such as brittle.Patch"),
}


class PyTorchClassifier:
    """A network as the attacks take it: `brittle.Classifier`.

    Args:
        model: from images within `clip_values` to logits.
        loss: torch.nn.CrossEntropyLoss(), which is what the attacks climb.
        input_shape: (channels, height, width); arrays of another shape are refused.
        nb_classes: how many outputs the network has, for labels given as rows.
        clip_values: lowest and highest value of an image.
        preprocessing: what is subtracted from images and what they are divided by.
        others: further arguments of ART, refused where they ask for something.

    Raises:
        InputError: another loss, or no `clip_values`.

    Example:
        >>> module = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> estimator = PyTorchClassifier(module, nn.CrossEntropyLoss(), (1, 2, 2), 2, clip_values=(0, 1))
        >>> estimator.predict(np.zeros((3, 1, 2, 2), np.float32)).shape
        (3, 2)
    """

    def __init__(  # the arguments of ART
        self,
        model: nn.Module,
        loss: nn.Module,
        input_shape: tuple[int, ...],
        nb_classes: int,
        *,
        clip_values: tuple[Any, Any] | None = None,
        preprocessing: tuple[Any, Any] | None = (0.0, 1.0),
        **others: Any,
    ):
        refuse("art.PyTorchClassifier", others, _ABSENT_OF_CLASSIFIER)
        if not isinstance(loss, nn.CrossEntropyLoss):
            raise InputError(
                f"loss is {seen(loss)}; expected torch.nn.CrossEntropyLoss(); other losses are settings of the attack: "
                "brittle.PGD(loss='margin')"
            )
        if clip_values is None:
            raise InputError(
                "clip_values is None; give the lowest and the highest value of an image, such as (0.0, 1.0)"
            )
        mean, std = (0.0, 1.0) if preprocessing is None else preprocessing
        low, high = (float(np.asarray(one).reshape(-1)[0]) for one in clip_values)
        self.classifier = Classifier(behind(model, mean, std), (low, high))
        self.input_shape, self.nb_classes = tuple(input_shape), nb_classes

    def images(self, x: Array) -> Tensor:
        """Return an array as images in float32.

        Raises:
            InputError: of another shape than the one given.
        """
        if tuple(x.shape[1:]) != self.input_shape:
            raise InputError(f"x has shape {x.shape}; expected (n, {', '.join(map(str, self.input_shape))})")
        return as_given(x if x.dtype == np.uint8 else x.astype(np.float32, copy=False), self.classifier)

    def predict(self, x: Array, batch_size: int = 128) -> Array:
        """Return the logits of images, (n, classes)."""
        return logits_of(self.classifier, self.images(x), batch_size).numpy()


class Evasion(ABC):
    """What the attacks share.

    Args:
        estimator: a `PyTorchClassifier` of this module.
        targeted: `y` are the classes to reach.
        batch_size: most images in one pass.
        others: further arguments of ART, refused where they ask for something.
    """

    uses_labels: ClassVar[bool] = True

    def __init__(self, estimator: PyTorchClassifier, targeted: bool, batch_size: int, others: dict[str, Any]):
        refuse(f"art.{type(self).__name__}", others, _ABSENT)
        if not isinstance(estimator, PyTorchClassifier):  # pyright: ignore[reportUnnecessaryIsInstance]  # what users do
            raise InputError(
                "the estimator is none of brittle's; write brittle.compat.art.PyTorchClassifier(model, loss, "
                "input_shape, nb_classes, clip_values=(0.0, 1.0))"
            )
        self.estimator, self.targeted, self.batch_size, self.calls = estimator, targeted, batch_size, 0

    def generate(self, x: Array, y: Array | None = None, **others: Any) -> Array:
        """Attack images.

        Args:
            x: (n, c, h, w) within the estimator's `clip_values`.
            y: classes, (n,) or one row of indicators an image; by default those predicted.
            others: further arguments of ART, refused where they ask for something.

        Returns:
            The changed images, (n, c, h, w), in float32.

        Raises:
            InputError: images of another shape or outside the box; a targeted attack without classes.
        """
        refuse(f"art.{type(self).__name__}.generate", others, _ABSENT)
        images = self.estimator.images(x)
        if y is None and self.targeted:
            raise InputError("the attack is targeted and y is None; give the classes to reach")
        if y is None or not self.uses_labels:
            y = self.estimator.predict(x, self.batch_size).argmax(1)
        classes = np.asarray(y)
        classes = classes.argmax(1) if classes.ndim == 2 and classes.shape[1] > 1 else classes.reshape(-1)
        goal = aim(classes.astype(np.int64), images, targeted=self.targeted)
        found = self._found(images, goal)
        self.calls += 1
        return found.numpy()

    @abstractmethod
    def _found(self, images: Tensor, goal: Goal) -> Tensor: ...


class Gradient(Evasion, ABC):
    """Attacks at a radius, which go to their last step."""

    eps: float
    p: float

    def _found(self, images: Tensor, goal: Goal) -> Tensor:
        threat, settings = Lp(self.p, self.eps), {"seed": self.calls, "batch": self.batch_size}
        return to_the_end(self.attack(), self.estimator.classifier, images, goal, threat, **settings).adversarial

    @abstractmethod
    def attack(self) -> Attack:
        """Return the attack."""


class FastGradientMethod(Gradient):
    """One step of the length of the radius: `brittle.FGSM`, or with random starts `brittle.PGD(steps=1)`."""

    def __init__(  # the arguments of ART
        self,
        estimator: PyTorchClassifier,
        norm: float | str = math.inf,
        eps: float = 0.3,
        *,
        targeted: bool = False,
        num_random_init: int = 0,
        batch_size: int = 32,
        **others: Any,
    ):
        super().__init__(estimator, targeted, batch_size, others)
        self.p, self.eps, self.starts = norm_of("art.FastGradientMethod", norm, NORMS), float(eps), num_random_init

    def attack(self) -> Attack:
        """Return FGSM, or PGD of one step."""
        return pgd.PGD(1, step_size=self.eps, restarts=self.starts) if self.starts else fgsm.FGSM()


class ProjectedGradientDescent(Gradient):
    """Steps of `eps_step`, kept within `eps`: `brittle.PGD`, from the image itself without random starts."""

    def __init__(  # noqa: PLR0913  # the arguments of ART
        self,
        estimator: PyTorchClassifier,
        norm: float | str = math.inf,
        eps: float = 0.3,
        eps_step: float = 0.1,
        decay: float | None = None,
        max_iter: int = 100,
        targeted: bool = False,
        num_random_init: int = 0,
        batch_size: int = 32,
        **others: Any,
    ):
        super().__init__(estimator, targeted, batch_size, {"decay": decay} | others)
        self.p, self.eps = norm_of("art.ProjectedGradientDescent", norm, NORMS), float(eps)
        self.eps_step, self.max_iter, self.starts = eps_step, max_iter, num_random_init

    def attack(self) -> Attack:
        """Return PGD."""
        settings: dict[str, Any] = {"restarts": max(self.starts, 1), "random_start": self.starts > 0}
        return pgd.PGD(self.max_iter, step_size=self.eps_step, **settings)


class DeepFool(Evasion):
    """The smallest change in the 2-norm away from the class predicted: `brittle.DeepFool`; `y` has no say, as there.

    Every step gets the 1e-4 of the authors' code, which ART leaves out; and ART multiplies steps by the width of the
    box, which is right for images in [0, 1] alone, and is not done here.
    """

    uses_labels: ClassVar[bool] = False

    def __init__(  # the arguments of ART
        self,
        classifier: PyTorchClassifier,
        max_iter: int = 100,
        epsilon: float = 1e-6,
        nb_grads: int = 10,
        batch_size: int = 1,
        **others: Any,
    ):
        super().__init__(classifier, False, batch_size, others)
        self.max_iter, self.epsilon, self.nb_grads = max_iter, epsilon, nb_grads

    def _found(self, images: Tensor, goal: Goal) -> Tensor:
        attack = deepfool.DeepFool(self.max_iter, self.epsilon, candidates=self.nb_grads, slack=math.inf, box=0.0)
        return run(
            attack, self.estimator.classifier, images, goal=goal, threat=Lp(2), batch=self.batch_size
        ).adversarial


class CarliniL2Method(Evasion):
    """Carlini & Wagner's attack in the 2-norm: `brittle.CarliniWagnerL2`.

    An image that was not broken is returned as it was given. ART changes the length of its steps by halving and
    doubling; ours are Adam's, as the authors' are. ART doubles a constant that broke nothing and never lowers it again;
    ours grows tenfold and is then bisected, as the authors' is.
    """

    def __init__(  # noqa: PLR0913  # the arguments of ART
        self,
        classifier: PyTorchClassifier,
        confidence: float = 0.0,
        targeted: bool = False,
        learning_rate: float = 0.01,
        binary_search_steps: int = 10,
        max_iter: int = 10,
        initial_const: float = 0.01,
        *,
        batch_size: int = 1,
        **others: Any,
    ):
        super().__init__(classifier, targeted, batch_size, others)
        self.confidence = float(confidence)
        self.settings = (binary_search_steps, max_iter, learning_rate, initial_const)

    def _found(self, images: Tensor, goal: Goal) -> Tensor:
        settings: dict[str, Any] = {"confidence": self.confidence, "batch": self.batch_size}
        attack = carlini_wagner_l2.CarliniWagnerL2(*self.settings)
        found = run(attack, self.estimator.classifier, images, goal=goal, threat=Lp(2), **settings)
        return changed(found, images)


def __getattr__(name: str) -> Never:
    absent(__name__, name, ART, globals())
