"""What every command of the benchmarks takes: a network, its images, and where the results go; and how it begins."""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def parser_of(module: str, about: str | None) -> ArgumentParser:
    """Return a parser of `python -m MODULE` with the options that all have."""
    parser = ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument("--network", default="digits-lenet", help="as `brittle audit` takes it (default: %(default)s)")
    parser.add_argument("--weights", type=Path, help="safetensors, for an architecture without weights of its own")
    parser.add_argument("--data", default="digits", help="as `brittle audit` takes it (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the results (default: %(default)s)")
    return parser


def comparing(module: str, about: str | None, images: int) -> ArgumentParser:
    """Return the same parser, with the options of those that run everybody in their own process."""
    parser = parser_of(module, about)
    parser.add_argument("--name", help="of the results' file (default: the network's)")
    parser.add_argument("--images", type=int, default=images, help="that the network gets right (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1)
    return parser


def name_of(options: Namespace) -> str:
    """Return what the results are called."""
    return options.name or Path(options.network).stem


def begun(options: Namespace) -> tuple[Any, Any, Any]:
    """Hold torch to the threads asked for; return the network, the first images that it gets right, their labels."""
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch

    from benchmarks.minimum import subject

    torch.set_num_threads(options.threads)
    return subject(options.network, options.weights, options.data, options.images)
