"""How much sooner several workers of one thread each end an audit than one does, and whether its rows are the same.

    python -m benchmarks.workers --network NETWORK.pt2 --data mnist/test.parquet --images 1000
    python -m benchmarks.workers --engine ray

Each worker has a core of its own; on a machine that does something else meanwhile the figures mean little. The rate is
that between the first part that is done and the last, without the start of the workers. Ray needs the extra `cluster`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import machine_class, versions
from benchmarks.options import parser_of
from brittle import ProcessEngine, RayEngine, audit
from brittle.evaluation.progress import NullProgress
from brittle.plugins.optional import optional
from brittle.runs.schema import SCHEMA
from brittle.runs.store import RunFolder
from brittle.specs import ModelSpec

ATTACKS = ("pgd:steps=40,restarts=3", "boundary-descent")
COLUMNS = [name for name in SCHEMA.names if name != "seconds"]


class Clock(NullProgress):
    """Notes when parts are done, and of how many images they are."""

    def __init__(self) -> None:
        self.done: list[tuple[float, int]] = []

    def advance(self, attack: str, images: int) -> None:
        self.done.append((time.perf_counter(), images))

    def rate(self) -> float:
        """Return images a second, from the first part on."""
        first, last = self.done[0][0], self.done[-1][0]
        return sum(images for _, images in self.done[1:]) / max(last - first, 1e-9)


@contextmanager
def engine(name: str, workers: int) -> Generator[Any]:
    """Have so many workers of one thread each."""
    if name == "processes":
        with only_cores(workers):
            yield ProcessEngine(workers)
        return
    ray = optional("ray", "cluster", "the benchmark")
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        yield RayEngine(workers=workers)
    finally:
        ray.shutdown()


@contextmanager
def only_cores(count: int) -> Generator[None]:
    """Let this process, and those that it starts, have so many cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {*sorted(before)[:count]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measured(name: str, workers: int, out: Path, asked: dict[str, Any]) -> tuple[RunFolder, float, float]:
    """Audit by so many workers, and return the run, the seconds of all of it, and the rate."""
    with engine(name, workers) as chosen:
        clock, began = Clock(), time.perf_counter()
        run = audit(out=out / str(workers), engine=chosen, watch=clock, **asked)
        return run, time.perf_counter() - began, clock.rate()


def main() -> None:
    """Audit by one worker and by several, and print both."""
    parser = parser_of("benchmarks.workers", __doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--eps", default="0.3")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", choices=("processes", "ray"), default="processes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    asked: dict[str, Any] = {
        "model": ModelSpec(options.network, weights=options.weights),
        "data": options.data,
        "attacks": ATTACKS,
        "eps": float(options.eps),
        "max_images": options.images,
    }
    print(f"{machine_class()}; {versions(['torch', 'ray'])}; {options.images} images, {' and '.join(ATTACKS)}")
    with tempfile.TemporaryDirectory() as folder:
        one, alone, slow = measured(options.engine, 1, Path(folder), asked)
        several, together, fast = measured(options.engine, options.workers, Path(folder), asked)
        print(f"1 worker:  {slow:8.2f} images/s, {alone:7.1f} s with start, pictures and checks")
        print(f"{options.workers} workers: {fast:8.2f} images/s, {together:7.1f} s; {fast / slow:.2f} times as fast")
        for key, table in one.tables(COLUMNS).items():
            print(f"{key}: rows {'the same' if table.equals(several.table(key, COLUMNS)) else 'DIFFER'}")


if __name__ == "__main__":
    main()
