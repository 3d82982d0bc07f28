"""The table of defences that hide gradients: its rows, and one of them measured on digits."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from digit_files import write_digits

from brittle import PGD, Classifier, Defence, InputError, run
from brittle.models import open_network
from brittle.registry import DEFENCES
from brittle.studies.bench.comparison import published_beside
from brittle.studies.bench.study import Setting
from brittle.studies.faults.networks import Suspicious
from brittle.studies.obfuscated import gradients, networks
from brittle.studies.obfuscated.gradients import LINES, MARGIN, OBFUSCATED_GRADIENTS, PUBLISHED, Attempt
from brittle.studies.obfuscated.lines import Amount, mean_square, root_mean_square
from brittle.studies.shared import subject
from brittle.studies.shared.subject import Benchmark, NetworkSource
from brittle.threats import Lp

FIGURES = {
    "Buckman 2018": 0,
    "Ma 2018": 5,
    "Guo 2018": 0,
    "Dhillon 2018": 0,
    "Xie 2018": 0,
    "Song 2018": 9,
    "Samangouei 2018": 55,
    "Madry 2018": 47,
}
"""The published table."""


def test_every_row_is_of_a_known_defence_and_has_a_published_figure():
    assert {line.defence.partition(":")[0] for line in LINES if line.defence} <= {*DEFENCES}
    assert {line.paper for line in LINES} == {*PUBLISHED}
    columns = {column.key: column for column in OBFUSCATED_GRADIENTS.columns}
    for line, row in zip(LINES, OBFUSCATED_GRADIENTS.rows, strict=True):
        assert (row.key, row.stands_for) == (line.key, line.paper)
        assert (
            published_beside(OBFUSCATED_GRADIENTS, row, columns["adaptive"])
            == FIGURES[line.paper]
            == PUBLISHED[line.paper]
        )
        assert published_beside(OBFUSCATED_GRADIENTS, row, columns["naive"]) is None


def test_a_root_mean_square_is_a_length():
    assert root_mean_square(0.005, 28 * 28) == Lp(2, 0.14)
    assert mean_square(0.25, 16) == Lp(2, 2.0)


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_digits(folder / "data" / "test.parquet", "test", 40)
    return Setting(folder / "data", None, "small", "cpu", 0, folder / "out")


def test_a_defence_that_hides_its_gradient_stands_naively_and_falls_adaptively(setting):
    origin = NetworkSource("digits", "test.parquet", (), images=40)
    digits = Benchmark(origin, setting)
    digits.__dict__["network"] = open_network("digits-lenet")
    line = replace(LINES[3], defence="bit-depth:bits=2", threat=Lp("inf", 0.1), small=Amount(40, 10))
    found = Attempt(line, digits).measure()
    clean, naive, adaptive = (found.values[name].value for name in ("clean", *gradients.KINDS))
    assert clean >= naive > 0.9
    assert adaptive < naive - 0.2
    assert "BPDA" in found.remark


def test_a_network_without_a_defence_is_attacked_once_in_either_way(setting):
    digits = Benchmark(NetworkSource("digits", "test.parquet", (), images=40), setting)
    digits.__dict__["network"] = open_network("digits-lenet")
    found = Attempt(replace(LINES[-1], threat=Lp("inf", 0.1), small=Amount(40, 10)), digits).measure()
    assert found.values["naive"] == found.values["adaptive"]


@dataclass(frozen=True)
class Wary(Defence):
    """Refuses images that differ from their mean over 3 x 3 as no digit does: noise, and nothing that is clean."""

    title: ClassVar[str] = "Wary"

    def protect(self, classifier: Classifier) -> Classifier:
        return Classifier(Suspicious(classifier.module), rejects=True)


@pytest.mark.parametrize("kind", gradients.KINDS)
def test_what_a_detector_refuses_is_not_broken_and_a_false_alarm_is_wrong(setting, kind, monkeypatch):
    digits = Benchmark(NetworkSource("digits", "test.parquet", (), images=40), setting)
    digits.__dict__["network"] = open_network("digits-lenet")
    monkeypatch.setattr(gradients, "defence_of", lambda text: Wary())
    work = Attempt(replace(LINES[3], threat=Lp("inf", 0.1), small=Amount(40, 10)), digits)
    guarded = work._met["naive"]
    assert guarded.classifier.oblivious
    clean, attacked, _ = work._accuracy(guarded, kind)
    block = next(digits.source.blocks(40))
    found = run(PGD(steps=10), guarded.classifier, block.images, block.labels, threat=Lp("inf", 0.1), ids=block.index)
    assert found.refused.sum() > 5, "attacked as if there were no detector, many are rough"
    right = (found.clean_prediction == block.labels) & ~found.clean_refused
    assert clean.value == right.float().mean()
    assert attacked.value == pytest.approx(float((right & ~found.success).float().mean()))
    assert attacked.value > float((right & ~found.success & ~found.refused).float().mean())


def test_a_bank_of_patches_holds_none_of_the_images_that_are_attacked(setting, monkeypatch):
    digits = Benchmark(NetworkSource("digits", "test.parquet", (), images=10), setting)
    digits.__dict__["network"] = open_network("digits-lenet")
    asked = []
    monkeypatch.setattr(gradients, "clean_images", lambda source, defence, start: asked.append(start))
    with pytest.raises(InputError, match="needs 64 clean"):
        _ = Attempt(replace(LINES[5], clean="test.parquet"), digits)._met
    assert asked == [10]


@pytest.mark.parametrize(("place", "images"), [(0, "training"), (-1, "attacked")])
def test_networks_that_the_study_trains_are_measured(few_digits, tmp_path, monkeypatch, place, images):
    told: list[str] = []
    setting = Setting(few_digits, None, "small", "cpu", 0, tmp_path, lambda line, fraction=None: told.append(line))
    line, sizes = replace(LINES[place], small=Amount(4, 1)), dict(networks.SIZES["small"])
    _, settings, steps = sizes[line.network]
    monkeypatch.setitem(
        networks.SIZES, "small", sizes | {line.network: (6, replace(settings, epochs=1), min(steps, 1))}
    )
    found = Attempt(line, networks.benchmark(line, setting)).measure()
    assert {"clean", *gradients.KINDS} <= {*found.values}
    assert sum(f"of the {images} images right" in one for one in told) == 1


@pytest.mark.parametrize(("spec", "margins"), [("sap", [0.0, MARGIN]), ("bit-depth:bits=2", [0.0, 0.0])])
def test_who_knows_that_a_defence_is_random_wants_to_win_by_a_margin(setting, monkeypatch, spec, margins):
    digits = Benchmark(NetworkSource("digits", "test.parquet", (), images=4), setting)
    digits.__dict__["network"] = open_network("digits-lenet")
    asked = []

    def noted(*given, **named):
        asked.append(named["confidence"])
        return run(*given, **named)

    monkeypatch.setattr(subject, "run", noted)
    Attempt(replace(LINES[3], defence=spec, threat=Lp("inf", 0.1), small=Amount(4, 1, 2)), digits).measure()
    assert asked == margins
