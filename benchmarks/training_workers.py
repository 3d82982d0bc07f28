"""Time the epochs of an adversarial training by one process and by several that share each batch.

    python -m benchmarks.training_workers --data mnist/train.parquet --images 6000 --workers 2

Three trainings of the same network in turn: one process on one thread, one process on as many threads as there are
workers, and the workers with one thread each. The first epoch of each is not counted: processes begin in it. The wall
clock counts, so nothing else may use the machine; the largest difference between the weights is printed beside it.
"""

from __future__ import annotations

import copy
from argparse import ArgumentParser
from dataclasses import replace

from torch import Tensor, nn

from benchmarks.adversarial_training import residual
from benchmarks.overhead import lenet
from brittle import PGD, Lp
from brittle.data import open_source
from brittle.training import AdversarialTraining, PlainTraining, fit


def timed(module: nn.Module, images: Tensor, labels: Tensor, settings: PlainTraining, steps: int) -> float:
    """Train, and return the least seconds of an epoch but the first."""
    hard = AdversarialTraining(PGD(steps=steps), Lp("inf", 0.1))
    return min(one.seconds for one in fit(module, images, labels, settings=settings, adversarial=hard).epochs[1:])


def apart(one: nn.Module, other: nn.Module) -> float:
    """Return the largest difference between the weights of two networks."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def main() -> None:
    """Print a line for each network."""
    parser = ArgumentParser(prog="python -m benchmarks.training_workers", description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    block = next(open_source(options.data, max_images=options.images).blocks(options.images))
    images, labels, many = block.images, block.labels, options.workers
    settings = PlainTraining(options.epochs, options.batch, rate=0.01, schedule="constant")
    for name, first in (("lenet", lenet()), ("residual", residual(images.shape[1]))):
        modules = [copy.deepcopy(first) for _ in range(3)]
        ways = (replace(settings, threads=n, workers=workers) for n, workers in ((1, 1), (many, 1), (many, many)))
        alone, threads, workers = (
            timed(module, images, labels, way, options.steps) for module, way in zip(modules, ways, strict=True)
        )
        print(
            f"{name}, {len(images)} images, PGD-{options.steps}: an epoch takes {alone:.1f} s on one thread, "
            f"{threads:.1f} s on {many} ({alone / threads:.2f} times as fast), {workers:.1f} s by {many} processes "
            f"({alone / workers:.2f} times); the weights differ by {apart(modules[0], modules[2]):.1g}"
        )


if __name__ == "__main__":
    main()
