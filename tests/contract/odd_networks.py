"""The small network made odd: NaN in a slope or an output, a class that is there twice, logits of another scale."""

import torch
from affine import convolutional
from torch import Tensor, nn

from brittle import Classifier

COPIED = 3
"""The class of most of the images."""
EDGE = 0.72
"""Value of the first pixel from which on the network with a hole says NaN; the images stay below 0.7."""


class _NoSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images: Tensor) -> Tensor:
        return images.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        spoilt = gradient.clone()
        spoilt[:, 0, 0, 0] = torch.nan
        return spoilt


class Odd(nn.Module):
    """The network of `convolutional`, changed in one way: slope, hole, copy or none."""

    def __init__(self, way: str = "none", scale: float = 1.0):
        super().__init__()
        self.network, self.way, self.scale = convolutional().module, way, scale

    def forward(self, images: Tensor) -> Tensor:
        images = _NoSlope.apply(images) if self.way == "slope" else images
        logits = self.network(images) * self.scale
        if self.way == "hole":
            logits = torch.where(images[:, 0, 0, :1] > EDGE, torch.nan, logits)
        return torch.cat([logits, logits[:, COPIED : COPIED + 1]], 1) if self.way == "copy" else logits


def odd(way: str = "none", scale: float = 1.0) -> Classifier:
    return Classifier(Odd(way, scale))
