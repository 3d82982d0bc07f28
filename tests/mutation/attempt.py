"""Try mutants: run the tests that reach the changed lines, and say which mutants no test notices.

    python tests/mutation/attempt.py .cache/mutation/sample.json --lines .cache/mutation --out .cache/mutation/result.json

torch and all other libraries are loaded once; a process is split off for each mutant and loads brittle from the changed
source, which never touches the disk. The tests named after the mutant's module come first, one of each function before
its other parameters, quick ones before slow ones, until one fails or `--budget` seconds of them have been run. A mutant
that hangs, takes more than the memory given or kills its process is killed. Mutants that are in the result file already
are not tried again.
"""

import argparse
import ast
import contextlib
import importlib.abc
import importlib.machinery
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import coverage

SLOW_AT_LEAST = 0.002
"""Seconds that a test counts for, however quick it is."""


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from the source given."""

    def __init__(self, name: str, path: str, source: str):
        self.name, self.path, self.source = name, path, source

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self.name:
            return None
        home = [str(Path(self.path).parent)] if self.path.endswith("__init__.py") else None
        found = importlib.machinery.ModuleSpec(fullname, self, origin=self.path, is_package=home is not None)
        found.submodule_search_locations = home
        found.has_location = True
        return found

    def exec_module(self, module):
        exec(compile(self.source, self.path, "exec"), module.__dict__)


class Only:
    """Keeps the tests named, in that order, and notes the first that fails."""

    def __init__(self, names: list[str]):
        self.place = {name: place for place, name in enumerate(names)}
        self.failed, self.ran = "", 0

    def pytest_collection_modifyitems(self, items) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self.place), key=lambda item: self.place[item.nodeid]
        )

    def pytest_runtest_logreport(self, report) -> None:
        self.ran += report.when == "call"
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report) -> None:
        if report.failed and not self.failed:
            self.failed = f"{report.nodeid} (not even collected)"


class Reach:
    """Which tests reach which lines."""

    def __init__(self, folder: Path):
        self.lines = coverage.CoverageData(str(folder / "lines"))
        self.lines.read()
        self.seconds: dict[str, float] = json.loads((folder / "seconds.json").read_text())

    def tests(self, file: str, first: int, last: int) -> list[str]:
        """Return the tests that run the statement of these lines, or its class or module where it stands outside functions."""
        contexts = self.lines.contexts_by_lineno(str(Path(file).absolute()))
        wanted = scope(ast.parse(Path(file).read_text()), first, last)
        names = {name.split("|")[0] for line in wanted for name in contexts.get(line, ()) if name}
        return ordered([name for name in names if name in self.seconds], self.seconds, Path(file).stem)


def scope(tree: ast.Module, first: int, last: int) -> range:
    """Return the lines of the smallest statement around these; of its class or of the module outside functions."""
    around: list[ast.AST] = [tree]
    while inner := [node for node in _statements(around[-1]) if node.lineno <= first and last <= node.end_lineno]:
        around.append(inner[0])
    functions = [node for node in around if isinstance(node, ast.FunctionDef)]
    if functions:
        node = around[-1]
        body = getattr(node, "body", None)
        if node is functions[-1]:  # a default of a parameter
            return range(node.body[0].lineno, node.end_lineno + 1)
        return range(node.lineno, (body[0].lineno if body else node.end_lineno + 1))
    classes = [node for node in around if isinstance(node, ast.ClassDef)]
    return range(classes[-1].lineno, classes[-1].end_lineno + 1) if classes else range(1, last_line(tree) + 1)


def last_line(tree: ast.Module) -> int:
    return max((node.end_lineno for node in tree.body), default=1)


def _statements(node: ast.AST) -> list[ast.stmt]:
    found = []
    for child in ast.iter_child_nodes(node):
        found += [child] if isinstance(child, ast.stmt) else []
        found += _statements(child) if isinstance(child, ast.ExceptHandler | ast.match_case) else []
    return found


def ordered(names: list[str], seconds: dict[str, float], stem: str) -> list[str]:
    """Put the module's own tests first, one of each function before its other parameters, quick ones first."""
    by_function = defaultdict(list)
    for name in sorted(names, key=lambda name: (seconds[name], name)):
        by_function[name.split("[")[0]].append(name)
    key = {
        name: (turn, stem not in function.split("::")[0], seconds[name])
        for function, all_ in by_function.items()
        for turn, name in enumerate(all_)
    }
    own = [name for name in names if key[name][1] is False]
    first = set(sorted(own, key=key.__getitem__)[:200])
    return sorted(names, key=lambda name: (name not in first, *key[name]))


def within(names: list[str], seconds: dict[str, float], budget: float) -> list[str]:
    """Return the first tests that together take no more than `budget` seconds, and at least one."""
    kept, spent = [], 0.0
    for name in names:
        spent += max(seconds[name], SLOW_AT_LEAST)
        if kept and spent > budget:
            break
        kept.append(name)
    return kept


