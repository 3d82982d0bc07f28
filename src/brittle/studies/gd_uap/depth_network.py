"""A small encoder-decoder that estimates depth, trained on generated scenes."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import cos, pi
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from brittle.files import write_atomically
from brittle.models.network import seeded
from brittle.models.weights import load_weights
from brittle.studies.gd_uap.scenes import Scenes
from brittle.types import Images


@dataclass(frozen=True)
class DepthTraining:
    """How the network is made and trained.

    Attributes:
        width: channels of the finest layers.
        scenes: generated for training.
        side: of the pictures, in pixels; a multiple of 8.
        epochs: over the scenes.
        batch: scenes in a step.
        rate: Adam's at the start; it falls to 0 on a cosine.
        noise: standard deviation of Gaussian noise in the pictures while it is trained, as cameras have some: a network
            that has never seen any falls for every change.
        residual: whether two convolutions at a time have a link around them, as in residual networks.
        seed: of first weights and of the order.
    """

    width: int = 8
    scenes: int = 600
    side: int = 64
    epochs: int = 16
    batch: int = 20
    rate: float = 3e-3
    noise: float = 0.02
    residual: bool = False
    seed: int = 0


class DepthNetwork(nn.Module):
    """Pictures in [0, 1] (n, 3, h, w) to depths (n, 1, h, w); convolutions, ReLU, and links between equal sizes.

    Args:
        width: channels of the finest layers.
        residual: whether two convolutions at a time have a link around them.

    Example:
        >>> DepthNetwork(4)(torch.zeros(2, 3, 16, 16)).shape
        torch.Size([2, 1, 16, 16])
    """

    def __init__(self, width: int, residual: bool = False):
        super().__init__()
        sizes, pair = (width, 2 * width, 4 * width, 4 * width), _Residual if residual else _pair
        self.entry = pair(3, width, 1)
        self.down = nn.ModuleList(pair(before, after, 2) for before, after in pairwise(sizes))
        self.up = nn.ModuleList(
            pair(below + beside, beside, 1) for below, beside in zip(sizes[:0:-1], sizes[-2::-1], strict=True)
        )
        self.exit = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, images: Images) -> Tensor:
        """Estimate the depth of every pixel."""
        levels = [self.entry(2 * images - 1)]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for up in self.up:
            beside = levels.pop()
            grown = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = up(torch.cat([grown, beside], 1))
        return self.exit(x).clamp(-4, 4).exp() * 4


def _pair(before: int, after: int, stride: int) -> nn.Sequential:
    first = nn.Conv2d(before, after, 3, stride=stride, padding=1)
    return nn.Sequential(first, nn.ReLU(), nn.Conv2d(after, after, 3, padding=1), nn.ReLU())


class _Residual(nn.Module):
    """Two convolutions with a link around them, which takes means before it makes channels.

    A link that strides makes torch 2.13 write past its memory on the way back, where channels lie side by side.
    """

    def __init__(self, before: int, after: int, stride: int):
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride=stride, padding=1)
        self.second = nn.Conv2d(after, after, 3, padding=1)
        self.link = nn.Sequential(nn.AvgPool2d(stride), nn.Conv2d(before, after, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.second(self.first(x).relu()) + self.link(x)).relu()


def _channels_last(network: DepthNetwork) -> DepthNetwork:
    """Lay the weights out channel by channel, with which a processor trains in two thirds of the time."""
    for weight in network.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return network


def train_depth(
    training: DepthTraining, scenes: Scenes, device: str = "cpu", progress: Callable[[int, float], None] | None = None
) -> DepthNetwork:
    """Train a network on the mean absolute difference of logarithms of depth.

    The same call gives the same weights bit for bit on the same machine; torch's random state stays as it was.

    Args:
        training: how.
        scenes: the pictures with their depth.
        device: where.
        progress: told the epoch, from 1 on, and its mean loss.
    """
    images = torch.from_numpy(scenes.images).float().to(device).contiguous(memory_format=torch.channels_last)
    logs = torch.from_numpy(scenes.depth).float().log()[:, None].to(device)
    generator = torch.Generator().manual_seed(training.seed)
    with seeded(training.seed), torch.enable_grad():
        network = _channels_last(DepthNetwork(training.width, training.residual)).to(device)
    optimiser = torch.optim.Adam(network.parameters(), training.rate)
    steps = training.epochs * -(-len(images) // training.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: (1 + cos(pi * step / steps)) / 2)
    for epoch in range(1, training.epochs + 1):
        losses: list[float] = []
        for rows in torch.randperm(len(images), generator=generator).split(training.batch):
            noise = torch.randn(len(rows), *images.shape[1:], generator=generator).to(images)
            with torch.enable_grad():
                loss = (network(images[rows] + training.noise * noise).log() - logs[rows]).abs().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        if progress is not None:
            progress(epoch, sum(losses) / len(losses))
    return network.eval().requires_grad_(False)


def save_depth(network: DepthNetwork, path: Path) -> None:
    """Write the weights as safetensors.

    Raises:
        RunError: the file cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_atomically(path, save(tensors))


def load_depth(path: Path, width: int, device: str = "cpu", residual: bool = False) -> DepthNetwork:
    """Read what `save_depth` wrote; raises ModelError for a file of other weights."""
    with seeded(0):
        network = DepthNetwork(width, residual)
    load_weights(network, path)
    return _channels_last(network).to(device).eval().requires_grad_(False)
