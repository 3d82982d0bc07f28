"""`python -m benchmarks.startup`: how long the command and the import take before anything is done.

Each line is the fastest of several processes, in seconds of the processor, which other work on the machine changes
little; what torch takes alone stands beside it.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

LINES = {
    "python": ["-c", "pass"],
    "brittle --version": ["-m", "brittle", "--version"],
    "brittle --help": ["-m", "brittle", "--help"],
    "brittle audit --help": ["-m", "brittle", "audit", "--help"],
    "import brittle": ["-c", "import brittle"],
    "import torch": ["-c", "import torch"],
    "import torch, brittle": ["-c", "import torch, brittle"],
    "from brittle import run, PGD": ["-c", "from brittle import run, PGD"],
    "from brittle import audit": ["-c", "from brittle import audit"],
}
"""What is timed, and the arguments of python."""


def seconds(arguments: list[str]) -> float:
    """Run python once, and return the seconds that it kept a processor busy."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--times", type=int, default=7, help="processes of each (default: %(default)s)")
    options = parser.parse_args()
    for title, arguments in LINES.items():
        fastest = min(seconds(arguments) for _ in range(options.times))
        print(f"{title:<30} {fastest:6.2f} s", flush=True)


if __name__ == "__main__":
    main()
