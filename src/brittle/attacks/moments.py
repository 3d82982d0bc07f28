"""Adam's running means, for attacks that descend on the change itself."""

from dataclasses import dataclass

import torch
from torch import Tensor

from brittle.base.rows import Rows
from brittle.maths import adam


@dataclass(frozen=True)
class Moments(Rows):
    """The running means of each image's gradient and of its square; all images have made the same number of steps.

    Attributes:
        first, second: the means, like the images.
        age: how many gradients they have seen.
    """

    first: Tensor
    second: Tensor
    age: int = 0

    @staticmethod
    def none(images: Tensor) -> "Moments":
        """Begin at rest."""
        return Moments(torch.zeros_like(images), torch.zeros_like(images))

    def with_gradient(self, gradient: Tensor) -> "Moments":
        """Take in one more gradient."""
        return Moments(*adam.with_gradient(self.first, self.second, gradient), self.age + 1)

    @property
    def spread(self) -> Tensor:
        """The root of the mean square, by which the step is divided; never 0."""
        return adam.spread(self.second, self.age)

    @property
    def direction(self) -> Tensor:
        """The mean gradient divided by `spread`; 0 where there never was a slope."""
        return adam.direction(self.first, self.second, self.age)
