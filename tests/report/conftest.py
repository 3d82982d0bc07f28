"""A run folder for every test that wants one."""

from pathlib import Path

import pytest
from made_up import Recipe, build


@pytest.fixture
def make_run(tmp_path):
    """Make up a run folder from the choices of a `Recipe`."""

    def make(**choices) -> Path:
        return build(tmp_path / "run", Recipe(**choices))

    return make
