"""Normalise: the first layer of the networks that brittle builds, which take images in [0, 1]."""

import torch
from torch import Tensor, nn

from brittle.types import Images


class Normalise(nn.Module):
    """Shifts and scales each channel: (x - mean) / std, with both kept among the weights.

    Args:
        mean: one number a channel, in the units of the images.
        std: one positive number a channel.

    Example:
        >>> Normalise((0.5,), (0.25,))(torch.ones(1, 1, 1, 1)).item()
        2.0
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(-1, 1, 1))

    def forward(self, images: Images) -> Images:
        """Normalised images, n x c x h x w."""
        return (images - self.mean) / self.std
