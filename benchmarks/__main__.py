"""`python -m benchmarks`: brittle and its peers side by side."""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime

from rich.console import Console

from benchmarks.options import parser_of


def arguments() -> argparse.Namespace:
    """Return what the user wrote."""
    from benchmarks.suites import SUITES

    parser = parser_of("benchmarks", __doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; all by default")
    parser.add_argument("--images", type=int, help="how many (default: each suite's own)")
    parser.add_argument("--slow-images", type=int, default=50, help="for who takes minutes (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=256, help="most images in one pass (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds (default: %(default)s)")
    parser.add_argument("--patience", type=float, default=60, help="seconds per contender (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of every contender (default: %(default)s)")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu where others use the machine")
    parser.add_argument("--contenders", default="", help="only these, separated by commas")
    options = parser.parse_args()
    unknown = [name for name in options.suites if name not in SUITES]
    if unknown:
        parser.error(f"there is no suite {unknown[0]!r}; expected one of {', '.join(SUITES)}")
    if options.rounds < 1 or options.slow_images < 1:
        parser.error("--rounds and --slow-images must be at least 1")
    if options.clock == "cpu" and options.threads > 1:
        parser.error("--clock cpu adds up the threads' times; it needs --threads 1")
    return options


def main() -> int:
    """Run the suites, show and save the tables; 1 where a contender failed."""
    options = arguments()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # the workers inherit it
        os.environ[name] = str(options.threads)
    from benchmarks.compare import compare
    from benchmarks.contenders import PACKAGES
    from benchmarks.machine import machine_class, versions
    from benchmarks.suites import SUITES
    from benchmarks.table import LEGEND, markdown, save_raw, terminal

    console = Console(width=None if sys.stdout.isatty() else 150)
    used = versions([*PACKAGES.values()])
    machine = f"{machine_class()}; {options.threads} thread{'' if options.threads == 1 else 's'}"
    options.out.mkdir(parents=True, exist_ok=True)
    sections, failed = [], False
    for name in options.suites or list(SUITES):
        suite = SUITES[name]
        orders = orders_for(suite, options)
        with console.status(name) as status:
            scores = compare(orders, options.rounds, options.patience, status.update)
        radius = suite.radius_for(options.network)
        size = f"{scores[0].images} images, batch {options.batch}"
        caption = f"{options.network}, {size}, radius {radius:g}, {options.clock} clock."
        console.print(terminal(suite, scores, caption))
        sections.append(markdown(suite, scores, caption))
        facts = {"machine": machine, "versions": json.dumps(used), "network": options.network, "radius": str(radius)}
        save_raw(options.out / f"{options.network}-{name}.parquet", suite, scores, facts)
        failed |= any(score.error for score in scores)
    console.print(f"{machine}; {', '.join(f'{key} {value}' for key, value in used.items())}")
    page = options.out / f"{options.network}.md"
    page.write_text(
        f"# {options.network}\n\n{datetime.now(UTC):%Y-%m-%d}; {machine}; "
        f"{', '.join(f'{key} {value}' for key, value in used.items())}.\n\n{LEGEND}\n" + "\n".join(sections),
        encoding="utf-8",
    )
    console.print(f"written to {page}")
    return int(failed)


def orders_for(suite, options: argparse.Namespace) -> list:
    """Return one order for each contender that takes part."""
    from benchmarks.suites import SLOW
    from benchmarks.worker import Order

    wanted = options.contenders.split(",") if options.contenders else suite.contenders
    count = options.images or suite.images
    return [
        Order(
            contender,
            suite,
            options.network,
            options.weights,
            options.data,
            min(count, options.slow_images) if (suite.attack, contender) in SLOW else count,
            options.batch,
            options.threads,
            options.clock,
        )
        for contender in suite.contenders
        if contender in wanted
    ]


if __name__ == "__main__":
    sys.exit(main())
