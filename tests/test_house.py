"""The rules of the house that no linter knows."""

import ast
from pathlib import Path

import pytest

import brittle

SOURCE = Path(brittle.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST = 300
CATCH_ALLS = {"util", "utils", "helper", "helpers", "misc", "common", "tools"}
SPEAK = {"output.py", "terminal.py"}
"""The command line and its terminal: nobody else writes to the screen."""


def by_name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", FILES, ids=by_name)
def test_files_are_short(path: Path):
    assert len(path.read_text().splitlines()) < LONGEST


def parsed(text: str, *words: str) -> ast.Module:
    """Return the syntax of a file in which one of some words stands; of others nothing, which is sooner."""
    return ast.parse(text if any(word in text for word in words) else "")


def speaking(text: str) -> list[int]:
    """Return the lines that write to the screen: print, or the standard streams."""
    found = []
    for node in ast.walk(parsed(text, "print", "std")):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "pprint"):
            found.append(node.lineno)
        if isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr") and isinstance(node.value, ast.Name):
            found += [node.lineno] if node.value.id == "sys" else []
    return found


@pytest.mark.parametrize("path", FILES, ids=by_name)
def test_only_the_command_line_speaks(path: Path):
    if by_name(path) not in SPEAK:
        assert speaking(path.read_text()) == []


def test_planted_speech_is_caught():
    assert speaking("import sys\nprint('x')\nsys.stderr.write('y')\n'print'\nconsole.print(1)") == [2, 3]


def test_no_catch_all_modules():
    parts = {part.removesuffix(".py") for path in FILES for part in path.relative_to(SOURCE).parts}
    assert not parts & CATCH_ALLS


def pickles(text: str) -> list[int]:
    """Return the lines that unpickle, or ask a library to."""
    found = []
    for node in ast.walk(parsed(text, "pickle", "load", *PICKLING)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [node.lineno] if {name.split(".")[0] for name in names} & PICKLING else []
            found += [node.lineno] if names == ["pickle"] and isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.Call):
            settings = {word.arg: ast.unparse(word.value) for word in node.keywords}
            called = ast.unparse(node.func)
            unsafe = called == "torch.load" and settings.get("weights_only") != "True"
            if unsafe or called in UNPICKLE or settings.get("allow_pickle", "False") != "False":
                found.append(node.lineno)
    return found


PICKLING = {"joblib", "dill", "cloudpickle"}
UNPICKLE = {"pickle.load", "pickle.loads", "pickle.Unpickler"}


@pytest.mark.parametrize("path", FILES, ids=by_name)
def test_no_pickle_is_ever_loaded(path: Path):
    assert pickles(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "pickle.loads(b)",
        "np.load(f, allow_pickle=True)",
        "import dill",
        "from pickle import loads",
    ],
)
def test_a_planted_pickle_is_caught(text: str):
    assert pickles(text) == [1]
    assert pickles("torch.load(f, weights_only=True)\nnp.load(f, allow_pickle=False)\nimport pickle") == []
