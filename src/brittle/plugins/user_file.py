"""Objects in the user's own Python files: `FILE.py:NAME`."""

import hashlib
import importlib.util
import os
import re
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from brittle.errors import BrittleError, InputError
from brittle.files import path_of
from brittle.identity.sources import digest_of_file, files_behind, noting
from brittle.near import files_like, or_said
from brittle.plugins.own_code import raised

FILE_AND_NAME = re.compile(r"(?P<path>.*\.py):(?P<name>[^\W\d]\w*)(?::(?P<rest>.*))?", re.DOTALL)
"""How an object in a file is written; what follows a second colon are its options."""
PREFIX = "brittle_file_"
"""Of the names of the modules that such files are run as; the rest is a digest of the path."""


def parts_of_spec(text: str) -> tuple[str, str] | None:
    """Split `FILE.py:NAME:REST` into the object and the rest; None where the text names no Python file.

    Example:
        >>> parts_of_spec("my.py:MyAttack:steps=3"), parts_of_spec("pgd:steps=3")
        (('my.py:MyAttack', 'steps=3'), None)
    """
    found = FILE_AND_NAME.fullmatch(text)
    return None if found is None else (f"{found['path']}:{found['name']}", found["rest"] or "")


def object_in(spec: str, what: str = "object", error: type[BrittleError] = InputError) -> object:
    """Return an object of a Python file, which is the user's program and is run as such.

    An unchanged file is run once a process, so that the same text always gives the same object.

    Args:
        spec: `FILE.py:NAME`.
        what: is expected, for messages, such as "attack".
        error: is raised.

    Raises:
        BrittleError: of that kind; no such file or name, or a file that cannot be run.
    """
    location, _, name = spec.rpartition(":")
    path = path_of(location)
    module = _unchanged(path)
    if module is None:
        with running(path, error, f"FILE.py:{what.upper()}") as module:
            pass
    return named_in(module, name, what, error)


def named_in(module: ModuleType, name: str, what: str, error: type[BrittleError]) -> object:
    """Return what a module calls by a name.

    Raises:
        BrittleError: of that kind; there is none, and the message lists those that the module defines.
    """
    if name in vars(module):
        return vars(module)[name]
    own = (key for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__)
    there = ", ".join(sorted(key for key in own if not key.startswith("_"))) or "none"
    raise error(f"{str(module.__file__)!r} has no {what} {name!r}; those it defines: {there}")


@contextmanager
def running(path: Path, error: type[BrittleError], form: str) -> Generator[ModuleType]:
    """Run a Python file as a module; within the block it can still import its neighbours.

    The modules that come with it are noted as belonging to it, see `brittle.identity.sources`.

    Args:
        path: the file.
        error: is raised.
        form: what to write, for messages, such as FILE.py:FACTORY.

    Raises:
        BrittleError: of that kind; no such file, or one that cannot be run.
    """
    if not path.is_file():
        near = or_said([str(one) for one in files_like(path) if one.suffix == ".py"])
        raise error(f"there is no file {str(path)!r}{near or f'; write PATH/{form}'}")
    origin = _name_of(path)
    with _importable(path.resolve().parent), noting(origin):
        yield _run(path, origin, error, form)


def files_run() -> list[Path]:
    """Return the user's files that were run in this process: values of their classes are known by them."""
    found = [module.__file__ for name, module in [*sys.modules.items()] if name.startswith(PREFIX)]
    return [Path(file) for file in found if file is not None]


def run_again(files: Sequence[Path]) -> None:
    """Run files of the user's that another process has run, so that values of their classes can come from there.

    Raises:
        InputError: one is not here, or cannot be run.
    """
    for path in files:
        if _unchanged(path) is None:
            with running(path, InputError, "FILE.py:NAME"):
                pass


def _name_of(path: Path) -> str:
    return f"{PREFIX}{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]}"


def _unchanged(path: Path) -> ModuleType | None:
    """The module of a file that was run before, where neither it nor what came with it was edited since."""
    module = sys.modules.get(_name_of(path))
    if module is None:
        return None
    files = files_behind([module.__name__])
    return module if all(digest_of_file(file) == digest for file, (_, digest) in files.items()) else None


def _run(path: Path, name: str, error: type[BrittleError], form: str) -> ModuleType:
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise error(f"{str(path)!r} is not a Python file; write PATH/{form}")
    module = importlib.util.module_from_spec(found)
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses and the like look their module up
    try:
        found.loader.exec_module(module)
    except (Exception, SystemExit) as failure:  # a program that ends itself would end brittle, and say that all is well
        sys.modules.pop(name)
        if before is not None:
            sys.modules[name] = before
        if isinstance(failure, BrittleError):
            raise
        raise error(
            f"{str(path)!r} cannot be run ({raised(failure)}); mend the file: it must define what {form} names, and "
            "end by itself"
        ) from failure
    return module


@contextmanager
def _importable(folder: Path) -> Generator[None]:
    """Let the user's file import its neighbours; the import path is then as before."""
    before = sys.path.copy()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before
