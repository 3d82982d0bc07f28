"""The table of promises: every test that it names is there, and every promise has one or says that it has none."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "promises.md"
CONTRACT = "tests/contract/contract.py"
ROW = re.compile(r"^\| (?P<promise>.+?) \| (?P<made>.+?) \| (?P<held>.*?) \|$", re.M)
TEST = re.compile(r"`(?P<file>tests/[\w/]+\.py)::(?P<name>\w+)`")


def rows(text: str) -> list[re.Match[str]]:
    return [row for row in ROW.finditer(text) if row["promise"] not in ("promise", "kind", "---")]


@cache
def names(file: str) -> frozenset[str]:
    """The functions of a file of tests; of the contract those that are clauses."""
    path = ROOT / file
    if not path.exists():
        return frozenset()
    tree = ast.parse(path.read_text())
    if file == CONTRACT:
        (clauses,) = [
            node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CLAUSES"
        ]
        return frozenset(clause.id for clause in clauses.elts)
    found = (node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return frozenset(name for name in found if name.startswith("test_"))


def missing(text: str) -> list[str]:
    """Tests that are named and not there, and promises without a test or a word about it."""
    named = {(found["file"], found["name"]) for found in TEST.finditer(text)}
    gone = sorted(f"there is no {file}::{name}" for file, name in named if name not in names(file))
    bare = [row["promise"] for row in rows(text) if not TEST.search(row["held"]) and "*" not in row["held"]]
    return gone + [f"nothing holds: {promise}" for promise in bare]


def test_every_promise_names_tests_that_exist():
    assert missing(PAGE.read_text()) == []


def test_what_security_names_is_there():
    text = (ROOT / "SECURITY.md").read_text()
    assert missing(text) == []
    assert text.count("tests/") - 2 == len(TEST.findall(text)) > 25  # tests/untrusted, twice


def test_the_table_is_read_as_a_whole():
    text = PAGE.read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    heads = [line for line in lines if line.startswith(("| promise ", "| --- "))]
    assert len(rows(text)) == len(lines) - len(heads) > 60
    assert text.count("tests/") == len(TEST.findall(text)) + text.count(f"`{CONTRACT}`")


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_what_the_front_pages_promise_is_in_the_table(page: str):
    text = (ROOT / page).read_text()
    (section,) = re.findall(r"^## What (?:it promises|holds everywhere)\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    name = "README" if page == "README.md" else "[index]"
    made = [row for row in rows(PAGE.read_text()) if name in row["made"]]
    assert len(made) >= len(re.findall(r"^- ", section, re.M))


@pytest.mark.parametrize(
    ("held", "complaint"),
    [
        ("`tests/metrics/test_estimate.py::test_gone`", "there is no tests/metrics/test_estimate.py::test_gone"),
        ("`tests/no_file.py::test_gone`", "there is no tests/no_file.py::test_gone"),
        (f"`{CONTRACT}::attacked`", f"there is no {CONTRACT}::attacked"),
        ("", "nothing holds: It flies"),
        ("by hand", "nothing holds: It flies"),
    ],
)
def test_a_promise_that_nothing_holds_is_noticed(held: str, complaint: str):
    assert complaint in missing(f"| It flies | README | {held} |\n")
