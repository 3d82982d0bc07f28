"""Time what defences do to images beside ART's own preprocessors, on the same images, in one run on one thread.

    PYTHONPATH=src .venv-bench/bin/python -m benchmarks.defences --data cifar10/test.parquet --images 64

Milliseconds of CPU time for each image, the least of the rounds; for total-variation minimisation also the mean of what
both minimise, over the same dropped values. ART is given the settings of the paper: total variation with half of the
values kept, weight 0.03, and its default of 10 iterations of L-BFGS-B. With these it returns the images as they came,
because the derivative that it hands on is not that of its objective (findings/art-total-variation-changes-nothing.sh).
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.peers import peer
from brittle.data import Fit, open_source
from brittle.evaluation.defended import defence_of
from brittle.maths.total_variation import reconstructed, reconstruction_objective

KEEP, WEIGHT, QUALITY, LEVELS = 0.5, 0.03, 75, 16


def art() -> Any:
    """Return ART's preprocessors."""
    return peer("art.defences.preprocessor")


def least(work: Callable[[], object], count: int, rounds: int) -> float:
    """Return the least CPU milliseconds for each image; a round before the clock runs is not counted."""
    times: list[float] = []
    for _ in range(rounds + 1):
        began = time.process_time()
        work()
        times.append(1e3 * (time.process_time() - began) / count)
    return min(times[1:])


def masks(images: np.ndarray) -> list[Tensor]:
    """Return the values that ART keeps of each image when its random numbers begin anew."""
    np.random.seed(0)  # noqa: NPY002  # ART draws from the global generator
    drawn = [np.random.rand(*image.shape) < KEEP for image in images]  # noqa: NPY002
    return [torch.from_numpy(one).permute(2, 0, 1).contiguous() for one in drawn]


def total_variation(images: Tensor, last: np.ndarray, rounds: int) -> Iterator[str]:
    """Yield the times and what is left of the objective, with the masks that ART draws."""
    theirs, kept = art().TotalVarMin(prob=KEEP, norm=2, lamb=WEIGHT, clip_values=(0, 1)), masks(last)

    def reconstructed_by_art() -> np.ndarray:
        np.random.seed(0)  # noqa: NPY002
        return theirs(last)[0]

    def value(found: list[Tensor]) -> float:
        pairs = zip(found, images, kept, strict=True)
        return float(np.mean([reconstruction_objective(z[None], x[None], m, WEIGHT).sum().item() for z, x, m in pairs]))

    ours = [reconstructed(x[None], m, WEIGHT)[0] for x, m in zip(images, kept, strict=True)]
    left = [torch.from_numpy(one).permute(2, 0, 1) for one in reconstructed_by_art()]
    together = least(lambda: reconstructed(images, kept[0], WEIGHT), len(images), rounds)
    yield line("tv", together, least(reconstructed_by_art, len(images), rounds))
    yield f"  objective {value(ours):.4f}, ART {value(left):.4f}"


def line(name: str, ours: float, theirs: float) -> str:
    """Return a row of the table."""
    return f"{name:12} {ours:9.3f} ms, ART {theirs:9.3f} ms: {ours / theirs:.3f} of its time"


def main() -> None:
    """Print a line for each defence."""
    parser = ArgumentParser(prog="python -m benchmarks.defences", description=__doc__)
    parser.add_argument("--data", default="digits", help="images (default: %(default)s)")
    parser.add_argument("--crop", type=int, help="centre crop of so many pixels")
    parser.add_argument("--images", type=int, default=64, help="how many (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds (default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    fit = Fit(None, options.crop, options.crop)
    images = next(open_source(options.data, fit=fit, max_images=options.images).blocks(options.images)).images
    last = np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())
    print(f"{len(images)} images of {tuple(images.shape[1:])} from {options.data}, one thread, CPU time")
    for text in total_variation(images, last, options.rounds):
        print(text)
    for spec, theirs in (
        (f"jpeg:quality={QUALITY}", art().JpegCompression(clip_values=(0, 1), quality=QUALITY)),
        (f"thermometer:levels={LEVELS}", art().ThermometerEncoding(clip_values=(0, 1), num_space=LEVELS)),
    ):
        ours: Any = getattr(defence_of(spec), "transform")  # noqa: B009  # every one of these has it
        times = (
            least(partial(ours, images), len(images), options.rounds),
            least(partial(theirs, last), len(images), options.rounds),
        )
        print(line(spec.partition(":")[0], *times))


if __name__ == "__main__":
    main()
