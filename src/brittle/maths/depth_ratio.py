"""By what ratio one depth is off another, as a logarithm that also goes on where a network says nonsense."""

from torch import Tensor

FLOOR = 1e-3
"""Below this fraction of the depth that it is compared with, the logarithm of a depth goes on as its tangent."""


def log_ratio(depths: Tensor, others: Tensor) -> Tensor:
    """Measure log d - log d* element by element: positive where d is farther than d*.

    Below d* / 1000 it goes on as a straight line, through 0 and below, where a network may err to.

    Args:
        depths: d, floats of any shape.
        others: d*, above 0, of the same shape.

    Example:
        >>> import torch
        >>> log_ratio(torch.tensor([3.0, 0.5]), torch.tensor([3.0, 1.0]))
        tensor([ 0.0000, -0.6931])
    """
    quotient = depths / others
    return quotient.clamp_min(FLOOR).log() + (quotient.clamp_max(FLOOR) / FLOOR - 1)
