"""`python -m benchmarks.memory`: does the number of images set the memory that an attack needs?

Peak memory of PGD-40 for few and for many images, each in a process of its own. The images themselves and the
adversarial ones are part of it; the ratio is of the whole process. With `--audit` it is of an audit with its page: its
images are read block by block, the size of the page and the seconds that it takes to write are told beside, and the
data must have as many images. With `--workers` too, processes do the parts, and the largest of them is told.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from brittle.data import Source


def peak(network: str, weights: Path | None, data: str, images: int, batch: int, steps: int) -> tuple[float, float]:
    """Attack, and return the process's peak before and after, in MiB; images are repeated to the number wanted."""
    import torch

    import brittle
    from brittle.data import open_source
    from brittle.models.open import open_network

    torch.set_num_threads(1)
    module = open_network(network, weights=weights).module
    x, y = _filled(open_source(data, max_images=images), images)
    before = _resident()
    brittle.run(brittle.PGD(steps=steps), brittle.Classifier(module), x, y, threat=brittle.Lp("inf", 1e-5), batch=batch)
    return before, _resident()


def audited(options: argparse.Namespace, images: int) -> tuple[float, float]:
    """Audit, write the page, and return the process's peak before and after, in MiB."""
    import torch

    import brittle
    from brittle.specs import ModelSpec

    torch.set_num_threads(1)
    brittle.keep_freed_memory()  # as the command does
    before = _resident()
    model = ModelSpec(options.network, weights=options.weights)
    with tempfile.TemporaryDirectory() as place:
        attacks = options.attack or ["fgsm", f"pgd:steps={options.steps}"]
        engine = None if options.workers is None else brittle.ProcessEngine(options.workers)
        run = brittle.audit(
            *(model, options.data, f"{place}/run"),
            attacks=attacks,
            max_images=images,
            batch=options.batch,
            engine=engine,
        )
        peak, begun = _resident(), time.perf_counter()
        page = brittle.write_report(run.path)
        taken, size = time.perf_counter() - begun, page.stat().st_size
    workers = "" if engine is None else f", its largest worker {_resident(resource.RUSAGE_CHILDREN):.0f} MiB"
    page_took = f"page of {size / 1e6:.2f} MB in {taken:.1f} s"
    print(f"{images:>6} images: audit {peak:.0f} MiB{workers}; {page_took}", flush=True)
    return before, _resident()


def _filled(source: Source, images: int) -> tuple[Tensor, Tensor]:
    """Fill one tensor block by block, so that loading holds the images no more than once."""
    import torch

    x, y, filled = None, torch.empty(images, dtype=torch.int64), 0
    while filled < images:
        for block in source.blocks(500):
            x = torch.empty((images, *block.images.shape[1:])) if x is None else x
            count = min(len(block), images - filled)
            x[filled : filled + count], y[filled : filled + count] = block.images[:count], block.labels[:count]
            filled += count
    assert x is not None
    return x, y


def _resident(whose: int = resource.RUSAGE_SELF) -> float:
    """Return the peak resident memory in MiB, of children that of the largest; Linux counts in KiB, macOS in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(whose).ru_maxrss * unit / 2**20


def main() -> None:
    """Print both peaks and their ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--network", default="digits-lenet")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--data", default="digits")
    parser.add_argument(
        "--images", type=int, nargs=2, default=(1000, 10000), help="few and many (default: %(default)s)"
    )
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--audit", action="store_true", help="of an audit with its page")
    parser.add_argument("--attack", action="append", help="of the audit; several are possible (default: FGSM and PGD)")
    parser.add_argument("--workers", type=int, help="of the audit: processes that do its parts")
    options = parser.parse_args()
    peaks = []
    for count in options.images:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:  # one that may have children
            given = (options.network, options.weights, options.data, count, options.batch, options.steps)
            asked = pool.submit(audited, options, count) if options.audit else pool.submit(peak, *given)
            before, after = asked.result()
        peaks.append(after)
        print(f"{count:>6} images: peak {after:.0f} MiB, of which {before:.0f} MiB before the attack", flush=True)
    print(f"ratio {peaks[1] / peaks[0]:.3f}")


if __name__ == "__main__":
    main()
