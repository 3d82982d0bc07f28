"""Try mutants: run the tests that reach the changed lines, and say which mutants no test notices.

    python tests/mutation/attempt.py .cache/mutation/sample.json --tests tests/core --out .cache/mutation/result.json

Everything is loaded once, and the tests are collected once; a process is split off for each mutant, in which the code
of the changed functions is exchanged. Where more than functions change, such as a constant or the default of a setting,
the process is split off before brittle is loaded, and loads it from the changed source. Nothing touches the disk.

The tests of the file named after the mutant's module come first, one of each function before its other parameters,
quick ones before slow ones, until one fails or `--budget` seconds of them have been run. A mutant that hangs, takes
more than the memory given or ends its process is killed. Mutants that are in the result file already are not tried
again.
"""

import argparse
import ast
import contextlib
import difflib
import gc
import hashlib
import importlib.abc
import importlib.machinery
import inspect
import json
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType

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

    def pytest_collection_modifyitems(self, items: list) -> None:
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

    def tests(self, mutant: dict, also: list[str]) -> list[str]:
        """Return the tests that run the statement of a mutant; outside functions, its class or module.

        What stands outside functions is read by tests that run none of its lines: those of the files `also` come first.
        """
        file, first, last = mutant["file"], mutant["first"], mutant["last"]
        contexts = self.lines.contexts_by_lineno(file)
        wanted = scope(ast.parse(Path(file).read_text()), first, last)
        names = {name.split("|")[0] for line in wanted for name in contexts.get(line, ()) if name}
        found = ordered([name for name in names if name in self.seconds], self.seconds, Path(file).stem)
        outside = changes(file, mutant["source"]) is None
        reading = [name for name in self.seconds if outside and name.split("::")[0] in also]
        return list(dict.fromkeys([*reading, *found]))


def scope(tree: ast.Module, first: int, last: int) -> range:
    """Return the lines of the smallest statement around these; of its class or of the module outside functions."""
    around: list[ast.AST] = [tree]
    while inner := [node for node in _statements(around[-1]) if node.lineno <= first and last <= node.end_lineno]:
        around.append(inner[0])
    functions = [node for node in around if isinstance(node, ast.FunctionDef)]
    if functions:
        node = around[-1]
        body = getattr(node, "body", None)
        if node is functions[-1]:  # the default of a parameter
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


def changes(file: str, source: str) -> dict[str, CodeType] | None:
    """Return the code of the outermost functions that a mutant changes, by name; None where more than these changes."""
    before, after = (compile(text, str(Path(file).absolute()), "exec") for text in (Path(file).read_text(), source))
    found: dict[str, CodeType] = {}
    return found if _compared(before, after, found) else None


def _compared(before: CodeType, after: CodeType, found: dict[str, CodeType]) -> bool:
    inner = [[one for one in code.co_consts if isinstance(one, CodeType)] for code in (before, after)]
    rest = [[repr(one) for one in code.co_consts if not isinstance(one, CodeType)] for code in (before, after)]
    same = [(code.co_code, code.co_names, code.co_freevars) for code in (before, after)]
    if same[0] != same[1] or rest[0] != rest[1] or len(inner[0]) != len(inner[1]):
        return False
    for old, new in zip(*inner, strict=True):
        if old == new:
            continue
        if not old.co_flags & inspect.CO_OPTIMIZED:  # the body of a class
            if not _compared(old, new, found):
                return False
        elif (old.co_qualname, old.co_freevars, old.co_argcount) != (new.co_qualname, new.co_freevars, new.co_argcount):
            return False
        else:
            found[old.co_qualname] = new
    return True


def exchange(file: str, codes: dict[str, CodeType]) -> bool:
    """Give all functions of a file that have these names their new code; say whether all were found."""
    path, met = str(Path(file).absolute()), set()
    for one in gc.get_objects():
        if type(one) is FunctionType and one.__code__.co_filename == path and one.__code__.co_qualname in codes:
            met.add(one.__code__.co_qualname)
            one.__code__ = codes[one.__code__.co_qualname]
    return met == set(codes)


class Apart:
    """Split off a process for some work, and wait for what it says, for so many seconds."""

    def __init__(self, limit: float, memory: float):
        self.limit, self.memory = limit, memory

    def __call__(self, work: Callable[[], list]) -> list:
        ahead, behind = os.pipe()
        began = time.monotonic()
        pid = os.fork()
        if not pid:
            try:
                os.setsid()
                self.hush()
                told = work()
            except BaseException:
                told = [-3, traceback.format_exc(), 0]
            os.write(behind, json.dumps(told).encode())
            os._exit(0)
        os.close(behind)
        ended = False
        while not ended and time.monotonic() - began < self.limit:
            ended = os.waitpid(pid, os.WNOHANG)[0] == pid
            time.sleep(0 if ended else 0.02)
        if not ended:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        with os.fdopen(ahead) as told:
            text = told.read() if ended else ""
        return json.loads(text) if text else [-1, "it ended its process" if ended else "it did not end", 0]

    def hush(self) -> None:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        if self.memory:
            now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (now + int(self.memory * 2**30),) * 2)


ALREADY = "ignore::pytest.PytestAssertRewriteWarning"
OPTIONS = ["-q", "-x", "-n", "0", "-p", "no:cacheprovider", "-W", ALREADY]


def fresh(mutant: dict, names: list[str]) -> list:
    """Load brittle with the changed module, and run the tests."""
    sys.meta_path.insert(0, Mutated(module_of(mutant["file"]), str(Path(mutant["file"]).absolute()), mutant["source"]))
    import pytest

    only = Only(names)
    files = list(dict.fromkeys(name.split("::")[0] for name in names))
    return [int(pytest.main([*OPTIONS, *files], plugins=[only])), only.failed, only.ran]


