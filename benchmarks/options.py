"""What every command of the benchmarks takes: a network, its images, and where the results go."""

from argparse import ArgumentParser
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def parser_of(module: str, about: str | None) -> ArgumentParser:
    """Return a parser of `python -m MODULE` with the options that all have."""
    parser = ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument("--network", default="digits-lenet", help="as `brittle audit` takes it (default: %(default)s)")
    parser.add_argument("--weights", type=Path, help="safetensors, for an architecture without weights of its own")
    parser.add_argument("--data", default="digits", help="as `brittle audit` takes it (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the results (default: %(default)s)")
    return parser
