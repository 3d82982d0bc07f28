"""Which code determines a result: brittle's own files, and the user's modules that a network is made of."""

import ast
import hashlib
import site
import sys
import sysconfig
from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
"""The folder of brittle itself."""
SHOWS = ("report/", "terminal.py", "bars.py", "output.py", "listing.py", "cli/", "__main__.py", "pytest_plugin.py")
"""Beginnings of files of brittle that only show what was found: nothing that computes may import them."""
COMPILED = ("torchinductor_", ".triton")
"""Beginnings of folders in which compilers keep the code that they make."""
_loaded: dict[str, tuple[object, str]] = {}
"""By name of a module: its spec, which is another one after a reload, and the digest of its file when first seen."""
_brought: dict[str, set[str]] = {}
"""By name of a module that brittle ran: the user's modules that came with it."""


@cache
def own_digest() -> str:
    """Return the SHA-256 of brittle's own source files, all but those that only show results; read once a process."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(SHOWS):
            digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


@cache
def _environment() -> tuple[str, ...]:
    """Folders of the standard library, of installed packages and of installed programs."""
    names = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    folders = [sysconfig.get_path(name) for name in names]
    folders += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple(str(Path(folder).resolve()) + "/" for folder in folders if folder)


@cache
def _outside(file: str) -> bool:
    path = Path(file).resolve()
    if {"site-packages", "dist-packages"} & set(path.parts) or path.is_relative_to(PACKAGE):
        return False
    if any(part.startswith(COMPILED) for part in path.parts):
        return False
    return not str(path).startswith(_environment())


def _file(module: object) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file) if isinstance(file, str) else None


def is_users(name: str) -> bool:
    """Say whether a module is neither of the standard library nor of an installed package nor of brittle.

    A module without a file, such as that of a notebook, or one that nobody knows any more, counts as the user's.

    Example:
        >>> is_users("torch.nn"), is_users("json"), is_users("brittle"), is_users("nobody.knows.it")
        (False, False, False, True)
    """
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return False
    root = sys.modules.get(top)
    file = _file(root)
    if file is None and root is not None:
        file = next((Path(place) / "__init__.py" for place in getattr(root, "__path__", ())), None)
    if file is None:
        return True
    return _outside(str(file)) or (top == "__main__" and not file.exists())


def shown_name(name: str) -> str:
    """Return how the file of a module is called in messages, wherever its folder lies.

    Example:
        >>> shown_name("project.layers")
        'project/layers.py'
    """
    file = _file(sys.modules.get(name))
    if file is None:
        return f"{name.replace('.', '/')}.py"
    if name == "__main__" or file.stem != name.rpartition(".")[2]:
        package = name.replace(".", "/") + "/" if file.name == "__init__.py" else ""
        return package + file.name
    return name.replace(".", "/") + file.suffix


def digest_of_module(name: str) -> str | None:
    """Return the SHA-256 of the file of a loaded module as it was when it was first seen; None where it has none."""
    module = sys.modules.get(name)
    file = _file(module)
    if file is None:
        return None
    spec = getattr(module, "__spec__", None) or module
    known = _loaded.get(name)
    if known is not None and known[0] is spec:
        return known[1]
    found = digest_of_file(file)
    if found is not None:
        _loaded[name] = spec, found
    return found


def digest_of_file(path: Path) -> str | None:
    """Return the SHA-256 of a file in hexadecimal; None where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def edited(names: Iterable[str]) -> list[str]:
    """Return those of the loaded modules whose file is another one than when it was first seen."""
    return [
        name
        for name in names
        if (file := _file(sys.modules.get(name))) and digest_of_file(file) != digest_of_module(name)
    ]


def users_modules() -> set[str]:
    """Return the names of all loaded modules of the user's that lie in a file."""
    by_top: dict[str, list[str]] = {}
    for name in list(sys.modules):
        by_top.setdefault(name.partition(".")[0], []).append(name)
    found = [name for top, names in by_top.items() if is_users(top) for name in names]
    return {name for name in found if isinstance(getattr(sys.modules.get(name), "__file__", None), str)}


