"""`python -m benchmarks.drops OLD NEW`: how often `compare` raises a false alarm, and how often it finds a drop.

Both are asked of pairs made from two audits that were really done, of two seeds of one training. For a false alarm
chance alone decides, image by image, which of both seeds is the one before, so that neither is better. For a drop as
many images that stand after fall as the drop says.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from brittle.metrics import least_drop
from brittle.metrics.estimate import Flags
from brittle.runs.comparable import finished_runs, side_by_side


def shuffled(before: Flags, after: Flags, generator: np.random.Generator) -> tuple[Flags, Flags]:
    """Let chance decide for each image which of both comes first."""
    swap = generator.random(len(before)) < 0.5
    return np.where(swap, after, before), np.where(swap, before, after)


def fallen(after: Flags, drop: float, generator: np.random.Generator) -> Flags:
    """Let a fraction of all images fall that stand."""
    standing = np.flatnonzero(after)
    count = min(round(drop * len(after)), len(standing))
    made = after.copy()
    made[generator.choice(standing, count, replace=False)] = False
    return made


def main() -> None:
    """Print both rates."""
    parser = argparse.ArgumentParser("benchmarks.drops", description=__doc__)
    parser.add_argument("old", type=Path, help="run folder of an audit")
    parser.add_argument("new", type=Path, help="of another seed, with the same question and images")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--drop", type=float, default=0.02)
    options = parser.parse_args()
    old, new = side_by_side(finished_runs([options.old, options.new]))
    generator, alarms, found = np.random.default_rng(0), 0, 0
    for _ in range(options.pairs):
        before, after = shuffled(old.standing, new.standing, generator)
        alarms += least_drop(before, after) > 0
        found += least_drop(before, fallen(after, options.drop, generator)) > 0
    apart = int((old.standing != new.standing).sum())
    print(f"{len(old.standing):,} images, {apart} on different sides; {options.pairs} pairs each")
    print(f"false alarms: {alarms} ({alarms / options.pairs:.1%})")
    print(f"drops of {100 * options.drop:g} points found: {found} ({found / options.pairs:.1%})")


if __name__ == "__main__":
    main()
