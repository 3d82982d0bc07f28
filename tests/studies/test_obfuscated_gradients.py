"""The table of defences that hide gradients: its rows, and one of them measured on digits."""

from dataclasses import replace

import pytest
from digit_files import write_digits

from brittle.models import open_network
from brittle.registry import DEFENCES
from brittle.studies.bench.study import Setting
from brittle.studies.obfuscated import gradients
from brittle.studies.obfuscated.gradients import LINES, OBFUSCATED_GRADIENTS, PUBLISHED, Attempt
from brittle.studies.obfuscated.lines import root_mean_square
from brittle.studies.shared.subject import Benchmark, NetworkSource
from brittle.threats import Lp


def test_every_row_is_of_a_known_defence_and_has_a_published_figure():
    assert {line.defence.partition(":")[0] for line in LINES if line.defence} <= {*DEFENCES}
    assert {line.paper for line in LINES} == {*PUBLISHED}
    for line in LINES:
        assert OBFUSCATED_GRADIENTS.published(line.key, "adaptive") == line.published == PUBLISHED[line.paper]
        assert OBFUSCATED_GRADIENTS.published(line.key, "naive") is None


def test_a_root_mean_square_is_a_length():
    assert root_mean_square(0.005, 28 * 28) == Lp(2, 0.14)


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_digits(folder / "data" / "test.parquet", "test", 40)
    return Setting(folder / "data", None, "small", "cpu", 0, folder / "out")


def test_a_defence_that_hides_its_gradient_stands_naively_and_falls_adaptively(setting):
    origin = NetworkSource("digits", "test.parquet", (), images=40)
    digits = Benchmark(origin, setting)
    digits.__dict__["network"] = open_network("digits-lenet")
    line = replace(LINES[3], defence="bit-depth:bits=2", threat=Lp("inf", 0.1), small=10)
    found = Attempt(line, digits).measure()
    clean, naive, adaptive = (found.values[name].value for name in ("clean", *gradients.KINDS))
    assert clean >= naive > 0.9
    assert adaptive < naive - 0.2
    assert "BPDA" in found.remark


def test_a_network_without_a_defence_is_attacked_once_in_either_way(setting):
    digits = Benchmark(NetworkSource("digits", "test.parquet", (), images=40), setting)
    digits.__dict__["network"] = open_network("digits-lenet")
    found = Attempt(replace(LINES[-1], threat=Lp("inf", 0.1), small=10), digits).measure()
    assert found.values["naive"] == found.values["adaptive"]
