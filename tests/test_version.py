"""Where the version comes from."""

import tomllib
from pathlib import Path

import brittle
from brittle.version import UNINSTALLED, installed

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def test_an_installed_package_says_what_it_was_built_with():
    assert brittle.__version__ == installed("brittle")
    assert installed("pytest") != UNINSTALLED


def test_sources_that_are_not_installed_have_the_fallback_of_the_build():
    settings = tomllib.loads(PROJECT.read_text())["tool"]["hatch"]["version"]
    assert installed("a package that nobody has") == UNINSTALLED == settings["fallback-version"]