def module_of(file: str) -> str:
    parts = Path(file).with_suffix("").parts
    parts = parts[parts.index("src") + 1 :]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def child(mutant: dict, names: list[str], memory: float, answer: int) -> None:
    """In a process of its own: load the changed module, run the tests, write down the first that failed."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if memory else 0
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (now + int(memory * 2**30),) * 2)
    sys.meta_path.insert(0, Mutated(module_of(mutant["file"]), str(Path(mutant["file"]).absolute()), mutant["source"]))
    import pytest

    only = Only(names)
    files = list(dict.fromkeys(name.split("::")[0] for name in names))
    code = pytest.main(["-q", "-x", "-n", "0", "-p", "no:cacheprovider", "-p", "no:randomly", *files], plugins=[only])
    os.write(answer, json.dumps([int(code), only.failed, only.ran]).encode())


def attempt(mutant: dict, names: list[str], limit: float, memory: float) -> dict:
    """Return what became of one mutant."""
    ahead, behind = os.pipe()
    began = time.monotonic()
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            os.setsid()
            child(mutant, names, memory, behind)
        os._exit(0)
    os.close(behind)
    ended = False
    while not ended and time.monotonic() - began < limit:
        ended = os.waitpid(pid, os.WNOHANG)[0] == pid
        time.sleep(0 if ended else 0.02)
    if not ended:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    with os.fdopen(ahead) as told:
        text = told.read() if ended else ""
    code, failed, ran = json.loads(text) if text else (-1, "no answer" if ended else "no end", 0)
    # pytest: 0 all passed, 1 some failed, 2 interrupted by an error of collection, 4 and 5 nothing to run
    return {"alive": code == 0, "by": failed, "code": code, "ran": ran, "took": round(time.monotonic() - began, 2)}


def preload() -> None:
    """Load whatever brittle and pytest load, but not brittle."""
    ask = "import sys, brittle, brittle.cli, pytest; print('\\n'.join(sys.modules))"
    names = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    for name in [*names, "hypothesis", "beartype", "xdist", "pytest_cov"]:
        if not name.startswith(("brittle", "__main")):
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    assert "brittle" not in sys.modules


def summary(rows: list[dict]) -> str:
    """Return the counts as one line."""
    alive = [row for row in rows if row["alive"]]
    silent = sum(not row["ran"] for row in alive)
    return f"{len(rows)} tried, {len(rows) - len(alive)} killed, {len(alive)} alive ({silent} reached by no test)"


def difference(row: dict) -> str:
    """Return the change of one mutant as lines of a diff."""
    old, new = Path(row["file"]).read_text().splitlines(), row["source"].splitlines()
    start = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    back = next((i for i, (a, b) in enumerate(zip(old[::-1], new[::-1], strict=False)) if a != b), 0)
    removed, added = old[start : max(len(old) - back, start + 1)], new[start : max(len(new) - back, start)]
    return "\n".join(
        [
            f"{row['file']}:{start + 1} {row['kind']}",
            *("- " + line for line in removed),
            *("+ " + line for line in added),
        ]
    )


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("sample", type=Path)
    words.add_argument("--lines", type=Path, default=Path(".cache/mutation"), help="the folder that measure.py wrote")
    words.add_argument("--out", type=Path, default=Path(".cache/mutation/result.json"))
    words.add_argument("--budget", type=float, default=20, help="seconds of tests a mutant, as measured")
    words.add_argument("--memory", type=float, default=8, help="GiB that a mutant may take; 0 for no limit")
    words.add_argument("--again", action="store_true", help="try those again that lived")
    words.add_argument("--show", action="store_true", help="only list those that live")
    given = words.parse_args()
    done: dict[str, dict] = json.loads(given.out.read_text()) if given.out.exists() else {}
    if given.show:
        print("\n\n".join(f"[{key}] {difference(row)}" for key, row in done.items() if row["alive"]))
        print(summary(list(done.values())))
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    reach, sample = Reach(given.lines), json.loads(given.sample.read_text())["mutants"]
    preload()
    for place, mutant in enumerate(sample):
        key = str(place)
        if key in done and not (given.again and done[key]["alive"]):
            continue
        names = within(reach.tests(mutant["file"], mutant["first"], mutant["last"]), reach.seconds, given.budget)
        limit = 30 + 5 * sum(reach.seconds[name] for name in names)
        found = (
            attempt(mutant, names, limit, given.memory)
            if names
            else {"alive": True, "by": "", "code": 5, "ran": 0, "took": 0}
        )
        done[key] = {**mutant, **found}
        given.out.write_text(json.dumps(done))
        print(
            place,
            "lives " if found["alive"] else "killed",
            mutant["file"],
            mutant["first"],
            found["took"],
            found["by"][:90],
            flush=True,
        )
    print(summary(list(done.values())))


if __name__ == "__main__":
    main()
