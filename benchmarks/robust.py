"""`python -m benchmarks.robust`: the PGD-trained LeNet of the benchmarks, made from the plainly trained one.

Madry et al.'s saddle point (ICLR 2018) shortened: every batch is replaced by what 7 steps of PGD from a random start
find within a radius that grows to 0.3 over the first third of three epochs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.progress import track
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.portfolio_networks import attacked

RADIUS, STEPS, BATCH = 0.3, 7, 128


def harder(module: nn.Module, images: Tensor, labels: Tensor, radius: float) -> Tensor:
    """Return what PGD finds within the radius, in evaluation mode."""
    module.eval()
    return attacked(module, images, labels, radius, STEPS)


def train(module: nn.Module, images: Tensor, labels: Tensor, epochs: int) -> None:
    """Train in place; the learning rate falls linearly from 1e-3."""
    optimiser = torch.optim.Adam(module.parameters(), 1e-3)
    batches = len(images) // BATCH
    order = torch.cat([torch.randperm(len(images))[: batches * BATCH] for _ in range(epochs)]).split(BATCH)
    for number, chosen in enumerate(track(order, "adversarial training")):
        progress = number / len(order)
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * (1 - progress) + 1e-5
        moved = harder(module, images[chosen], labels[chosen], RADIUS * min(1, 3 * progress))
        module.train()
        optimiser.zero_grad()
        functional.cross_entropy(module(moved), labels[chosen]).backward()
        optimiser.step()
    module.eval()


def main() -> None:
    """Train, say how it went, and save."""
    from brittle.data import open_source
    from brittle.models.open import open_network

    parser = argparse.ArgumentParser(prog="python -m benchmarks.robust", description=__doc__)
    parser.add_argument("--network", default="lenet-mnist")
    parser.add_argument("--weights", type=Path, required=True, help="of the plainly trained network")
    parser.add_argument("--data", required=True, help="MNIST's training images")
    parser.add_argument("--test", required=True, help="MNIST's test images")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.manual_seed(0)
    module = open_network(options.network, weights=options.weights).module.requires_grad_(True)
    blocks = list(open_source(options.data).blocks(4096))
    train(module, torch.cat([b.images for b in blocks]), torch.cat([b.labels for b in blocks]), options.epochs)
    test = next(open_source(options.test, max_images=1000).blocks(1000))
    clean = (module(test.images).argmax(1) == test.labels).float().mean()
    moved = harder(module, test.images, test.labels, RADIUS)
    robust = (module(moved).argmax(1) == test.labels).float().mean()
    print(f"1,000 test images: {clean:.1%} right, {robust:.1%} after {STEPS} steps of PGD within {RADIUS}")
    save_file({name: value.contiguous() for name, value in module.state_dict().items()}, options.out)


if __name__ == "__main__":
    main()
