"""GD-UAP: data-free universal perturbations for any task, with or without a prior about the images."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import torch
from torch import Tensor

from brittle.core.attack import at_least
from brittle.errors import InputError
from brittle.near import meant
from brittle.types import Images
from brittle.universal_attacks.excitation import (
    ActivationAttack,
    ActivationState,
    image_views,
    noise_image,
    noise_views,
)
from brittle.universal_attacks.search import UniversalProblem

Prior = Literal["none", "range", "data"]
PRIORS: tuple[Prior, ...] = ("none", "range", "data")
SATURATED = 0.5
"""Fraction of the values at the radius above which the variable is halved once it grows no more."""
SETTLED = 1e-5
"""Change of that fraction in a step below which it grows no more."""
EVERY = 400
"""Steps between two validations where no halving comes earlier."""
SHORTEST = 200
"""A halving is preceded by a validation where the last one is more steps ago than this."""


@dataclass(frozen=True)
class GDUAP(ActivationAttack):
    """Makes the activations of every layer large on images that are not there, on noise, or on some images.

    Mopuri, Ganeshan & Babu, "Generalizable data-free objective for crafting universal adversarial perturbations",
    TPAMI 2018, equation 3, and the authors' code: the loss is minus the sum over the layers of log(||activation||_2^2
    / 2); Adam with a rate of 0.1 on the scale 0..255 from uniform noise. Once more than half of the values are at the
    radius and their fraction changes by less than 1e-5 in a step, the variable is halved, because values at the radius
    have no gradient. Validated 400 steps after the last validation or halving, and before a halving more than 200
    steps after that; it ends after 10 validations without improvement, at most 40,000 steps, with the best.

    Deviations: layers are the activations of convolutions alone, where the authors list layers by network; silent
    layers add nothing, where the paper's logarithm is not defined; the last steps are validated, too.

    Attributes:
        prior: "none": the mean image; "range": views of an image of Gaussian noise with the mean and deviation of
            photographs; "data": views of the images X.
        batch: views in a step; without a prior all would be the same, and one is shown.
        redrawn: whether the image of noise is another one in every step; the authors take all views of one.

    Example:
        >>> GDUAP(prior="range", iterations=1000).most_passes
        5
    """

    shortest: ClassVar[int] = SHORTEST + 1
    longest: ClassVar[int] = EVERY
    iterations: int = 40_000
    patience: int = 10
    prior: Prior = "none"
    batch: int = 25
    redrawn: bool = False

    def __post_init__(self):
        super().__post_init__()
        at_least("batch", self.batch, 1)
        if self.prior not in PRIORS:
            raise InputError(
                f"prior is {self.prior!r}{meant(self.prior, PRIORS)}; expected {', '.join(PRIORS[:-1])} or {PRIORS[-1]}"
            )

    @property
    def needs_images(self) -> bool:
        """The data prior's views are of images."""
        return self.prior == "data"

    @property
    def shown(self) -> int:
        """One without a prior, the batch with one."""
        return 1 if self.prior == "none" else self.batch

    def background(self, problem: UniversalProblem, generator: torch.Generator, course: ActivationState) -> Images:
        """Return the images of one step."""
        if self.prior == "none":
            return super().background(problem, generator, course)
        if self.prior == "data":
            return image_views(problem, self.batch, generator)
        image = self._noise(problem, generator)
        return noise_views(problem, image, self.batch, generator)

    def _noise(self, problem: UniversalProblem, generator: torch.Generator) -> Images:
        if self.redrawn:
            return noise_image(problem.shape, generator)
        return _one_noise_image(problem.shape, problem.generator(-2).initial_seed())

    def loudness(self, output: Tensor) -> Tensor:
        """Return ||activation||^2 / 2, the norm over all images."""
        return torch.linalg.vector_norm(output) ** 2 / 2

    def pause(self, course: ActivationState, before: float, since: int) -> tuple[bool, bool]:
        """Validate every 400 steps or before a halving; halve what is saturated and settled."""
        settled = is_settled(course, before)
        return since >= EVERY or (settled and since > SHORTEST), settled


def is_settled(course: ActivationState, before: float) -> bool:
    """Say whether the variable is saturated and no longer becomes more so, given the saturation a step before."""
    return course.saturation > SATURATED and abs(course.saturation - before) < SETTLED


@lru_cache(maxsize=1)
def _one_noise_image(shape: tuple[int, int, int], seed: int) -> Images:
    """Draw the image of noise that all steps of a search take views of."""
    return noise_image(shape, torch.Generator().manual_seed(seed))
