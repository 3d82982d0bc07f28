"""Every `>>>` example of src/brittle runs, module by module."""

import ast
import doctest
import importlib
import tempfile
from pathlib import Path

import pytest

import brittle
from brittle.errors import MissingExtra

SOURCE = Path(brittle.__file__).parent
PROMPT = ">>> "
FILES = [path for path in sorted(SOURCE.rglob("*.py")) if PROMPT in path.read_text()]
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def module_name(path: Path) -> str:
    parts = ("brittle", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def examples_of(path: Path) -> list[doctest.DocTest]:
    """Parse docstrings in the source itself: decorators, such as the tests' type checker, hide them from doctest."""
    parser, found = doctest.DocTestParser(), []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node, clean=False)):
            line = node.body[0].lineno - 1
            found.append(parser.get_doctest(text, {}, getattr(node, "name", path.stem), str(path), line))
    return [test for test in found if test.examples]


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_examples(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    module, tests = importlib.import_module(module_name(path)), examples_of(path)
    assert sum(len(test.examples) for test in tests) == path.read_text().count(PROMPT), "an example outside a docstring"
    for test in tests:
        test.globs = dict(vars(module))
        try:
            doctest.DebugRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
        except doctest.DocTestFailure as failure:
            where = f"{path.name}:{test.lineno + failure.example.lineno + 1}"
            seen = f"expected {failure.example.want}got {failure.got}"
            pytest.fail(f"{where}: {failure.example.source}{seen}", pytrace=False)
        except doctest.UnexpectedException as unexpected:
            if isinstance(unexpected.exc_info[1], MissingExtra):
                pytest.skip(str(unexpected.exc_info[1]))
            raise unexpected.exc_info[1] from None


def test_a_wrong_example_is_noticed(tmp_path: Path):
    path = tmp_path / "wrong.py"
    path.write_text('"""Wrong.\n\n>>> 1 + 1\n3\n"""\n')
    (test,) = examples_of(path)
    with pytest.raises(doctest.DocTestFailure):
        doctest.DebugRunner().run(test)
