"""The folders of tests follow the package: each names a part of it, and every part is imported by a test."""

import ast
from collections import Counter
from pathlib import Path

import pytest

import brittle

TESTS = Path(__file__).parent
SOURCE = Path(brittle.__file__).parent
KINDS = {
    "benchmarks": "the folder beside src",
    "cuda": "what needs a GPU",
    "contract": "what every attack, threat, ... keeps",
    "docs": "the pages and their promises",
    "foreign": "networks and files as people have them",
    "plugin": "a package as others make it, which the tests install",
    "mutation": "random changes of the sources; not run with the others",
    "untrusted": "mutated files of strangers",
}
"""Folders that are named after a kind of test and not after a part of the package."""


def parts(folder: Path) -> set[str]:
    """The packages and modules of a folder, by name."""
    inner = {one.name for one in folder.iterdir() if (one / "__init__.py").exists()}
    return inner | {one.stem for one in folder.glob("*.py")} - {"__init__"}


def folders(root: Path) -> list[str]:
    """The folders that hold files, by their way from the root."""
    return sorted({str(file.parent.relative_to(root)) for file in root.rglob("*.py") if file.parent != root})


def astray(named: list[str], source: Path) -> list[str]:
    """The folders of tests that name no part of the package and no kind."""
    found = []
    for name in named:
        first, *rest = name.split("/")
        if first not in KINDS and (first not in parts(source) or (rest and not (source / name).exists())):
            found.append(name)
    return found


def imported(text: str) -> set[str]:
    """The parts of brittle that a file of tests imports."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module == "brittle":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("brittle."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("brittle.")}
    return found


def clashes(files: list[Path]) -> list[str]:
    """Names of files in folders that are no packages, which Python would take for one another."""
    counted = Counter(file.name for file in files if not (file.parent / "__init__.py").exists())
    return sorted(name for name, times in counted.items() if times > 1 and name not in ("__init__.py", "conftest.py"))


def test_every_folder_of_tests_names_a_part_or_a_kind():
    assert astray(folders(TESTS), SOURCE) == []
    assert {name.split("/")[0] for name in folders(TESTS)} >= set(KINDS)


def test_every_package_is_imported_by_a_test():
    unseen = {one.name for one in SOURCE.iterdir() if (one / "__init__.py").exists()}
    for file in TESTS.rglob("test_*.py"):
        unseen -= imported(file.read_text()) if unseen else set()
    assert unseen == set()


def test_no_two_files_are_taken_for_one_another():
    assert clashes(sorted(TESTS.rglob("*.py"))) == []


@pytest.mark.parametrize("name", ["misc", "core/nothing", "metrics/estimate/deeper"])
def test_a_folder_astray_is_noticed(name: str):
    assert astray([name, "contract", "core"], SOURCE) == [name]


def test_a_clash_is_noticed(tmp_path: Path):
    files = [tmp_path / "one" / "test_x.py", tmp_path / "two" / "test_x.py", tmp_path / "two" / "test_y.py"]
    assert clashes(files) == ["test_x.py"]


def test_imports_are_read_in_every_form():
    lines = (
        "import brittle, os",
        "import brittle.core.run",
        "from brittle import metrics",
        "from brittle.data.open import x",
    )
    assert imported("\n".join(lines)) == {"core", "metrics", "data"}
