"""`python -m benchmarks.contests`: attacks of every kind, ours and the peers', side by side."""

from __future__ import annotations

import argparse
import sys
import warnings

from benchmarks.options import CLOCKS, begun, comparing, name_of


def arguments() -> argparse.Namespace:
    """Return what the user wrote."""
    parser = comparing("benchmarks.contests", __doc__, 200)
    parser.add_argument("contests", nargs="*", metavar="CONTEST", help="all by default")
    parser.add_argument("--slow", default="", help="contenders that are given fewer images, separated by commas")
    parser.add_argument("--slow-images", type=int, default=20, help="how many (default: %(default)s)")
    parser.add_argument("--skip", default="", help="contenders to leave out, separated by commas")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    return parser.parse_args()


def main() -> int:
    """Run everybody on the same images, and write the tables."""
    options = arguments()
    subjects = begun(options)
    from benchmarks import blackbox, classics
    from benchmarks.contest import measure, table

    warnings.simplefilter("ignore")
    every = classics.contests() | blackbox.contests()
    chosen = options.contests or list(every)
    unknown = [name for name in chosen if name not in every]
    if unknown:
        sys.exit(f"there is no contest {unknown[0]!r}; expected one of {', '.join(every)}")
    clock = "the processor's" if options.clock == "cpu" else "on the clock"
    text = f"# {name_of(options)}, {len(subjects[1])} images that the network gets right\n\n"
    text += (
        "Judged by the benchmark in fresh forward passes; mean over the images broken, median with the others\n"
        f"infinitely far, beside it our first attack's on the same images. Times {clock}, threads: {options.threads}.\n"
    )
    options.out.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        text += table(every[name], measure(every[name], *subjects, options))
        (options.out / f"contests-{name_of(options)}.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
