"""One step of weights made by several processes, each of which has a share of the batch."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from brittle.processes.team import Team

BY_BATCHES = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
"""Layers that keep statistics of the batches."""


def average(module: nn.Module, team: Team, weight: float) -> None:
    """Give every process the gradient of the whole batch, and what batch normalisation has seen on average.

    The gradient of a mean is the mean of the shares' gradients, weighted by their numbers of images. Each share is
    normalised on its own (Goyal et al. 2017, arXiv:1706.02677, section 2.3); running means are those of the whole
    batch, and running variances the mean of the shares', which estimate the same.

    Args:
        module: after its backward pass.
        team: the processes; of one alone nothing is done.
        weight: of this process's images, as a fraction of the batch; 0 where it has none.
    """
    if team.size == 1:
        return
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    seen = [*_seen_in_batches(module)]
    grads = [torch.zeros_like(one) if one.grad is None else one.grad for one in weights]
    has = torch.tensor([float(one.grad is not None) for one in weights], device=team.device)
    values = [*grads, *seen] if weight else [torch.zeros_like(one) for one in (*grads, *seen)]
    sums = team.total(torch.cat([*(weight * one.flatten() for one in values), has]))
    *parts, had = sums.split([*(one.numel() for one in values), len(weights)])
    with torch.no_grad():
        for one, sum_, known in zip(weights, parts, had.tolist(), strict=False):
            one.grad = sum_.reshape(one.shape).to(one) if known else None
        for one, sum_ in zip(seen, parts[len(weights) :], strict=True):
            one.copy_(sum_.reshape(one.shape))


def _seen_in_batches(module: nn.Module) -> Iterator[Tensor]:
    """The running statistics of the layers that normalise by batches, in train mode."""
    for layer in module.modules():
        if isinstance(layer, BY_BATCHES) and layer.training:
            yield from (one for one in (layer.running_mean, layer.running_var) if one is not None)
