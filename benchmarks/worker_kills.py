"""Kill workers and the command that started them with kill -9, again and again, and look at what is left.

    python -m benchmarks.worker_kills --kills 30
    python -m benchmarks.worker_kills --kills 30 --engine ray

One process audits undisturbed. Then the same audit is done by workers: every few seconds one of them, or the command,
is killed, and the command is given again where it was the one. In the end the rows must be the same bit for bit, no
process may be left over, no file but those of an undisturbed run, and no block of images may have been attacked more
often than it was in flight when its worker died, plus once. It needs Linux; Ray needs the extra `cluster`.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.workers import COLUMNS
from brittle.runs.store import RunFolder

WORKERS = {"processes": "spawn_main", "ray": "ray::Worker"}
"""What stands in the command of a worker."""

WORKERS_EACH = 2
"""Blocks that are in flight when the command is killed."""
LOGGED = """
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from brittle import PGD


@dataclass(frozen=True)
class Logged(PGD):
    def perturb(self, problem):
        images = sha256(problem.images.numpy().tobytes()).hexdigest()
        for what in ("begun", "done"):
            with Path(__file__).with_name("log").open("a") as file:
                file.write(f"{what} {images} {len(problem)}\\n")
            if what == "begun":
                super().perturb(problem)
"""
"""PGD that says which images it begins with, and that it is done with them."""


def processes() -> dict[int, tuple[int, str]]:
    """Return parent and command of every process, by its number."""
    found: dict[int, tuple[int, str]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                found[int(folder.name)] = parent, (folder / "cmdline").read_bytes().decode(errors="replace")
            except (OSError, ValueError, IndexError):
                continue
    return found


def below(root: int) -> dict[int, str]:
    """Return the commands of all processes that descend from one."""
    found, everything = {root}, processes()
    while True:
        more = {one for one, (parent, _) in everything.items() if parent in found} - found
        if not more:
            return {one: everything[one][1] for one in found - {root} if one in everything}
        found |= more


def begun(out: Path, asked: argparse.Namespace, *words: str) -> subprocess.Popen[bytes]:
    """Begin the audit."""
    command = [sys.executable, "-m", "brittle", "audit", "digits-lenet", "--data", "digits", "--eps", "0.1", "-q"]
    logged = out.parent / "logged.py"
    logged.write_text(LOGGED)
    command += ["--attack", f"{logged}:Logged:steps={asked.steps}", "--attack", "fgsm"]
    command += ["--max-images", str(asked.images)]
    command += ["--out", str(out), *words]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})


def attacked(root: Path) -> tuple[Counter[tuple[str, int]], Counter[tuple[str, int]]]:
    """Return how often the logged attack began and ended with which images and their number; begin another log."""
    path = root / "log"
    lines = [line.split() for line in path.read_text().splitlines()]
    path.unlink()
    begun, done = (Counter((images, int(n)) for what, images, n in lines if what == one) for one in ("begun", "done"))
    return begun, done


def disturbed(out: Path, asked: argparse.Namespace, draw: random.Random) -> Counter[str]:
    """Audit by workers and kill at random until it ends, and count what was killed and what was left over."""
    seen, met = Counter[str](), set[int]()
    words = ("--engine", asked.engine, "--workers", str(WORKERS_EACH))
    driver = begun(out, asked, *words)
    while driver.poll() is None:
        until = time.monotonic() + draw.uniform(0.5, 2 * asked.every)
        while driver.poll() is None and time.monotonic() < until:
            met |= {*below(driver.pid)}
            time.sleep(0.1)
        if seen["kills"] >= asked.kills or driver.poll() is not None:
            continue
        workers = [one for one, command in below(driver.pid).items() if WORKERS[asked.engine] in command]
        if not workers:
            continue  # they are starting
        if draw.random() < asked.driver:
            driver.kill()
            driver.wait()
            seen += Counter({"kills": 1, "commands killed": 1})
            driver = begun(out, asked, *words)
        else:
            os.kill(draw.choice(workers), signal.SIGKILL)
            seen += Counter({"kills": 1, "workers killed": 1})
    seen["refused"] += driver.returncode != 0
    time.sleep(5)
    seen["processes left over"] += len({*processes()} & met)
    return seen


def main() -> None:
    """Kill what is asked for, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two of them, on average")
    parser.add_argument("--driver", type=float, default=0.3, help="of the kills, the fraction that hits the command")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=1000, help="of PGD: how long the audit is (default: %(default)s)")
    parser.add_argument("--engine", choices=tuple(WORKERS), default="processes")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        right, out = Path(root) / "right", Path(root) / "killed"
        if begun(right, asked).wait():
            raise SystemExit("the undisturbed audit failed")
        wanted, _ = attacked(Path(root))  # with what the checks attack once more
        seen = disturbed(out, asked, random.Random(asked.seed))
        found, done = attacked(Path(root))
        seen["blocks begun once more"] = (found - wanted).total()
        seen["images attacked once more"] = sum(n * count for (_, n), count in (found - wanted).items())
        seen["blocks done once more"] = (done - wanted).total()
        one, other = RunFolder.open(right), RunFolder.open(out)
        tables = {key: one.table(key, COLUMNS).equals(other.table(key, COLUMNS)) for key in one.tables()}
        seen["attacks whose rows differ"] = sum(not same for same in tables.values())
        names = [{str(path.relative_to(folder)) for path in folder.rglob("*")} for folder in (right, out)]
        seen["files left over"] = len(names[1] - names[0])
    for name, count in sorted(seen.items()):
        print(f"{name}: {count}")
    bad = ("refused", "processes left over", "attacks whose rows differ", "files left over")
    in_flight = seen["workers killed"] + WORKERS_EACH * seen["commands killed"]
    sys.exit(any(seen[name] for name in bad) or seen["blocks begun once more"] > in_flight)


if __name__ == "__main__":
    main()
