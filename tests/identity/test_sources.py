"""Which code counts: brittle's own, and the user's modules that a network is made of."""

import importlib
import sys
from pathlib import Path

import pytest
from test_layers import HEIGHT

import brittle
from brittle.identity import sources
from brittle.identity.sources import code_behind, edited, noting, own_digest


def test_own_digest_is_that_of_the_files(tmp_path, monkeypatch):
    (tmp_path / "core").mkdir()
    (tmp_path / "report").mkdir()
    file, shows = tmp_path / "core" / "run.py", tmp_path / "report" / "page.py"
    file.write_text("a = 1\n")
    shows.write_text("a = 1\n")
    monkeypatch.setattr(sources, "PACKAGE", tmp_path)
    fresh = own_digest.__wrapped__
    before = fresh()
    shows.write_text("a = 2\n")
    assert fresh() == before
    file.write_text("a = 2\n")
    assert fresh() != before
    file.rename(tmp_path / "core" / "runs.py")
    assert fresh() != before


def test_what_only_shows_is_imported_by_nothing_that_computes():
    root = Path(brittle.__file__).parent
    left_out = {path.relative_to(root).parts[0].removesuffix(".py") for path in root.rglob("*.py")
                if path.relative_to(root).as_posix().startswith(sources.SHOWS)}  # fmt: skip
    assert {"report", "cli", "terminal"} <= left_out
    assert all(HEIGHT[part] > HEIGHT["studies"] for part in left_out)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A package with an import inside a function, one of its own neighbours, and one that nothing imports."""
    package = tmp_path / "own_project"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "net.py").write_text("from .layers import WIDTH\ndef late():\n    from own_project import rare\n")
    (package / "layers.py").write_text("import json\nimport torch\nWIDTH = 3\n")
    (package / "rare.py").write_text("")
    (package / "plots.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield package
    for name in [name for name in sys.modules if name.startswith("own_project")]:
        del sys.modules[name]


def test_imports_are_followed_and_those_of_functions_once_they_are_loaded(project):
    importlib.import_module("own_project.net")
    importlib.import_module("own_project.plots")
    names = {"own_project/__init__.py", "own_project/net.py", "own_project/layers.py"}
    assert code_behind(["own_project.net"]).keys() == names
    sys.modules["own_project.net"].late()
    assert code_behind(["own_project.net"]).keys() == {*names, "own_project/rare.py"}


def test_what_was_loaded_counts_and_not_what_lies_there_now(project):
    importlib.import_module("own_project.net")
    before = code_behind(["own_project.net"])
    (project / "layers.py").write_text("WIDTH = 4\n")
    assert code_behind(["own_project.net"]) == before
    assert edited(["own_project.net", "own_project.layers"]) == ["own_project.layers"]
    importlib.reload(sys.modules["own_project.layers"])
    assert code_behind(["own_project.net"]) != before


def test_modules_loaded_by_computed_names_belong_to_what_loaded_them(project):
    with noting("a_factory"):
        importlib.import_module("own_project." + "plots")
    importlib.import_module("own_project.rare")
    assert "own_project/plots.py" in code_behind(["a_factory"])
    assert "own_project/rare.py" not in code_behind(["a_factory"])
    assert code_behind(["json", "torch", "brittle.core.run", "numpy"]) == {}
