"""Measure what `run` adds to the passes of PGD: its time over that of a loop written by hand, and of its passes alone.

    PYTHONPATH=src python -m benchmarks.overhead --rounds 5

All three are run in turn in one process on one thread, by CPU time, at a radius at which nothing succeeds, so that all
of them make every step; of each the fastest round counts.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.contenders import CONTENDERS, Task
from benchmarks.counting import Counted, replay

RADIUS = 1e-5


def lenet() -> nn.Module:
    """Return LeNet with random weights, for images of 1 x 28 x 28."""
    torch.manual_seed(0)
    first = (nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(*first, nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10)).eval()


def dense() -> nn.Module:
    """Return a network without convolutions, whose way back `run` does not shorten."""
    torch.manual_seed(0)
    layers = (nn.Linear(784, 1500), nn.ReLU(), nn.Linear(1500, 1500), nn.ReLU(), nn.Linear(1500, 10))
    return nn.Sequential(nn.Flatten(), *layers).eval()


def small() -> nn.Module:
    """Return a network whose passes cost next to nothing: what is left is what `run` adds."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).eval()


def fastest(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the least CPU seconds of each, run in turn; a round before the clock runs is not counted."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, work in works.items():
            began = time.process_time()
            work()
            times[name].append(time.process_time() - began)
    return {name: min(some[1:]) for name, some in times.items()}


def measured(module: nn.Module, batch: int, steps: int, rounds: int) -> dict[str, float]:
    """Return the least CPU seconds of `run`, of the loop written by hand, and of the passes that `run` makes."""
    images = torch.rand(batch, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    frozen = module.requires_grad_(False)  # the same weights for all: another copy alone moves a figure by 3 to 6 %
    labels: Tensor = frozen(images).argmax(1)
    task = Task("pgd", float("inf"), RADIUS, steps, batch, 10)
    counted = Counted(module)
    CONTENDERS["brittle"](counted, task)(images.clone(), labels)
    ours, bare = CONTENDERS["brittle"](module, task), CONTENDERS["bare"](frozen, task)
    works: dict[str, Callable[[], object]] = {
        "run": lambda: ours(images, labels),
        "bare loop": lambda: bare(images, labels),
        "passes": lambda: replay(counted.log.passes, frozen, images),
    }
    return fastest(works, rounds)


def main() -> None:
    """Print a line for each network and batch size."""
    parser = ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    torch.set_num_threads(1)
    networks = (("lenet", lenet(), 256), ("lenet", lenet(), 64), ("dense", dense(), 256), ("linear", small(), 64))
    for name, module, batch in networks:
        times = measured(module, batch, options.steps, options.rounds)
        ratios = f"{times['run'] / times['bare loop']:.3f} of the bare loop, {times['run'] / times['passes']:.3f}"
        each = 1e3 * (times["run"] - times["passes"]) / options.steps
        print(f"{name}, batch {batch}: {times['run']:.3f} s, {ratios} of its passes, {each:.2f} ms a step beside them")


if __name__ == "__main__":
    main()
