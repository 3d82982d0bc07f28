"""Networks whose smallest perturbations are known in closed form, and a small convolutional one."""

import copy
import math
from functools import cache

import torch
from torch import Tensor, nn

from brittle import Classifier


def affine(classes: int = 4, shape: tuple[int, int, int] = (1, 3, 4), seed: int = 0) -> Classifier:
    """An affine classifier in float64 on images in the middle of the box, so that the box does not matter."""
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Linear(math.prod(shape), classes).double()
    with torch.no_grad():
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator, dtype=torch.float64))
        layer.bias.copy_(torch.randn(classes, generator=generator, dtype=torch.float64) * 0.3)
        layer.bias -= layer.weight.sum(1) / 2
    return Classifier(nn.Sequential(nn.Flatten(), layer))


def convolutional(channels: int = 1, classes: int = 4, seed: int = 0, scale: float = 1.0) -> Classifier:
    """A smooth small network in float64, new each time; `scale` divides its input, for other bounds."""
    return Classifier(copy.deepcopy(_convolutional(channels, classes, seed, scale)), bounds=(0, scale))


@cache
def _convolutional(channels: int, classes: int, seed: int, scale: float) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = nn.Sequential(
            _Centre(scale),
            nn.Conv2d(channels, 6, 3, padding=1),
            nn.Tanh(),
            nn.Dropout(0.5),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(24, classes),
        ).double()
        with torch.no_grad():
            module[1].weight *= 5
            module[6].weight *= 20
    return module.eval()


def row_by_row(shape: tuple[int, int, int] = (1, 3, 4), classes: int = 4, seed: int = 0) -> Classifier:
    """A network in float64 that sees one image at a time, so that its arithmetic cannot know the batch."""
    return Classifier(copy.deepcopy(_row_by_row(shape, classes, seed)))


@cache
def _row_by_row(shape: tuple[int, int, int], classes: int, seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        one = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 8), nn.Tanh(), nn.Linear(8, classes)).double()
    with torch.no_grad():
        one[1].weight *= 6
        one[3].weight *= 8
    return _OneByOne(one).eval()


class _OneByOne(nn.Module):
    def __init__(self, one: nn.Module):
        super().__init__()
        self.one = one

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(row) for row in x.split(1)])


class _Centre(nn.Module):
    def __init__(self, by: float):
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x / self.by - 0.5


def middle(n: int = 12, shape: tuple[int, int, int] = (1, 3, 4), seed: int = 1, span: float = 1.0) -> Tensor:
    """Images near the middle of 0..span, in float64."""
    generator = torch.Generator().manual_seed(seed)
    return (0.5 + 0.4 * (torch.rand(n, *shape, generator=generator, dtype=torch.float64) - 0.5)) * span


def distance(classifier: Classifier, images: Tensor, labels: Tensor, q: float) -> Tensor:
    """The distance from each image to the nearest other class of an affine classifier; q is the dual exponent."""
    weight = classifier.module[1].weight
    logits = classifier.logits(images).detach()
    gaps = logits.gather(1, labels[:, None]) - logits
    steepness = torch.linalg.vector_norm(weight[None] - weight[labels][:, None], q, dim=2).detach()
    return (gaps / steepness).scatter(1, labels[:, None], torch.inf).amin(1)
