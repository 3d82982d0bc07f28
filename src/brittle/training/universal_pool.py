"""Training on a pool of universal perturbations: some of the images of each step are shown with one of them added."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from brittle.arguments import check_fields, seen
from brittle.base.bounds import Bounds
from brittle.base.rows import column
from brittle.base.seeds import Streams
from brittle.core.attack import at_least
from brittle.errors import InputError
from brittle.runs.checkpoint import checksum
from brittle.training.accumulated import AccumulatedTraining
from brittle.training.adversarial import AdversarialTraining
from brittle.training.free import FreeTraining
from brittle.training.objective import PLAIN, Objective
from brittle.types import Images, Labels, Logits


class BatchChange(Protocol):
    """What is done to the batches of one epoch before their steps."""

    @property
    def objective(self) -> Objective:
        """What the batch that `on` returned last is for."""
        ...

    @property
    def replays(self) -> int:
        """How many steps in a row are made on each batch, which `on` is asked for anew each time."""
        ...

    def on(self, images: Images, truth: Labels, chosen: Tensor, epochs: float) -> Images:
        """Return the images to make a step on.

        Args:
            images: (n, c, h, w), augmented, on the network's device.
            truth: (n,) their labels.
            chosen: (n,) their positions in the training set.
            epochs: how many epochs are done, fractions of the present one included.
        """
        ...

    def note(self, logits: Logits, truth: Labels) -> None:
        """Take down what the network said of the images that `on` returned; called after the step on them."""
        ...

    def summary(self) -> dict[str, float | None]:
        """Return what the epoch's record holds of it, by the names of its fields."""
        ...


@dataclass(frozen=True, eq=False)
class UniversalPool:
    """Adds one perturbation of a pool, picked at random, to some of the images of each step.

    Moosavi-Dezfooli, Fawzi, Fawzi & Frossard, CVPR 2017, the section on fine-tuning (arXiv:1610.08401): 5 extra epochs
    in which every image is perturbed with probability 0.5, by one of 10 universal perturbations made for the network as
    it was. Deviation: a perturbation is added whole; the authors scale it for each image to the smallest multiple that
    fools the network.

    Which image is changed, and by which perturbation, depends on the seed, the epoch and the image's position in the
    training set alone, so that an interrupted training goes on to the same bits.

    Attributes:
        perturbations: (k, c, h, w) floats, at least one, of the images' shape.
        probability: that an image is changed, above 0 and at most 1.
        alpha: what the perturbations are multiplied by.

    Raises:
        InputError: invalid settings, or perturbations with NaN or infinite values.

    Example:
        >>> pool = UniversalPool(torch.full((1, 1, 2, 2), 0.25), probability=1.0, alpha=2.0)
        >>> pool.applied(torch.full((1, 1, 2, 2), 0.25), torch.tensor([0]), seed=0).amax()
        tensor(0.7500)
    """

    perturbations: Tensor
    probability: float = 0.5
    alpha: float = 1.0

    def __post_init__(self):
        check_fields(self)
        pool = self.perturbations
        if pool.ndim != 4 or not pool.is_floating_point() or pool.is_meta or 0 in pool.shape:
            raise InputError(
                f"the pool is {seen(pool)}; expected floats (k, channels, h, w), at least one perturbation"
            )
        if not bool(torch.isfinite(pool).all()):
            raise InputError("the pool holds NaN or infinite values; expected perturbations of finite values")
        if not 0 < self.probability <= 1:
            raise InputError(f"probability is {self.probability}; expected a number above 0 and at most 1")
        at_least("alpha", self.alpha, 0)
        if not math.isfinite(self.alpha):
            raise InputError(f"alpha is {self.alpha}; expected a finite number, such as 1")

    def __eq__(self, other: object) -> bool:
        """Whether the other one does the same."""
        return isinstance(other, UniversalPool) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(tuple(self.to_dict().items()))

    def to_dict(self) -> dict[str, Any]:
        """Return everything that determines what is done, as JSON can hold it."""
        return {
            "perturbations": len(self.perturbations),
            "sha256": checksum({}, {"perturbations": self.perturbations}),
            "probability": self.probability,
            "alpha": self.alpha,
        }

    def applied(self, images: Images, ids: Tensor, seed: int) -> Images:
        """Return images of which some have a perturbation added, clipped to [0, 1].

        Args:
            images: (n, c, h, w) in [0, 1].
            ids: (n,) positions of the images in the training set; with the seed they determine each image's draws.
            seed: of the epoch.

        Raises:
            InputError: images of another shape than the perturbations.
        """
        if images.shape[1:] != self.perturbations.shape[1:]:
            wanted, shape = ("x".join(map(str, tensor.shape[1:])) for tensor in (self.perturbations, images))
            raise InputError(f"the pool is for images of {wanted} (channels, height, width), but these are {shape}")
        streams = Streams(seed, ids.to(images.device))
        drawn = streams.uniform(torch.arange(len(images), device=images.device), (2,))
        count = len(self.perturbations)
        picked = (drawn[:, 1] * count).long().clamp_max(count - 1)
        change = self.perturbations.to(images.device, images.dtype)[picked] * self.alpha
        moved = Bounds().clamp(images + change)
        return torch.where(column(drawn[:, 0] < self.probability, images), moved, images)

    def in_epoch(self, seed: int) -> BatchChange:
        """Return what is done to the batches of the epoch with this seed."""
        return _Pooled(self, seed)


@dataclass(frozen=True)
class _Pooled:
    """A pool with the seed of an epoch; there is nothing to take down."""

    pool: UniversalPool
    seed: int
    objective: Objective = PLAIN
    replays: int = 1

    def on(self, images: Images, truth: Labels, chosen: Tensor, epochs: float) -> Images:
        return self.pool.applied(images, chosen, self.seed)

    def note(self, logits: Logits, truth: Labels) -> None:
        pass

    def summary(self) -> dict[str, float | None]:
        return {}


Hardening = AccumulatedTraining | AdversarialTraining | FreeTraining | UniversalPool
"""What may be done to the images of a training before each of its steps."""
