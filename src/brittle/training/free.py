"""Free adversarial training: the backward pass that moves the weights moves the images, too."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from brittle.arguments import check_fields
from brittle.base.bounds import Bounds
from brittle.core.attack import at_least
from brittle.core.inputs import check_radius
from brittle.threats import Lp
from brittle.training.growing import Growing
from brittle.training.objective import PLAIN, Objective
from brittle.types import Images, Labels, Logits


@dataclass(frozen=True)
class FreeTraining(Growing):
    """Shows each batch several times in a row, changed a little more each time, and makes a step at each.

    Shafahi et al., NeurIPS 2019, algorithm 1 (arXiv:1904.12843): of one backward pass the gradient by the weights makes
    the step, and the sign of the gradient by the images moves the perturbation, which is clipped to the radius. It
    stays for the replays of a batch and for the batches after it, whose images are others. So an epoch costs as many
    passes, forward and backward, as it has replays; the paper divides the number of epochs by them.

    Deviations: the perturbation begins at 0 in every epoch, so that an interrupted training goes on to the same bits;
    the images that are shown are clipped to [0, 1], while the perturbation that is carried over is not.

    Attributes:
        threat: changes in the maximum norm, with one radius for all images.
        replays: m, how often a batch is shown; 8 in the paper's tables for CIFAR-10.
        step_size: of the perturbation, as a fraction of the radius; the paper's 1.
        warmup: epochs over which the radius grows from 0, in proportion to the batches shown.

    Raises:
        InputError: invalid settings; UnsupportedThreat for another norm.

    Example:
        >>> FreeTraining(Lp("inf", 8 / 255), replays=4).radius_at(0.5) == 8 / 255
        True
    """

    threat: Lp
    replays: int = 8
    step_size: float = 1.0
    warmup: float = 0.0

    def __post_init__(self):
        check_fields(self)
        self.check_growth("free training")
        at_least("replays", self.replays, 1)

    def to_dict(self) -> dict[str, Any]:
        """Return everything that determines what is done, as JSON can hold it."""
        return {
            "free": repr(self.threat),
            "replays": self.replays,
            "step_size": self.step_size,
            "warmup": self.warmup,
        }

    def in_epoch(self, seed: int) -> "Replayed":
        """Return what is done to the batches of an epoch; nothing in it is drawn from the seed."""
        return Replayed(self)


@dataclass
class _Watched(Objective):
    """Cross-entropy that keeps hold of the images as the network is given them, for their gradient.

    What is shown to a user's network is a copy, see `brittle.classifiers.door`, and images that ask for a gradient may
    be differentiated apart from the weights there; so the copy is asked, and its gradient is that of the same pass.
    """

    given: Tensor | None = None

    def loss(
        self, module: nn.Module, clean: Images, attacked: Images, wanted: Tensor, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Return the mean cross-entropy of the attacked images."""

        def take(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            self.given = given[0].requires_grad_()

        handle = module.register_forward_pre_hook(take)
        try:
            return PLAIN.loss(module, clean, attacked, wanted, temperature)
        finally:
            handle.remove()


@dataclass
class Replayed:
    """The perturbation of one epoch, one for each place in a batch.

    Attributes:
        training: whose it is.
        objective: what the batches are for.
        delta: (n, c, h, w), of the largest batch so far; None before the first.
        radius: of the last batch.
    """

    training: FreeTraining
    objective: _Watched = field(default_factory=_Watched)
    delta: Tensor | None = None
    radius: float = 0.0

    @property
    def replays(self) -> int:
        """How often each batch is shown."""
        return self.training.replays

    def on(self, images: Images, truth: Labels, chosen: Tensor, epochs: float) -> Images:
        """Return the images with the perturbation added.

        Args:
            images: (n, c, h, w) in [0, 1].
            truth: their labels; not looked at.
            chosen: their positions in the training set; not looked at.
            epochs: how many epochs are done; they determine the radius.

        Raises:
            InputError: a radius that is no change of such images.
        """
        check_radius(self.training.threat, images, Bounds())
        self.radius = self.training.radius_at(epochs)
        if self.delta is None or len(self.delta) < len(images):
            self.delta = torch.zeros_like(images)
        return Bounds().clamp(images + self.delta[: len(images)])

    def note(self, logits: Logits, truth: Labels) -> None:
        """Move the perturbation by the gradient that the step's backward pass left.

        Args:
            logits: not looked at.
            truth: not looked at.
        """
        given = self.objective.given
        if given is None or given.grad is None or self.delta is None:
            return
        moved, step = self.delta[: len(given)], self.training.step_size * self.radius
        moved.add_(given.grad.sign().to(moved.dtype), alpha=step).clamp_(-self.radius, self.radius)

    def summary(self) -> dict[str, float | None]:
        """Return the radius; there are no figures of clean images, which no pass is spent on."""
        return {"radius": self.radius}
