"""Two `brittle audit --shard` processes on one folder, under kill -9 and by the clock, beside one undivided audit.

    python -m benchmarks.shards kills --kills 30 --every 3
    python -m benchmarks.shards speed --network mnist-a-robust --data DATA/mnist/test.parquet --images 1000

`kills`: one undisturbed audit by one process. Then two shards do the same audit in another folder, and every few
seconds one of them, chosen at random, is killed with kill -9 and begun again. In the end the files must be those of the
undisturbed audit, byte for byte, nothing may be left over, and no part may have been attacked more often than it was in
flight when its process was killed, plus once. Where an audit is done before all kills are, another one begins.

`speed`: the throughput of one process on one thread, from the first image attacked to the last part written, and that
of two shards with one thread each, in turn; their rows must be the same bits. Where others use the machine,
`--clock cpu` compares what the one process and the busier of the shards spend on their parts.

The processes are forked from one that has imported everything and computed nothing; the clocks that end up in files
stand still.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.kills import begun, command, compared, content, ended, unreadable
from benchmarks.options import parser_of
from brittle.evaluation.work import AttackPart

LOG = "log"
"""Beside the run folder: a line for each part that is begun, and for each that is done."""
PACE = 0.05
"""Seconds between two looks at whether the workers still run."""


@dataclass(frozen=True)
class Line:
    """A line of the log: what happened to which part, in which process, when, and at which of its own CPU seconds."""

    what: str
    part: str
    process: int
    wall: float
    cpu: float


@dataclass(frozen=True)
class Job:
    """The audit that everybody does.

    Attributes:
        words: of the command, but for the shard.
    """

    words: tuple[str, ...]

    def work(self, shard: str | None = None) -> Callable[[], None]:
        """Return what audits into the folder `run`, and logs each part."""
        run = command(*self.words, *(() if shard is None else ("--shard", shard)), "--out", "run", "-q")

        def logged() -> None:
            do = AttackPart.do

            def told(self: AttackPart) -> None:
                note("begun", self.name)
                do(self)
                note("done", self.name)

            AttackPart.do = told
            run()

        return logged


def note(what: str, part: str) -> None:
    """Add a line to the log, in one go."""
    with Path(LOG).open("a") as file:
        file.write(f"{what} {part} {os.getpid()} {time.time()} {time.process_time()}\n")


def logged(folder: Path) -> list[Line]:
    """Read the log of the processes that worked in a folder."""
    rows = [line.split() for line in (folder / LOG).read_text().splitlines()]
    return [Line(what, part, int(process), float(wall), float(cpu)) for what, part, process, wall, cpu in rows]


def left_in(folder: Path) -> dict[str, bytes]:
    """Return the files of the run in a folder, as `content` does."""
    return {name: data for name, data in content(folder).items() if Path(name).parts[0] == "run"}


def killed_at_work(folder: Path, job: Job, kills: int, every: float, draw: random.Random) -> int:
    """Let two shards audit, and kill one of them again and again, and begin it again; return how often it was killed.

    Raises:
        SystemExit: a worker ended with an error.
    """
    shards = {begun(job.work(f"{number}/2"), folder): number for number in (1, 2)}
    count, due = 0, time.monotonic() + every * draw.uniform(0.5, 1.5)
    while shards:
        time.sleep(PACE)
        for process in list(shards):
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                del shards[process]
                if status:
                    raise SystemExit(f"a shard ends with {status}: {(folder.parent / 'said').read_text()[-2000:]}")
        if shards and count < kills and time.monotonic() >= due:
            process = draw.choice(sorted(shards))
            os.kill(process, signal.SIGKILL)
            if ended(process) is None:
                count += 1
                shards[begun(job.work(f"{shards[process]}/2"), folder)] = shards[process]
            del shards[process]
            due = time.monotonic() + every * draw.uniform(0.5, 1.5)
    return count


def attacked_again(lines: list[Line]) -> tuple[int, int]:
    """Return how many parts were begun once more, and how many of these were done before or in nobody's hands."""
    begins, ends = (Counter(line.part for line in lines if line.what == what) for what in ("begun", "done"))
    more = sum(count - 1 for count in begins.values())
    wrong = sum(max(0, ends[part] - 1) for part in begins)  # of all that began a part one finished, the others died
    return more, wrong


