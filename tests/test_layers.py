"""Who may import whom: a walk over every import of src/brittle, those inside functions included."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import brittle

SOURCE = Path(brittle.__file__).parent
LAYERS = [
    {"addresses", "names", "older_names", "public", "tolerance", "words"},
    {"types", "errors", "version"},
    {"near"},
    {"limits"},
    {"reading"},
    {"thrift"},
    {"parquet_directory"},
    {"parquet_pages"},
    {"files", "identity", "arguments"},
    {"plugins", "tabular"},
    {"processes"},
    {"remote"},
    {"maths"},
    {"pictures", "matrix_picture"},
    {"notebook"},
    {"base"},
    {"threats", "classifiers", "endpoint"},
    {"metrics"},
    {"runs"},
    {"core"},
    {"attacks", "dense", "universal_attacks", "blackbox", "training", "physical", "data", "models"},
    {"defences", "compat"},
    {"registry"},
    {"health", "engine"},
    {"specs"},
    {"evaluation"},
    {"studies"},
    {"report", "listing"},
    {"sentences"},
    {"bars", "output", "endings", "tables"},
    {"terminal"},
    {"cli", "pytest_plugin"},
    {"__main__"},
    {"__init__"},
]
"""From the ground up: a part imports from lower layers alone, so that parts of one layer do not import each other."""
HEIGHT = {part: height for height, layer in enumerate(LAYERS) for part in layer}
REPORT_READS = (
    "brittle.errors", "brittle.version", "brittle.metrics", "brittle.studies.bench.study",
    "brittle.studies.bench.result", "brittle.studies.bench.comparison", "brittle.studies.bench.overview",
    "brittle.studies.bench.tables", "brittle.studies.bench.drawing", "brittle.studies.bench.kept",

    "brittle.names", "brittle.words",  # shows a name as text, counts in words
    "brittle.tolerance", "brittle.arguments.numbers",  # a number, and how it is written
    "brittle.pictures",  # draws what it is given
    "brittle.reading", "brittle.parquet_pages", "brittle.limits",  # opens a file that somebody else may have made
    "brittle.parquet_directory", "brittle.thrift",
    "brittle.files",  # writes a file in one go, and runs nothing
    "brittle.threats",  # says how a change is named and measured, and runs nothing
    "brittle.runs",  # the record
    "brittle.remote", "brittle.addresses",  # where it lies
    "brittle.identity.compare",  # a fingerprint
)  # fmt: skip
"""What a report may look at: run folders, figures and tables, nothing that runs a network."""
WITHOUT_TORCH = ("metrics", "remote", "report", "pictures", "notebook", "tabular")


def imported(tree: ast.AST, path: Path) -> Iterator[str]:
    """Yield the full name of every module that a file imports."""
    package = ("brittle", *path.relative_to(SOURCE).parts[:-1])
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                module = ".".join((*package[: len(package) - node.level + 1], *([module] if module else [])))
            if module == "brittle" or (module.startswith("brittle.") and is_package(module)):
                yield from (named(module, alias.name) for alias in node.names)
            else:
                yield module


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield every statement, also those within others, and no expression."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for inner in getattr(node, name, ()):
            yield inner
            yield from statements(inner)


def is_package(module: str) -> bool:
    return SOURCE.parent.joinpath(*module.split(".")).is_dir()


def named(module: str, name: str) -> str:
    """Say what `from module import name` reaches: a submodule, or what the package itself exports."""
    folder = SOURCE.parent.joinpath(*module.split("."))
    return f"{module}.{name}" if (folder / name).is_dir() or (folder / f"{name}.py").exists() else module


def part_of(module: str) -> str:
    """`brittle.core.run` belongs to `core`; the package itself, with its public names, stands above all."""
    return [*module.split("."), "__init__"][1]


def violations(path: Path, text: str) -> list[str]:
    """Return a line for every import that goes up or sideways."""
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    found = []
    for module in imported(ast.parse(text), path):
        if module.split(".")[0] != "brittle":
            if own in WITHOUT_TORCH and module.split(".")[0] == "torch":
                found.append(f"{own} must not import torch")
        elif part_of(module) != own and HEIGHT[part_of(module)] >= HEIGHT[own]:
            found.append(f"{own} must not import {module}")
        elif own == "report" and not module.startswith((*REPORT_READS, "brittle.report")):
            found.append(f"report must not import {module}: it reads run folders alone")
    return found


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down(path: Path):
    assert violations(path, path.read_text()) == []


def test_every_part_has_its_layer():
    parts = {path.relative_to(SOURCE).parts[0].removesuffix(".py") for path in FILES}
    assert parts <= set(HEIGHT)


@pytest.mark.parametrize(
    ("file", "text", "culprit"),
    [
        ("core/run.py", "from brittle.attacks.pgd import PGD", "brittle.attacks.pgd"),
        ("core/run.py", "def f():\n    import brittle.attacks.pgd", "brittle.attacks.pgd"),
        ("maths/norms.py", "from brittle.base.rows import Rows", "brittle.base.rows"),
        ("base/seeds.py", "from brittle.threats import Lp", "brittle.threats"),
        ("threats/flow.py", "from brittle.core.quantize import settle_on", "brittle.core.quantize"),
        ("threats/flow.py", "from brittle.classifiers.classifier import Classifier", "brittle.classifiers.classifier"),
        ("attacks/pgd.py", "from brittle.data import open_source", "brittle.data"),
        ("attacks/pgd.py", "from brittle import Lp", "brittle"),
        ("attacks/pgd.py", "import brittle", "brittle"),
        ("attacks/pgd.py", "from ..data import source", "brittle.data.source"),
        ("attacks/pgd.py", "from .. import data", "brittle.data"),
        ("metrics/rates.py", "from brittle.models.network import Network", "brittle.models.network"),
        ("metrics/rates.py", "import torch", "torch"),
        ("report/page.py", "from torch import nn", "torch"),
        ("report/page.py", "from brittle.core.run import run", "brittle.core.run"),
        ("report/page.py", "from brittle import core", "brittle.core"),
        ("report/page.py", "from brittle.evaluation import audit", "brittle.evaluation.audit"),
        ("evaluation/audit.py", "from brittle.report import write_report", "brittle.report"),
        ("errors.py", "from brittle.types import Images", "brittle.types"),
        ("registry.py", "if True:\n    from brittle.cli import main", "brittle.cli"),
    ],
)
def test_a_planted_violation_is_caught(file: str, text: str, culprit: str):
    (line,) = violations(SOURCE / file, text)
    assert f"must not import {culprit}" in line


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("core/run.py", "from brittle.core.attack import Attack\nfrom .goal import Goal\nimport torch"),
        ("attacks/pgd.py", "from brittle.attacks.objective import Loss\nfrom brittle.maths import norms"),
        ("report/page.py", "from brittle.runs.store import a\nfrom brittle import metrics\nfrom . import trust"),
        ("__init__.py", "from brittle.core.run import run"),
        ("cli/app.py", "from brittle import terminal\nimport sys"),
    ],
)  # fmt: skip
def test_what_is_allowed_passes(file: str, text: str):
    assert violations(SOURCE / file, text) == []