@contextmanager
def noting(root: str) -> Generator[None]:
    """Note which of the user's modules are loaded within the block, as belonging to a module that is run in it.

    Those that came with it before are loaded anew where one of them was edited meanwhile. No bytecode is written, which
    Python would take for that of a file edited within the same second.

    Args:
        root: name of that module.
    """
    mine = _brought.setdefault(root, set())
    if edited(mine):
        for name in mine:
            sys.modules.pop(name, None)
        mine.clear()
    before, writes = users_modules(), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes
        attribute([root], before)


def attribute(roots: Iterable[str], before: Collection[str]) -> None:
    """Count all of the user's modules that were loaded since as belonging to some others, whose code loaded them.

    Args:
        roots: names of those others.
        before: `users_modules` then.
    """
    roots = list(roots)
    new = users_modules() - {*before} if roots else set[str]()
    for root in roots:
        _brought.setdefault(root, set()).update(new - {root})
        for name in (root, *_brought[root]):
            digest_of_module(name)


def files_behind(roots: Iterable[str]) -> dict[Path, tuple[str, str]]:
    """Return the user's files that some modules are made of: their own and those of all that they import.

    Args:
        roots: names of loaded modules; those of installed packages and of brittle do not count.

    Returns:
        By path, how messages call the file, and its digest.
    """
    found: set[str] = set()
    files: dict[Path, tuple[str, str]] = {}
    waiting = [name for root in roots for name in (root, *_brought.get(root, ()))]
    while waiting:
        name = waiting.pop()
        if name in found or name not in sys.modules or not is_users(name):
            continue
        found.add(name)
        waiting += [".".join(name.split(".")[:depth]) for depth in range(1, name.count(".") + 1)]
        waiting += _imported(name)
        file, digest = _file(sys.modules[name]), digest_of_module(name)
        if file is not None and digest is not None:
            files[file.resolve()] = shown_name(name), digest
    return files


def code_behind(roots: Iterable[str]) -> dict[str, str]:
    """Return the digests of `files_behind` by the names that messages show; files of one name share a digest."""
    by_name: dict[str, list[str]] = {}
    for shown, digest in files_behind(roots).values():
        by_name.setdefault(shown, []).append(digest)
    return {shown: _joined(digests) for shown, digests in sorted(by_name.items())}


def _joined(digests: list[str]) -> str:
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()


def _imported(name: str) -> set[str]:
    """Names of loaded modules that a module imports, inside functions too, or whose objects it holds."""
    module = sys.modules[name]
    found: set[str] = set()
    for value in list(vars(module).values()):
        origin = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        own = isinstance(value, ModuleType) and str(origin).startswith(f"{name}.")  # a package holds all its parts
        if isinstance(origin, str) and not own:
            found.add(origin)
    file = _file(module)
    if file is not None and file.suffix == ".py":
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        found |= _statements(str(file), digest_of_module(name) or "", package)
    return {one for one in found if one in sys.modules}


@cache
def _statements(file: str, digest: str, package: str) -> frozenset[str]:
    """Names that the import statements of a file may load; cached by its digest."""
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of installed packages whose modules are loaded, as far as they tell them."""
    found: dict[str, str] = {}
    for name in sorted({package.partition(".")[0] for package in packages}):
        stated: Any = getattr(sys.modules.get(name), "__version__", None) or _installed(name)
        if isinstance(stated, str) and name not in sys.stdlib_module_names and name != "brittle":
            found[name] = stated
    return found


def _installed(package: str) -> str | None:
    """The version that a package was installed as, where it bears the name of its module."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def changed_files(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Say in words how two sets of files differ, such as "net.py was changed, old.py is gone"; "" where they do not.

    Example:
        >>> changed_files({"net.py": "a", "old.py": "b"}, {"net.py": "c", "own.py": "d"})
        'net.py was changed, old.py is gone, own.py is new'
    """
    said: list[str] = []
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            how = "is new" if name not in before else "is gone" if name not in after else "was changed"
            said.append(f"{name} {how}")
    return ", ".join(said)
