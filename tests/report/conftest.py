"""A run folder for every test that wants one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import Recipe, build


@pytest.fixture
def make_run(tmp_path, monkeypatch):
    """Make up a run folder from the choices of a `Recipe`; a loss of power is not what is tested here."""
    monkeypatch.setattr("os.fsync", lambda _: None)

    def make(**choices) -> Path:
        return build(tmp_path / "run", Recipe(**choices))

    return make


@pytest.fixture
def make_runs(tmp_path, monkeypatch):
    """Make up several run folders by their names, each as a recipe says but for some choices."""
    monkeypatch.setattr("os.fsync", lambda _: None)

    def of(recipe: Recipe) -> Callable[..., Path]:
        return lambda name, **choices: build(tmp_path / name, replace(recipe, **choices))

    return of
