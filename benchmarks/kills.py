"""Kill every command with kill -9, at random moments and in the middle of writing, and look at what is left.

    python -m benchmarks.kills --kills 100

Each command is run once undisturbed. Then it is killed a few times in a row in a folder of its own and run to the end.
Its files must be those of the undisturbed run, byte for byte; no file may be left over; and after every kill every file
that is there must be readable. The clocks that end up in files stand still, so that nothing need be left out of the
comparison but the notes in a manifest and the counts in study.json, which say that a run was interrupted, and the pages
that show them.

The processes are forked from one that has imported everything and computed nothing.
"""

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import torch
from PIL import Image
from safetensors import safe_open

from brittle import files
from brittle.cli import app
from brittle.errors import BrittleError
from brittle.evaluation.train import train
from brittle.metrics import proportion
from brittle.report.study_page import write_study
from brittle.runs import surroundings
from brittle.studies import run_study
from brittle.studies.bench.study import Cell, Column, Measured, Row, Setting, Study
from brittle.training import epoch

A_TRIAL = 4
"""Kills in a row before a command is run to the end."""


def cells(setting: Setting) -> list[Cell]:
    """Pieces of work of the study that is killed: one trains a network, the others count."""

    def trained() -> Measured:
        path = setting.folder / "networks" / "net"
        made = train("digits-lenet", "digits:train", path, epochs=2, max_images=200, test="digits")
        return Measured({"rate": made.accuracy or proportion(0, 1)})

    def counted(hits: int) -> Callable[[], Measured]:
        return lambda: Measured({"rate": proportion(hits, 10)})

    first = Cell("a", "rate", trained, lambda: {"a": 1})
    return [first, *(Cell(row, "rate", counted(n), lambda row=row: {"row": row}) for n, row in enumerate("bcde", 1))]


STUDY = Study(
    name="killed",
    title="A study that is killed",
    source="",
    cells=cells,
    rows=tuple(Row(name) for name in "abcde"),
    columns=(Column("rate", "rate", "percent", "sheet"),),
    published=lambda row, column: None,
)


def command(*words: str) -> Callable[[], None]:
    """Return what runs a command of brittle in this process."""
    return lambda: app(list(words), standalone_mode=False)


AUDIT = (
    "audit",
    "digits-lenet",
    "--data",
    "digits",
    "--max-images",
    "150",
    "--attack",
    "fgsm",
    "--attack",
    "pgd:steps=5",
)
COMMANDS: dict[str, Callable[[], None]] = {
    "audit": command(*AUDIT, "--eps", "0.1", "--out", "run", "-q"),
    "attack": command("attack", "digits-lenet", "digits", "--max-images", "40", "--attack", "adef", "--json"),
    "universal": command(
        *("universal", "digits-lenet", "--data", "digits", "--max-images", "200", "--eps", "0.2", "-q"),
        *("--attack", "ascent:passes=4", "--out", "v-0.1"),
    ),
    "train": command(
        *("train", "digits-lenet", "--data", "digits:train", "--max-images", "500", "--epochs", "4", "-q"),
        *("--test", "digits", "--out", "w-0.1"),
    ),
    "study": lambda: write_study(run_study(STUDY, "studies")) and None,
}


class Stopped:
    """A clock that stands still, in place of `datetime`."""

    @staticmethod
    def now(zone: object) -> "Stopped":
        return Stopped()

    def isoformat(self, timespec: str = "") -> str:
        return "2000-01-01T00:00:00+00:00"


def still() -> None:
    """Stop the clocks that end up in files."""
    time.perf_counter = epoch.perf_counter = lambda: 0.0
    surroundings.__dict__["datetime"] = Stopped


def die(*_: object) -> None:
    """End as kill -9 ends a process."""
    os.kill(os.getpid(), signal.SIGKILL)


