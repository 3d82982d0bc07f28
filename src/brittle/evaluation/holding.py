"""Which of the training images are kept aside, to see after each epoch what was learnt."""

from dataclasses import dataclass

import torch

from brittle.arguments import check_fields
from brittle.attacks.pgd import PGD
from brittle.core.attack import Attack, at_least
from brittle.errors import InputError
from brittle.threats import Threat
from brittle.training.adversarial import AdversarialTraining
from brittle.training.epoch import epoch_seed
from brittle.training.held_out import WITHIN_RADIUS, HeldOut, Keep
from brittle.training.universal_pool import Hardening
from brittle.types import Images, Labels

MOST, PART = 1000, 10
"""Images kept aside of an adversarial training: one of so many, and no more than these."""
FEW = PGD(steps=10)
"""What they are attacked with, where the threat is a norm; otherwise by the training's own attack."""


@dataclass(frozen=True)
class Holding:
    """What is asked of the images that no step is made on.

    Attributes:
        count: how many of the training images; by default a tenth of those of an adversarial training, at most 1,000,
            and none of any other.
        keep: "best" or "last", see `HeldOut`; by default "best" where images are kept aside.
        patience: see `HeldOut`.

    Raises:
        InputError: a negative number, or something that needs such images and none.

    Example:
        >>> Holding(keep="best").of(64, None)
        6
    """

    count: int | None = None
    keep: Keep | None = None
    patience: int | None = None

    def __post_init__(self):
        check_fields(self)
        at_least("held_out", self.count or 0, 0)
        if self.patience is not None:
            at_least("patience", self.patience, 1)
        if self.count == 0 and (self.keep == "best" or self.patience is not None):
            what = "the best epoch is to be kept" if self.keep == "best" else "patience is given"
            raise InputError(f"{what}, and no images are held out, which would say which is the best; hold some out")

    def of(self, images: int, adversarial: Hardening | None) -> int:
        """Return how many of so many images are kept aside.

        Raises:
            InputError: all of them, or more.
        """
        wanted = self.keep == "best" or self.patience is not None or isinstance(adversarial, WITHIN_RADIUS)
        count = self.count if self.count is not None else min(MOST, images // PART) if wanted else 0
        if count >= images:
            raise InputError(f"{count} of {images} images are held out, and none is left to train on; hold out fewer")
        return count

    def split(
        self, images: Images, labels: Labels, adversarial: Hardening | None, seed: int
    ) -> tuple[Images, Labels, HeldOut | None]:
        """Part the images into those that are trained on and those kept aside, which the seed picks.

        Args:
            images: (n, c, h, w).
            labels: (n,) int64.
            adversarial: of the training; its threat is that of the attack on the images kept aside.
            seed: of the training.
        """
        count = self.of(len(images), adversarial)
        if not count:
            return images, labels, None
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(epoch_seed(seed, 0, "held out")))
        aside, rest = order[:count].sort().values, order[count:].sort().values
        keep, few = self.keep or "best", _few(adversarial)
        held = HeldOut(images[aside], labels[aside], few, keep=keep, patience=self.patience)
        return images[rest], labels[rest], held


def _few(adversarial: Hardening | None) -> Attack | None:
    """Return what the images kept aside are attacked with."""
    found = tested_by(adversarial)
    return found and (FEW if found[1].name in PGD.threats else found[0])


def tested_by(adversarial: Hardening | None) -> tuple[Attack, Threat] | None:
    """Return what test images are attacked with after a training: by its own attack, or where it has none by `FEW`."""
    if not isinstance(adversarial, WITHIN_RADIUS) or not adversarial.threat.bounded:
        return None
    return (adversarial.attack if isinstance(adversarial, AdversarialTraining) else FEW), adversarial.threat
