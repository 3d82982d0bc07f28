"""Dense networks whose smallest changes are known in closed form: an affine map of every pixel alone."""

import torch
from torch import Tensor, nn

from brittle import Classifier


def pointwise(classes: int = 3, channels: int = 2, seed: int = 0, scale: float = 1.0) -> Classifier:
    """An affine network of one pixel at a time in float64; `scale` multiplies its logits."""
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Conv2d(channels, classes, 1).double()
    with torch.no_grad():
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator, dtype=torch.float64))
        layer.bias.copy_(-layer.weight.sum((1, 2, 3)) / 2)
        layer.weight *= scale
        layer.bias *= scale
    return Classifier(layer)


def middle(count: int = 4, channels: int = 2, side: int = 6, seed: int = 1) -> Tensor:
    """Images near the middle of the box, which then has no say."""
    generator = torch.Generator().manual_seed(seed)
    return 0.5 + 0.05 * torch.randn(count, channels, side, side, generator=generator, dtype=torch.float64)


def distances(classifier: Classifier, images: Tensor, q: float) -> Tensor:
    """How far each pixel is from the nearest other class, (n, p), by the norm whose dual has the exponent q."""
    layer = classifier.module
    weights = layer.weight.detach()[:, :, 0, 0]
    logits = layer(images).detach().flatten(2)
    own = logits.argmax(1)
    found = torch.full_like(own, torch.inf, dtype=torch.float64)
    for other in range(len(weights)):
        lead = logits.gather(1, own[:, None])[:, 0] - logits[:, other]
        slope = (weights[own] - weights[other]).abs().pow(q).sum(-1).pow(1 / q)
        found = torch.where(own == other, found, torch.minimum(found, lead / slope.clamp_min(1e-300)))
    return found


def smallest(classifier: Classifier, images: Tensor, needed: int, norm: str) -> Tensor:
    """The smallest change that moves so many pixels, (n,): the farthest of the nearest, or in l2 their length."""
    if norm == "linf":
        return distances(classifier, images, 1).sort(1).values[:, needed - 1]
    return distances(classifier, images, 2).sort(1).values[:, :needed].square().sum(1).sqrt()
