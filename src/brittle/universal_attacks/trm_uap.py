"""TRM-UAP: a universal perturbation without data, from the ratio of positive to negative activations."""

from dataclasses import dataclass

import torch
from torch import Tensor

from brittle.core.attack import at_least, fraction
from brittle.errors import InputError
from brittle.universal_attacks.curriculum import FAINT, CurriculumAttack
from brittle.universal_attacks.layer_kinds import first_of


@dataclass(frozen=True)
class TRMUAP(CurriculumAttack):
    """Makes positive activations of the first layers large and negative ones small, on ever busier artificial images.

    Liu, Feng, Wang, Yang & Ming, "TRM-UAP: Enhancing the transferability of data-free universal adversarial
    perturbation via truncated ratio maximization", ICCV 2023, and the authors' code: with p and n the positive and the
    negative part of what a convolution gives, the loss is the sum of `balance` log(||n||_2 / 2) over the first layers
    less that of log(||p||_2^2 / 2). Images, validation and deviations are those of `CurriculumAttack`.

    Attributes:
        positive: fraction of the convolutions, from the first on, whose positive part grows. The authors take 0.3
            (ResNet-152) to 1 (AlexNet); 0.8 is their code's default.
        negative: fraction whose negative part shrinks, likewise. The authors take 0.2 to 0.8.
        balance: weight of the negative part (lambda in the paper). The authors take 0.5 to 1.5.

    Example:
        >>> TRMUAP(iterations=2000).shown_in(2000)
        2401
    """

    negative: float = 0.8
    balance: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        at_least("balance", self.balance, 0)
        fraction("negative", self.negative)
        if not (self.positive or self.negative):
            raise InputError("positive and negative are both 0, so that no layer counts; expected one of them above 0")

    def loudness(self, output: Tensor) -> Tensor:
        """Return ||p||^2 and ||n||^2, the norms over all images."""
        return torch.stack([output.clamp_min(0).square().sum(), output.clamp_max(0).square().sum()])

    def objective(self, sizes: Tensor) -> Tensor:
        """Return the loss of the sizes (l, 2) of the layers."""
        positive = sizes[: first_of(self.positive, len(sizes)), 0]
        negative = sizes[: first_of(self.negative, len(sizes)), 1]
        length = negative.clamp_min(torch.finfo(sizes.dtype).tiny).sqrt()
        return self.balance * (length / 2 + FAINT).log().sum() - (positive / 2 + FAINT).log().sum()
