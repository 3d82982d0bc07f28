"""`python -m benchmarks.portfolio_networks`: networks that differ in how they were trained, to judge searches on.

Settings are chosen on one half of them and judged on the other one, on which nobody looked while choosing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

BATCH, RATE = 128, 1e-3
TRUTH_SIZE = 200
"""Images that come with the networks whose truth is known."""


@dataclass(frozen=True)
class Member:
    """A network of the portfolio.

    Attributes:
        chosen: whether settings may be chosen on it; otherwise it judges.
        file: of the network within the folder of networks; "" for one that is trained here.
        images: within the folder of data.
        recipe: how it is trained: standard, pgd, trades, fast or interval.
        radius, width, epochs: of the training; radii are of linf, the width multiplies 16 and 32 channels.
        scale: what its logits are multiplied with.
        most: images that are looked at; larger networks take fewer.
    """

    chosen: bool
    file: str = ""
    images: str = "mnist/test.parquet"
    recipe: str = "standard"
    radius: float = 0.0
    width: int = 1
    epochs: int = 3
    scale: float = 1.0
    most: int = 100


MEMBERS = {
    "mnist-standard": Member(True),
    "mnist-saturated": Member(True, width=2, scale=50.0),
    "mnist-pgd-0.1": Member(True, recipe="pgd", radius=0.1, epochs=4),
    "mnist-cnn-a-adv": Member(True, "mnist_cnn_a_adv.pt2", "mnist.npz"),
    "cifar-cnn-a-mix": Member(True, "cifar_cnn_a_mix.pt2", "cifar.npz"),
    "mnist-pgd-0.3": Member(False, recipe="pgd", radius=0.3, width=2, epochs=4),
    "mnist-trades-0.3": Member(False, recipe="trades", radius=0.3, epochs=4),
    "mnist-fast-0.2": Member(False, recipe="fast", radius=0.2, epochs=8),
    "mnist-interval-0.1": Member(False, recipe="interval", radius=0.1, epochs=12),
    "cifar-resnet2b": Member(False, "cifar_resnet2b.pt2", "cifar.npz"),
    "cifar10-resnet32": Member(False, "cifar10_resnet32.pt2", "cifar10/test.parquet", most=20),
    "cifar-fast-8": Member(False, images="cifar10/test.parquet", recipe="fast", radius=8 / 255, width=4, epochs=10),
}
"""By name; the first five are those that settings are chosen on."""


def architecture(member: Member) -> nn.Sequential:
    """Two convolutions and two dense layers, as of the networks whose truth is known; for MNIST or CIFAR-10."""
    width, colours = member.width, member.images.startswith("cifar")
    channels, cells = (3, 64) if colours else (1, 49)
    return nn.Sequential(
        nn.Conv2d(channels, 16 * width, 4, 2, 1),
        nn.ReLU(),
        nn.Conv2d(16 * width, 32 * width, 4, 2, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * width * cells, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )


class Scaled(nn.Module):
    """A network whose logits are multiplied."""

    def __init__(self, module: nn.Module, factor: float):
        super().__init__()
        self.module, self.factor = module, factor

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        return self.factor * self.module(images)


def ascended(loss: Callable[[Tensor], Tensor], images: Tensor, radius: float, steps: int, stride: float) -> Tensor:
    """Return what gradient signs from a random start find within the radius."""
    moved = (images + torch.empty_like(images).uniform_(-radius, radius)).clamp(0, 1)
    for _ in range(steps):
        moved = moved.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(moved), moved)
        moved = torch.clamp(moved.detach() + stride * gradient.sign(), images - radius, images + radius).clamp(0, 1)
    return moved


def attacked(module: nn.Module, images: Tensor, labels: Tensor, radius: float, steps: int) -> Tensor:
    """PGD on the cross entropy; a single step goes further than the radius, as Wong et al. 2020 advise."""
    stride = 1.25 * radius if steps == 1 else radius / 3
    return ascended(lambda x: functional.cross_entropy(module(x), labels), images, radius, steps, stride)


def trades(module: nn.Module, images: Tensor, labels: Tensor, radius: float) -> Tensor:
    """Zhang et al. 2019, equation 5, with 1 / lambda = 6."""
    clean = module(images)
    fixed = clean.detach().softmax(1)

    def divergence(moved: Tensor) -> Tensor:
        return functional.kl_div(module(moved).log_softmax(1), fixed, reduction="batchmean")

    moved = ascended(divergence, images, radius, 7, radius / 3)
    apart = functional.kl_div(module(moved).log_softmax(1), clean.softmax(1), reduction="batchmean")
    return functional.cross_entropy(clean, labels) + 6 * apart


def interval(module: nn.Module, images: Tensor, labels: Tensor, radius: float, share: float) -> Tensor:
    """Gowal et al. 2018, equation 12: the cross entropy of the worst logits by interval arithmetic, mixed in."""
    lower, upper = (images - radius).clamp(0, 1), (images + radius).clamp(0, 1)
    for layer in module.children():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            middle, half = (upper + lower) / 2, (upper - lower) / 2
            middle = layer(middle)
            if isinstance(layer, nn.Conv2d):
                half = functional.conv2d(half, layer.weight.abs(), None, layer.stride, layer.padding)
            else:
                half = functional.linear(half, layer.weight.abs())
            lower, upper = middle - half, middle + half
        else:
            lower, upper = layer(lower), layer(upper)
    own = functional.one_hot(labels, upper.shape[1]).bool()
    worst = functional.cross_entropy(torch.where(own, lower, upper), labels)
    return (1 - share) * functional.cross_entropy(module(images), labels) + share * worst


def loss_of(member: Member, module: nn.Module, images: Tensor, labels: Tensor, progress: float) -> Tensor:
    """The loss of a batch; radius and share of the interval loss grow over the first half of the training."""
    grown = min(1.0, 2 * progress)
    radius = member.radius * grown
    if member.recipe == "trades":
        return trades(module, images, labels, radius)
    if member.recipe == "interval":
        return interval(module, images, labels, radius, grown / 2)
    if member.recipe in ("pgd", "fast"):
        images = attacked(module, images, labels, radius, 1 if member.recipe == "fast" else 7)
    return functional.cross_entropy(module(images), labels)


def plain() -> nn.Module:
    """The architecture of `mnist-standard`, for commands that take FILE.py:FACTORY."""
    return architecture(MEMBERS["mnist-standard"])


def wide() -> nn.Module:
    """The architecture of `mnist-pgd-0.3`, for commands that take FILE.py:FACTORY."""
    return architecture(MEMBERS["mnist-pgd-0.3"])


def colours() -> nn.Module:
    """The architecture of `cifar-fast-8`, for commands that take FILE.py:FACTORY."""
    return architecture(MEMBERS["cifar-fast-8"])


def train(member: Member, images: Tensor, labels: Tensor, about: str) -> nn.Sequential:
    """Train with Adam; the rate falls linearly."""
    torch.manual_seed(0)
    module = architecture(member)
    optimiser = torch.optim.Adam(module.parameters(), RATE)
    whole = len(images) // BATCH * BATCH
    order = torch.cat([torch.randperm(len(images))[:whole] for _ in range(member.epochs)]).split(BATCH)
    for number, batch in enumerate(track(order, about)):
        progress = number / len(order)
        optimiser.param_groups[0]["lr"] = RATE * (1 - progress) + 1e-5
        loss = loss_of(member, module, images[batch], labels[batch], progress)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return module


def opened(name: str, networks: list[Path], trained: Path) -> nn.Module:
    """Return a network of the portfolio, frozen.

    Args:
        name: of `MEMBERS`.
        networks: folders with the networks that are not trained here.
        trained: folder with those that are.

    Raises:
        FileNotFoundError: its file is in none of the folders.
    """
    from brittle.models.open import open_network

    member = MEMBERS[name]
    if member.file:
        return open_network(str(found(member.file, networks))).module
    path = trained / f"{name}.safetensors"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; `python -m benchmarks.portfolio_networks --out {trained}` makes it"
        )
    module = architecture(member)
    module.load_state_dict(load_file(path))
    return Scaled(module, member.scale).eval().requires_grad_(False) if member.scale != 1 else module.eval()


def found(file: str, folders: list[Path]) -> Path:
    """Return where a file lies.

    Raises:
        FileNotFoundError: in none of the folders.
    """
    for folder in folders:
        if (folder / file).is_file():
            return folder / file
    raise FileNotFoundError(f"{file} is in none of {', '.join(map(str, folders))}")


def main() -> None:
    """Train those that are missing, and say how good they are."""
    from brittle.data import open_source

    parser = argparse.ArgumentParser(prog="python -m benchmarks.portfolio_networks", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with mnist and cifar10, each of train.parquet and test.parquet"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights")
    parser.add_argument("--only", default=",".join(MEMBERS), help="these networks, separated by commas")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, member in MEMBERS.items():
        path = options.out / f"{name}.safetensors"
        if member.file or path.is_file() or name not in options.only.split(","):
            continue
        folder = (options.data / member.images).parent
        blocks = list(open_source(str(folder / "train.parquet")).blocks(4096))
        images, labels = torch.cat([one.images for one in blocks]), torch.cat([one.labels for one in blocks])
        test = next(open_source(str(folder / "test.parquet"), max_images=1000).blocks(1000))
        module = train(member, images, labels, name).eval()
        save_file({key: value.contiguous() for key, value in module.state_dict().items()}, path)
        clean = (module(test.images).argmax(1) == test.labels).float().mean()
        moved = attacked(module, test.images, test.labels, member.radius, 20)
        robust = (module(moved).argmax(1) == test.labels).float().mean()
        print(f"{name}: 1,000 test images, {clean:.1%} right, {robust:.1%} after PGD-20 within {member.radius:g}")


if __name__ == "__main__":
    main()