def kill(options: Namespace, job: Job, root: Path) -> bool:
    """Kill shards, print what is left, and return whether all is well."""
    draw, whole, seen = random.Random(options.seed), root / "undisturbed", Counter[str]()
    whole.mkdir()
    if ended(begun(job.work(), whole)) != 0:
        raise SystemExit(f"the undisturbed audit fails: {(root / 'said').read_text()[-2000:]}")
    wanted = left_in(whole)
    while seen["kills"] < options.kills:
        folder = root / f"audit {seen['audits']}"
        folder.mkdir()
        seen["kills"] += killed_at_work(folder, job, options.kills - seen["kills"], options.every, draw)
        seen["audits"] += 1
        if ended(begun(job.work(), folder)) != 0:  # the same command without a shard: whatever is left, and the page
            seen["refused"] += 1
        more, wrong = attacked_again(logged(folder))
        seen["parts begun"] += sum(line.what == "begun" for line in logged(folder))
        seen["begun once more"] += more
        seen["done more than once"] += wrong
        seen["unreadable"] += len(unreadable(folder / "run"))
        seen += compared(folder.name, left_in(folder), wanted)
        shutil.rmtree(folder)
    named = ("kills", "audits", "parts begun", "begun once more", "done more than once", "files compared")
    bad = ("files that differ", "left over", "unreadable", "refused")
    print(", ".join(f"{what}: {seen[what]}" for what in (*named, *bad)))
    return seen["begun once more"] <= seen["kills"] and not any(seen[what] for what in (*bad, "done more than once"))


def timed(job: Job, folder: Path, shards: Sequence[str | None], clock: str) -> float:
    """Return the seconds that processes take which begin together.

    By the wall clock from the first part begun to the last one done; by CPU time what the busiest spent on parts.
    """
    folder.mkdir()
    codes = [ended(process) for process in [begun(job.work(shard), folder) for shard in shards]]
    if any(codes):
        raise SystemExit(f"an audit fails: {(folder.parent / 'said').read_text()[-2000:]}")
    lines = logged(folder)
    if clock == "wall":
        return max(line.wall for line in lines) - min(line.wall for line in lines)
    spent: dict[int, float] = {}
    for line in lines:
        spent[line.process] = spent.get(line.process, 0.0) + (line.cpu if line.what == "done" else -line.cpu)
    return max(spent.values())


def speed(options: Namespace, job: Job, root: Path) -> bool:
    """Compare the throughput of two shards with that of one process, and return whether their rows are the same."""
    same, ratios = True, list[float]()
    for number in range(options.rounds):
        alone, both = root / f"one {number}", root / f"two {number}"
        one, two = (
            timed(job, folder, shards, options.clock) for folder, shards in ((alone, [None]), (both, ["1/2", "2/2"]))
        )
        parts = [content(folder / "run" / "parts") for folder in (alone, both)]
        same &= parts[0] == parts[1]
        ratios.append(one / two)
        print(
            f"one process {one:.1f} s, two shards {two:.1f} s ({options.clock} clock): {one / two:.2f} times the "
            f"throughput; {len(parts[0])} parts {'the same bytes' if parts[0] == parts[1] else 'DIFFER'}",
            flush=True,
        )
    print(f"in the median of {options.rounds}: {statistics.median(ratios):.2f} times")
    return same and statistics.median(ratios) >= options.least


def arguments() -> Namespace:
    """Return what the user wrote."""
    parser: ArgumentParser = parser_of("benchmarks.shards", "Two shards on one folder beside one process.")
    parser.add_argument("what", choices=("kills", "speed"))
    parser.add_argument("--images", type=int, default=450, help="default: %(default)s")
    parser.add_argument("--eps", default="0.1", help="default: %(default)s")
    parser.add_argument("--attack", action="append", help="repeat for several")
    parser.add_argument("--kills", type=int, default=30, help="in all (default: %(default)s)")
    parser.add_argument("--every", type=float, default=3.0, help="seconds between two kills, half to half as many more")
    parser.add_argument("--seed", type=int, default=0, help="of who is killed when (default: %(default)s)")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu where others use the machine")
    parser.add_argument("--rounds", type=int, default=1, help="of speed (default: %(default)s)")
    parser.add_argument("--least", type=float, default=1.8, help="ratio below which speed fails (default: %(default)s)")
    return parser.parse_args()


def main() -> None:
    """Do what is asked, and end with 1 where it is not well."""
    options = arguments()
    torch.set_num_threads(1)
    attacks = options.attack or ["pgd:steps=40,restarts=3", "boundary-descent"]
    weights = [] if options.weights is None else ["--weights", str(options.weights.resolve())]
    data = Path(options.data).resolve() if Path(options.data).exists() else options.data
    job = Job(
        (
            *("audit", options.network, *weights, "--data", str(data), "--max-images", str(options.images)),
            *("--eps", options.eps, "--device", "cpu"),
            *(word for attack in attacks for word in ("--attack", attack)),
        )
    )
    with tempfile.TemporaryDirectory() as root:
        well = (kill if options.what == "kills" else speed)(options, job, Path(root))
    sys.exit(not well)


if __name__ == "__main__":
    main()
