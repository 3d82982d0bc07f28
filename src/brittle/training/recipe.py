"""The settings of an ordinary training, and the recipe of every built-in architecture."""

import math
from dataclasses import dataclass
from typing import Literal

from brittle.arguments import Seed, check_fields
from brittle.errors import InputError
from brittle.near import meant
from brittle.training.precision import Precision

Schedule = Literal["constant", "cosine", "steps"]


@dataclass(frozen=True)
class PlainTraining:
    """How a network is trained; together with the data, the whole recipe.

    Attributes:
        epochs: passes over the training images.
        batch: images a step.
        optimiser: "sgd" (with Nesterov's momentum where momentum is positive) or "adam".
        rate: learning rate at the start.
        schedule: "constant"; "cosine" (falls to 0 at the last step, Loshchilov and Hutter 2017); "steps" (a tenth from
            one half of the epochs on, a hundredth from three quarters on, He et al. 2016).
        momentum: of "sgd"; "adam" keeps its published 0.9 and 0.999.
        decay: L2 penalty on all weights, added to the gradient.
        shift: pixels of zero padding before a random crop of the old size; 0 for none (4 is usual on CIFAR).
        flip: mirror half of the images left to right (right for photographs, wrong for digits).
        seed: of the first weights, the order, the augmentation and the dropout.
        threads: processor threads used while training; None leaves torch's setting, a number makes the weights
            independent of it.
        temperature: T; the loss is that of the logits divided by it. Networks answer undivided.
        workers: processes of this machine that share each batch, two images each at least; one for each GPU on GPUs.
            Each takes its share of the threads. The step is that of the whole batch up to rounding, but batch
            normalisation sees the shares.
        precision: "full", or "mixed": the network computes in bfloat16 where torch's autocast does so, in the attack
            and in the step, while weights, losses and updates stay as they are (Micikevicius et al., ICLR 2018; Wong et
            al., ICLR 2020, section 4.3, for fast adversarial training); slower than "full" on processors without
            bfloat16. Held-out images are measured in full precision.

    Example:
        >>> PlainTraining(epochs=2).schedule
        'cosine'
    """

    epochs: int = 20
    batch: int = 128
    optimiser: Literal["sgd", "adam"] = "sgd"
    rate: float = 0.05
    schedule: Schedule = "cosine"
    momentum: float = 0.9
    decay: float = 5e-4
    shift: int = 0
    flip: bool = False
    seed: Seed = 0
    threads: int | None = None
    workers: int = 1
    temperature: float = 1.0
    precision: Precision = "full"

    def __post_init__(self):
        """Refuses invalid settings."""
        check_fields(self)
        for name, least in {"epochs": 0, "batch": 1, "workers": 1, "shift": 0, "momentum": 0.0, "decay": 0.0}.items():
            if not getattr(self, name) >= least:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if self.workers > max(1, self.batch // 2):
            raise InputError(
                f"workers is {self.workers}, and each needs two of the {self.batch} images of a batch; take "
                f"{max(1, self.batch // 2)} workers at most, or a larger batch"
            )
        if not 0 < self.rate < math.inf:
            raise InputError(f"rate is {self.rate}; it must be a positive number, such as 0.05")
        if not 0 < self.temperature < math.inf:
            raise InputError(f"temperature is {self.temperature}; it must be a positive number, such as 20")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"threads is {self.threads}; it must be at least 1, or None for torch's own setting")
        for name, known in (("optimiser", ("sgd", "adam")), ("schedule", ("constant", "cosine", "steps"))):
            if (given := getattr(self, name)) not in known:
                raise InputError(f"{name} is {given!r}{meant(given, known)}; known are {', '.join(known)}")

    def rate_at(self, progress: float) -> float:
        """The learning rate when the fraction `progress` (0 to 1) of all steps is done.

        Example:
            >>> PlainTraining(rate=1.0, schedule="steps").rate_at(0.6)
            0.1
        """
        if self.schedule == "cosine":
            return self.rate * (1 + math.cos(math.pi * progress)) / 2
        if self.schedule == "steps":
            return self.rate * (0.01 if progress >= 0.75 else 0.1 if progress >= 0.5 else 1.0)
        return self.rate


SIGMOID = PlainTraining(epochs=40, batch=128, optimiser="adam", rate=3e-3, decay=2e-5, threads=1)
"""For networks of sigmoid units; the decay is the penalty lambda sum w^2, lambda = 1e-5, of Szegedy et al. 2014."""
ADAM = PlainTraining(epochs=5, batch=50, optimiser="adam", rate=1e-4, schedule="constant", decay=0.0)
"""Of the published code of Alaifari et al. 2019 for both of their MNIST networks; its epochs are "for precision" to be
raised, to 84 for the 100,000 steps of Madry et al. 2018."""
RECIPES: dict[str, PlainTraining] = {
    "ae400-10": SIGMOID,
    "allconv-cifar": PlainTraining(epochs=160, batch=128, rate=0.01, decay=1e-3, shift=4, flip=True, schedule="steps"),
    "digits-lenet": PlainTraining(epochs=20, batch=32, rate=0.02, shift=2, threads=1),
    "fc10": PlainTraining(epochs=20, batch=128, rate=0.02, decay=2e-4, threads=1),
    "fc100-100-10": SIGMOID,
    "fc123-456-10": SIGMOID,
    "fc200-200-10": SIGMOID,
    "fc500-150-10": PlainTraining(epochs=20, batch=64, rate=0.02, threads=1),
    "lenet-cifar": PlainTraining(epochs=60, batch=128, rate=0.05, shift=4, flip=True),
    "lenet-mnist": PlainTraining(epochs=10, batch=64, rate=0.02),
    "mnist-a": ADAM,
    "mnist-a-quarter": ADAM,
    "mnist-a-robust": ADAM,
    "mnist-b": ADAM,
    "mnist-b-quarter": ADAM,
    "mnist-carlini": PlainTraining(epochs=50, batch=128, rate=0.02, decay=0.0),
    "nin-cifar": PlainTraining(epochs=160, optimiser="adam", rate=3e-4, decay=0.0, shift=4, flip=True),
    "vgg16-cifar": PlainTraining(epochs=160, batch=128, rate=0.05, shift=4, flip=True, schedule="steps"),
}
"""The settings that each built-in architecture is trained with when none are given."""