class Session:
    """Tries all mutants of functions within one session of pytest, which has collected all tests."""

    def __init__(self, jobs: list[tuple[str, dict, list[str]]], report: Callable[[str, list, float], None], options):
        self.jobs, self.report, self.options = jobs, report, options

    def pytest_runtestloop(self, session) -> bool:
        items = {item.nodeid: item for item in session.items}
        gc.freeze()
        for key, mutant, names in self.jobs:
            began = time.monotonic()
            apart = Apart(limit_of(names, self.options), self.options.memory)
            told = apart(lambda mutant=mutant, names=names: self.once(session, mutant, [items[n] for n in names]))
            self.report(key, told, time.monotonic() - began)
        return True

    def once(self, session, mutant: dict, items: list) -> list:
        terminal = session.config.pluginmanager.getplugin("terminalreporter")
        terminal._tw._file = Path(os.devnull).open("w")  # noqa: SIM115  # as long as the process
        gc.unfreeze()
        if not exchange(mutant["file"], changes(mutant["file"], mutant["source"]) or {}):
            return [-2, "a function of that name was not found", 0]
        only = Only([])
        session.config.pluginmanager.register(only)
        for place, item in enumerate(items):
            following = items[place + 1] if place + 1 < len(items) else None
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if only.failed:
                return [1, only.failed, only.ran]
        return [0, "", only.ran]


def limit_of(names: list[str], options) -> float:
    return 120 + 20 * sum(options.seconds[name] for name in names)


def preload() -> None:
    """Load whatever brittle and pytest load, but not brittle."""
    ask = "import sys, brittle, brittle.cli, pytest; print('\\n'.join(sys.modules))"
    names = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    for name in names:
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
    lines = difflib.unified_diff(
        Path(row["file"]).read_text().splitlines(), row["source"].splitlines(), n=0, lineterm=""
    )
    changed = [line for line in lines if line[:1] in "+-" and line[:3] not in ("---", "+++")]
    return "\n".join([f"{row['file']}:{row['first']} {row['kind']}", *changed])


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("sample", type=Path, help="what sample.py wrote")
    words.add_argument("--lines", type=Path, default=Path(".cache/mutation"), help="the folder that measure.py wrote")
    words.add_argument("--out", type=Path, default=Path(".cache/mutation/result.json"))
    words.add_argument("--also", nargs="*", default=[], help="files of tests that read settings and constants")
    words.add_argument("--budget", type=float, default=20, help="seconds of tests a mutant, as measured")
    words.add_argument("--memory", type=float, default=8, help="GiB that a mutant may take; 0 for no limit")
    words.add_argument("--again", action="store_true", help="try those again that lived")
    words.add_argument("--fresh", action="store_true", help="load brittle anew for every mutant")
    words.add_argument("--show", action="store_true", help="only list those that live")
    given = words.parse_args()
    sample = {name_of(one): one for one in json.loads(given.sample.read_text())["mutants"]}
    done: dict[str, dict] = json.loads(given.out.read_text()) if given.out.exists() else {}
    if given.show:
        alive = [key for key in sample if key in done and done[key]["alive"]]
        print("\n\n".join(f"[{key}] {difference(sample[key])}" for key in alive))
    else:
        attempt(sample, done, given)
        done = json.loads(given.out.read_text())
    print(summary([done[key] for key in sample if key in done]))


def name_of(mutant: dict) -> str:
    """Return a short name that is the same for the same change."""
    return hashlib.sha256((mutant["file"] + mutant["source"]).encode()).hexdigest()[:10]


def attempt(sample: dict[str, dict], done: dict[str, dict], options) -> None:
    """Try what has not been tried, functions first."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    reach = Reach(options.lines)
    options.seconds = reach.seconds

    def report(key: str, told: list, took: float) -> None:
        code, failed, ran = told
        if code == -3:
            raise RuntimeError(f"mutant {key}: {failed}")
        if code == -2:
            return
        alive = code == 0 or not (failed or ran)
        done[key] = {"alive": alive, "by": failed, "ran": ran, "took": round(took, 2)}
        options.out.write_text(json.dumps(done))
        mutant, word = sample[key], "lives " if alive else "killed"
        print(key, word, f"{mutant['file']}:{mutant['first']}", f"{took:.1f}", failed[:100], file=screen, flush=True)

    screen = os.fdopen(os.dup(1), "w")
    jobs = []
    for key, mutant in sample.items():
        if key in done and not (options.again and done[key]["alive"]):
            continue
        names = within(reach.tests(mutant, options.also), reach.seconds, options.budget)
        if names:
            jobs.append((key, mutant, names))
        else:
            report(key, [0, "", 0], 0)
    preload()
    inside = [] if options.fresh else [job for job in jobs if changes(job[1]["file"], job[1]["source"]) is not None]
    if inside:
        in_one_session(inside, report, options)
        done.update(json.loads(options.out.read_text()))
    tried = set() if options.fresh else {key for key, _, _ in inside if key in done}
    for key, mutant, names in jobs:
        if key in tried and not (options.again and done[key]["alive"]):
            continue
        began = time.monotonic()
        apart = Apart(limit_of(names, options), options.memory)
        report(key, apart(lambda mutant=mutant, names=names: fresh(mutant, names)), time.monotonic() - began)


def in_one_session(jobs: list, report: Callable[[str, list, float], None], options) -> None:
    """Split off the session that loads brittle once for all mutants of functions, and wait for it."""
    pid = os.fork()
    if not pid:
        import pytest

        files = sorted({name.split("::")[0] for _, _, names in jobs for name in names})
        code = 1
        try:
            code = int(pytest.main([*OPTIONS, *files], plugins=[Session(jobs, report, options)]))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
