"""The catalogue: what it says of a study is what the study says, and nothing is imported before it is asked for."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import brittle.studies
from brittle.studies.bench.catalogue import STUDIES, Catalogue
from brittle.studies.bench.listed import LISTED, Listed

FOLDER = Path(brittle.studies.__file__).parent
COMMON = {"bench", "shared"}
WINGS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir() and (path / "__init__.py").exists())


@pytest.mark.parametrize("name", list(LISTED))
def test_an_entry_says_what_the_study_says(name):
    study = STUDIES[name]
    assert (study.name, study.title, study.source) == (name, STUDIES.title(name), STUDIES.source(name))


def test_listing_imports_no_study():
    code = (
        "import sys; from brittle.studies.bench.catalogue import STUDIES; "
        "names = [(name, STUDIES.title(name), STUDIES.source(name)) for name in STUDIES]; "
        "print(*sorted({m.split('.')[2] for m in sys.modules if m.startswith('brittle.studies.')}))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["bench"]


def test_a_study_of_another_catalogue_can_be_added_and_taken_away():
    mine = Catalogue({"gone": Listed("no_such_module:X", "t", "s")})
    assert "gone" in mine
    mine["counting"] = STUDIES["deepfool-robustness"]
    assert mine.title("counting") == STUDIES.title("deepfool-robustness")
    assert list(mine) == ["gone", "counting"]
    del mine["counting"]
    assert len(mine) == 1
    with pytest.raises(ModuleNotFoundError):
        mine["gone"]


def test_every_public_name_is_found():
    assert all(getattr(brittle.studies, name) is not None for name in brittle.studies.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = brittle.studies.no_such_name


def foreign(wing: str, text: str) -> list[str]:
    """Return the packages of `brittle.studies` that a file of a wing imports and should not."""
    allowed = {wing} if wing == "bench" else {"shared", "bench"} if wing == "shared" else COMMON | {wing}
    modules: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module == "brittle.studies":
            modules += [f"brittle.studies.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules += [node.module or ""]
        elif isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
    parts = [module.split(".") for module in modules if module.startswith("brittle.studies.")]
    return [".".join(part) for part in parts if part[2] not in allowed]


@pytest.mark.parametrize("wing", WINGS)
def test_no_wing_imports_another(wing):
    found = {path.name: foreign(wing, path.read_text()) for path in (FOLDER / wing).rglob("*.py")}
    assert {name: bad for name, bad in found.items() if bad} == {}


def test_an_import_of_another_wing_is_caught():
    assert foreign("uap", "from brittle.studies.gd_uap.priors import X") == ["brittle.studies.gd_uap.priors"]
    assert foreign("shared", "def f():\n    from brittle.studies.uap import labels") == ["brittle.studies.uap"]
    assert foreign("bench", "import brittle.studies.shared.subject") == ["brittle.studies.shared.subject"]
    assert foreign("uap", "from brittle.studies.bench.study import Cell") == []
