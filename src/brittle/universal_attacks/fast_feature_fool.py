"""Fast Feature Fool: a universal perturbation from the network alone."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from brittle.universal_attacks.excitation import ActivationAttack, ActivationState

EVERY = 300
"""Steps between two halvings, and between two validations."""
FIRST = 200
"""The step of the first validation, so that every one looks at what grew for 200 steps after a halving."""


@dataclass(frozen=True)
class FastFeatureFool(ActivationAttack):
    """Makes the mean activation of every layer large, seeing nothing but the perturbation.

    Mopuri, Garg & Babu, "Fast feature fool: a data independent approach to universal adversarial perturbations", BMVC
    2017, equation 3, and the authors' code: the loss is minus the sum over the layers of log(mean |activation|); Adam
    with a rate of 0.1 on the scale 0..255 from uniform noise; the variable is halved every 300 steps and looked at
    after 200, 500, 800, ... steps; it ends after 5 validations without improvement, at most 10,000 steps, with the
    best.

    Deviations: layers are the activations of convolutions alone, where the authors list layers by network; silent
    layers add nothing, where the paper's logarithm is not defined; the last steps are validated, too.

    Example:
        >>> FastFeatureFool(iterations=400).most_passes
        2
    """

    shortest: ClassVar[int] = FIRST
    longest: ClassVar[int] = EVERY

    @property
    def shown(self) -> int:
        """One: the mean image with the perturbation."""
        return 1

    def loudness(self, output: Tensor) -> Tensor:
        """Return mean |activation|; one image is shown."""
        return torch.linalg.vector_norm(output, 1) / output.numel()

    def pause(self, course: ActivationState, before: float, since: int) -> tuple[bool, bool]:
        """Validate after 200, 500, 800, ... steps, halve after 300, 600, 900, ..."""
        return course.steps % EVERY == FIRST, course.steps % EVERY == 0
