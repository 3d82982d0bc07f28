"""`python -m benchmarks.universal_pass`: what a pass of `ascent` over X takes beside its forward and backward passes.

    python -m benchmarks.universal_pass --network model.pt2 --data photographs.parquet --images 60

The bare loop adds a perturbation to the same mini-batches, held in memory, and differentiates the sum of the logits by
it; nothing is judged in either. Both are run in turn in one process; the least CPU seconds of a pass count.
"""

from __future__ import annotations

import sys
import time
from itertools import pairwise
from typing import Any

from benchmarks.options import begun, parser_of


def main() -> int:
    """Print both times and their ratio."""
    parser = parser_of("benchmarks.universal_pass", __doc__)
    parser.set_defaults(threads=1)
    parser.add_argument("--images", type=int, default=60, help="that the network gets right (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=4, help="passes of each that are timed (default: %(default)s)")
    options = parser.parse_args()
    module, images, _ = begun(options)
    from brittle import Classifier, ImageSet

    some = ImageSet(Classifier(module), images)
    ours, bare = [], []
    for seed in range(options.rounds):
        ours.append(min(passes_of(some, seed)))
        bare.append(min(bare_passes(module, images, seed)))
    ratio = min(ours) / min(bare)
    print(
        f"{options.network}, {len(images)} images: {min(ours):.3f} s a pass, bare {min(bare):.3f} s, ratio {ratio:.3f}"
    )
    return 0


def passes_of(some: Any, seed: int) -> list[float]:
    """Return the CPU seconds of the second and the third pass of a search; the first has asked for the clean logits."""
    from brittle import Lp, UniversalAscent, UniversalProblem, find_universal

    marks: list[float] = []

    def judge(_: Any) -> float:
        marks.append(time.process_time())
        return 0.0

    problem = UniversalProblem(some.classifier, some.shape, Lp("inf", 0.02), some, seed)
    find_universal(UniversalAscent(passes=3, crops=False), problem, judge)
    return [after - before for before, after in pairwise(marks)]


def bare_passes(module: Any, images: Any, seed: int) -> list[float]:
    """Return the CPU seconds of two passes of the fewest lines."""
    import torch

    generator, times = torch.Generator().manual_seed(seed), []
    v = torch.full(images.shape[1:], 0.01)
    for _ in range(2):
        began = time.process_time()
        for rows in torch.randperm(len(images), generator=generator).split(10):
            moving = v.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(module(images[rows] + moving).sum(), moving)
            v = v + 0 * gradient
        times.append(time.process_time() - began)
    return times


if __name__ == "__main__":
    sys.exit(main())