def lie_in_wait(moment: str, count: int) -> None:
    """Let this process kill itself at the so-manieth call of a function that writes, before or within it."""
    calls = itertools.count(1)
    if moment == "half":
        whole = files._replace

        def half(path: Path, content: bytes) -> None:
            if next(calls) == count:
                files.unfinished_beside(path).write_bytes(content[: len(content) // 2])
                die()
            whole(path, content)

        files._replace = half
        return
    name, after = moment.removeprefix("after "), moment.startswith("after ")
    real = getattr(os, name)

    def trap(*args: object, **options: object) -> object:
        number = next(calls)
        if number == count and not after:
            die()
        result = real(*args, **options)
        if number == count:
            die()
        return result

    setattr(os, name, trap)


def child(run: Callable[[], None], folder: Path, *, moment: str = "", count: int = 0, seconds: float = 0) -> int | None:
    """Run a command in a process of its own, and kill it; return its exit status, None where it was killed."""
    process = begun(run, folder, moment=moment, count=count)
    if seconds:
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
    return ended(process)


def ended(process: int) -> int | None:
    """Wait for a process, and return its exit status, None where it was killed."""
    _, status = os.waitpid(process, 0)
    return None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)


def begun(run: Callable[[], None], folder: Path, *, moment: str = "", count: int = 0) -> int:
    """Begin a command in a process of its own, with clocks that stand still, and return its number."""
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        code = 70
        try:
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(os.open(folder.parent / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
            os.chdir(folder)
            still()
            if moment:
                lie_in_wait(moment, count)
            run()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        except BrittleError as error:
            sys.stderr.write(f"refused: {error}\n")
            code = 2
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return process


def unreadable(folder: Path) -> list[str]:
    """Return the files that are there under their name and cannot be read."""
    found: list[str] = []
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.name.startswith("."):
            continue
        try:
            read(path)
        except Exception as error:
            found.append(f"{path.name}: {error}")
    return found


def read(path: Path) -> None:
    """Read a file whole, by its ending."""
    if path.suffix == ".png":
        with Image.open(path) as picture:
            picture.load()
    elif path.suffix == ".parquet":
        pq.read_table(path, page_checksum_verification=True)
    elif path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix == ".html":
        assert path.read_text().rstrip().endswith("</html>"), "the page does not end"
    elif path.suffix == ".safetensors" or path.name == "checkpoint":
        with safe_open(path, "pt") as file:
            [file.get_tensor(name) for name in file.keys()]  # noqa: SIM118
    else:
        assert path.read_bytes(), "an empty file"


def content(folder: Path) -> dict[str, bytes]:
    """Return every file by its name, hidden ones too, without what says that a run was interrupted."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    for name, kept in found.items():
        if name.endswith("manifest.json"):
            found[name] = json.dumps({**json.loads(kept), "notes": [], "checksum": ""}).encode()
        elif name.endswith("study.json"):
            told = json.loads(kept)
            found[name] = json.dumps({**told, "computed": 0, "reused": 0}).encode()
        elif name.endswith(("run/report.html", "study.html")):
            found[name] = b"" if kept.rstrip().endswith(b"</html>") else kept
    return found


def trials(name: str, kills: int, root: Path, draw: random.Random) -> Counter[str]:
    """Kill a command so often, and count what is wrong afterwards."""
    run, seen = COMMANDS[name], Counter[str]()
    right, began = root / name / "right", time.monotonic()
    right.mkdir(parents=True)
    code = child(run, right)
    if code != 0:
        raise SystemExit(f"{name} ends with {code}: {(root / name / 'said').read_text()[-2000:]}")
    lasts, wanted = time.monotonic() - began, content(right)
    moments = itertools.cycle(("half", "fsync", "replace", "after replace", "after unlink"))
    for trial in itertools.count():
        if seen["kills"] >= kills:
            break
        folder = root / name / str(trial)
        folder.mkdir()
        while seen["kills"] < kills:
            if draw.random() < 0.5:
                how: dict[str, float | int | str] = {"seconds": draw.uniform(0.02, lasts / 2)}
            else:
                how = {"moment": next(moments), "count": draw.randint(1, max(2, len(wanted)))}
            code = child(run, folder, **how)  # pyright: ignore[reportArgumentType]
            seen["kills"] += code is None
            seen["in writing" if "moment" in how else "at random"] += code is None
            seen["refused"] += code not in (None, 0)
            bad = unreadable(folder)
            seen["unreadable"] += len(bad)
            for line in bad:
                print(f"  {name} {trial}: unreadable {line}")
            if code == 0 or seen["kills"] % A_TRIAL == 0:
                break
        seen["refused"] += child(run, folder) != 0
        seen += compared(f"{name} {trial}", content(folder), wanted)
        shutil.rmtree(folder)
    return seen


def compared(where: str, found: dict[str, bytes], wanted: dict[str, bytes]) -> Counter[str]:
    """Compare the files of a run that was killed with those of one that was not."""
    seen = Counter({"runs to the end": 1, "files compared": len(wanted)})
    for file in sorted({*found, *wanted}):
        if found.get(file) == wanted.get(file):
            continue
        what = "left over" if file not in wanted else "files that differ"
        seen[what] += 1
        print(f"  {where}: {what}: {file}")
    return seen


def main() -> None:
    """Kill what is asked for, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=COMMANDS, action="append", help="repeat for several; all by default")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    names, whole = asked.only or list(COMMANDS), Counter[str]()
    with tempfile.TemporaryDirectory() as root:
        for number, name in enumerate(names):
            fraction = asked.kills * (number + 1) // len(names) - asked.kills * number // len(names)
            seen = trials(name, fraction, Path(root), random.Random(f"{asked.seed} {name}"))
            print(f"{name:10} {dict(seen)}", flush=True)
            whole += seen
    named = ("kills", "files that differ", "left over", "unreadable", "refused")
    print("in all     " + ", ".join(f"{what}: {whole[what]}" for what in named))
    sys.exit(any(whole[what] for what in named[1:]))


if __name__ == "__main__":
    main()
