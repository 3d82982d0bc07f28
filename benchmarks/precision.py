"""How a search asks the network: as it is, channels last, in bf16, compiled; its speed, and what it finds.

    PYTHONPATH=src python -m benchmarks.precision --network lenet.pt2 --data test.parquet --images 256 --device cuda

All rows of a table are of one process, one after the other in every round; a first run of each, which compiles, is told
apart. Images per second are of the fastest round. Every success and size is of the network as it is; beside them stand
the points that the search took for adversarial, and those of them that the network did not.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from benchmarks.machine import machine_class
from benchmarks.options import CLOCKS, begun, parser_of

ORDERED = ("brittle.classifiers.door", "brittle.classifiers.search_mode")
"""What brings images into another order in memory."""
CHANNELS_FIRST = "channels first"
HEADERS = ("", "images/s", "ratio", "success", "median size", "verified", "refused", "first run, s")


@dataclass(frozen=True)
class Row:
    """What a search found, and how fast.

    Attributes:
        name: how the network was asked.
        first: seconds of the first run, which compiles.
        seconds: of the fastest round.
        result: what `run` returned.
    """

    name: str
    first: float
    seconds: float
    result: Any


def modes(device: str) -> dict[str, dict[str, Any]]:
    """Return the ways of asking, as `run` takes them: on a CPU the channels are last where the network gains by it."""
    fast: dict[str, Any] = {} if device == "cpu" else {"channels_last": True}
    plain: dict[str, dict[str, Any]] = {CHANNELS_FIRST: {}} | ({} if device == "cpu" else {"channels last": fast})
    return {
        **({"float32": {}} if device == "cpu" else {}),
        **plain,
        "bf16": {"precision": "bf16", **fast},
        "compiled": {"compile": True, **fast},
        "bf16, compiled": {"precision": "bf16", "compile": True, **fast},
    }


@contextmanager
def in_order(name: str) -> Iterator[None]:
    """Leave the images in the order in memory in which they come, where the name says so."""
    if name != CHANNELS_FIRST:
        yield
        return

    def left(module: Any, images: Any, *, asked: bool = False) -> Any:
        return images

    with patch(f"{ORDERED[0]}.to_channels_last", left), patch(f"{ORDERED[1]}.to_channels_last", left):
        yield


def measured(work: Any, names: Sequence[str], rounds: int, clock: str) -> list[Row]:
    """Run every way of asking in turn, and keep the fastest round of each."""
    now = CLOCKS[clock]
    times: dict[str, list[float]] = {name: [] for name in names}
    results: dict[str, Any] = {}
    for turn in range(rounds + 1):
        for name in names:
            with in_order(name):
                began = now()
                results[name] = work(name)
                times[name].append(now() - began)
        if not turn:
            print(f"first runs: {', '.join(f'{name} {some[0]:.1f} s' for name, some in times.items())}", flush=True)
    return [Row(name, times[name][0], min(times[name][1:]), results[name]) for name in names]


def table(rows: Sequence[Row], images: int) -> str:
    """Return the rows as a table of Markdown."""
    lines = [HEADERS, ("---",) * len(HEADERS)]
    for row in rows:
        result, asked = row.result, row.result.verified is not None
        size = result.size[result.success]
        lines.append(
            (
                row.name,
                f"{images / row.seconds:.1f}",
                f"{rows[0].seconds / row.seconds:.2f}",
                f"{int(result.success.sum())}/{images}",
                f"{float(size.median()):.5f}" if len(size) else "none",
                *([str(int(one.sum())) for one in (result.verified, result.disputed)] if asked else ("", "")),
                f"{row.first:.1f}",
            )
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def attacks(options: Namespace) -> Iterator[tuple[str, Any, Any]]:
    """Yield a title, an attack and its question: one within a radius, one for the smallest change."""
    import brittle
    from brittle.evaluation.spec import parse_attack

    within = brittle.Lp("inf", options.radius)
    yield f"PGD, {options.steps} steps, linf {options.radius:g}", brittle.PGD(steps=options.steps), within
    if options.smallest != "none":
        yield f"{options.smallest}, l2", parse_attack(options.smallest).attack, brittle.Lp(2)


def main(words: Sequence[str] | None = None) -> None:
    """Print a table for each attack."""
    parser = parser_of("benchmarks.precision", __doc__)
    parser.add_argument("--images", type=int, default=64, help="that the network gets right (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=256, help="most images in one pass (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=40, help="of PGD (default: %(default)s)")
    parser.add_argument("--radius", type=float, default=2 / 255, help="of PGD, linf (default: 2/255)")
    parser.add_argument("--smallest", default="ddn:steps=100", help="attack without a radius (default: %(default)s)")
    parser.add_argument("--without", default="", help="ways left out, separated by semicolons, such as compiled")
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall", help="cpu where others use the machine")
    options = parser.parse_args(words)
    module, images, labels = begun(options)
    import torch

    import brittle

    classifier = brittle.Classifier(module.to(options.device))
    kind = torch.device(options.device).type
    where = torch.cuda.get_device_name(options.device) if kind == "cuda" else machine_class()
    shape = " x ".join(map(str, images.shape[1:]))
    print(f"{where}; torch {torch.__version__}, {options.threads} thread(s), {options.clock} clock")
    print(f"{options.network}: {len(images)} images of {shape}, {options.batch} at a time\n")
    ways = {name: way for name, way in modes(kind).items() if name not in options.without.split(";")}
    for title, attack, threat in attacks(options):
        asked = {"threat": threat, "batch": options.batch}
        rows = measured(
            lambda name, attack=attack, asked=asked: brittle.run(
                attack, classifier, images, labels, **asked, **ways[name]
            ),
            [*ways],
            options.rounds,
            options.clock,
        )
        print(f"\n{title}\n\n{table(rows, len(images))}\n", flush=True)


if __name__ == "__main__":
    main()
