"""How an engine is named on the command line."""

from pathlib import Path

import pytest

from brittle.cli import app
from brittle.cli.options import named_engine
from brittle.engine.process_engine import ProcessEngine
from brittle.engine.ray_engine import RayEngine
from brittle.errors import InputError


def test_an_engine_is_made_of_its_options():
    assert named_engine(None, None, None) is None
    assert named_engine("processes", None, 2) == ProcessEngine(2)
    assert named_engine("ray", None, None) == RayEngine()
    assert named_engine("ray", "auto", 3) == RayEngine("auto", workers=3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "rey"], "the engine is 'rey'; expected processes or ray"),
        (["--workers", "2"], "workers is given, which does nothing without --engine; leave it out"),
        (["--address", "auto"], "address is given, which does nothing without --engine; leave it out"),
        (["--engine", "processes", "--address", "auto"], "address is given, which does nothing without --engine ray"),
        (["--engine", "ray", "--address", "head"], "the address is 'head'; expected auto, or HOST:PORT"),
        (["--engine", "ray", "--task", "depth"], "engine is given, which does nothing with --task depth"),
    ],
)
def test_what_does_not_fit_is_refused_before_a_folder_is_made(words, message, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError, match=message):
        app(["audit", "digits-lenet", "--data", "digits", "--out", str(out), *words], standalone_mode=False)
    assert not Path(out).exists()
