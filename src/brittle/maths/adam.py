"""Adam (Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015), for whoever keeps the state himself.

The state is two running means, of the gradient and of its square, both 0 at first. The paper gives two steps. That of
algorithm 1 divides both means by what they fall short of, since they began at 0, and adds a small number to the root of
the second. That of the end of section 2 moves both divisions into the length of the step, so that the small number,
"epsilon hat", counts for more in the first steps; TensorFlow takes this one, and so what was published with it.
"""

import math

import torch
from torch import Tensor

from brittle.maths.elementary import power

FIRST_DECAY, SECOND_DECAY, TINY = 0.9, 0.999, 1e-8
"""Adam's constants: those of algorithm 1."""


def with_gradient(first: Tensor, second: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Take one more gradient into the running means of gradients and of their squares.

    Example:
        >>> with_gradient(torch.zeros(2), torch.zeros(2), torch.tensor([1.0, -2.0]))
        (tensor([ 0.1000, -0.2000]), tensor([0.0010, 0.0040]))
    """
    squares = (second * SECOND_DECAY).addcmul_(gradient, gradient, value=1 - SECOND_DECAY)
    return torch.lerp(gradient, first, FIRST_DECAY), squares


def spread(second: Tensor, age: int) -> Tensor:
    """Return the root of the mean square, by which algorithm 1 divides the mean gradient; never 0.

    Example:
        >>> spread(torch.tensor([0.004]), 1)
        tensor([2.])
    """
    return (second / (1 - SECOND_DECAY**age)).sqrt() + TINY


def direction(first: Tensor, second: Tensor, age: int) -> Tensor:
    """Return the step of algorithm 1 for a stride of 1; 0 where there never was a slope.

    Args:
        first: mean of the gradients.
        second: of their squares.
        age: how many gradients they have seen, from 1 up.

    Example:
        >>> direction(torch.tensor([0.1, -0.2, 0.0]), torch.tensor([0.001, 0.004, 0.0]), 1)
        tensor([ 1., -1.,  0.])
    """
    return first / (1 - FIRST_DECAY**age) / spread(second, age)


def step(first: Tensor, second: Tensor, ages: Tensor, stride: float) -> Tensor:
    """Return the step of algorithm 1 where each image has an age of its own, rounded in the order in which torch does.

    Args:
        first: mean of the gradients.
        second: of their squares.
        ages: how many gradients they have seen, from 1 up; broadcast over the means.
        stride: alpha.

    Example:
        >>> step(torch.tensor([0.1, 0.19]), torch.tensor([0.001, 0.001999]), torch.tensor([1, 2]), 0.5)
        tensor([0.5000, 0.5000])
    """
    first_share, second_share = (1 - power(decay, ages.double()) for decay in (FIRST_DECAY, SECOND_DECAY))
    return (stride / first_share).to(first) * first / (second.sqrt() / second_share.sqrt().to(second) + TINY)


def step_with_epsilon_hat(first: Tensor, second: Tensor, age: int, stride: float, tiny: float = TINY) -> Tensor:
    """Return the step of the end of section 2, as TensorFlow takes it.

    Args:
        first: mean of the gradients.
        second: of their squares.
        age: how many gradients they have seen, from 1 up.
        stride: alpha.
        tiny: epsilon hat, added to the root of the mean square as it stands.

    Example:
        >>> step_with_epsilon_hat(torch.tensor([0.1]), torch.tensor([0.001]), 1, stride=0.5)
        tensor([0.5000])
    """
    length = stride * math.sqrt(1 - SECOND_DECAY**age) / (1 - FIRST_DECAY**age)
    return length * first / (second.sqrt() + tiny)
