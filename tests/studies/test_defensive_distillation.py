"""The study of distilled networks: what it trains, what it measures, and that both are what they say."""

from dataclasses import replace

import pytest
import torch

from brittle.attacks.carlini_wagner_l2 import CarliniWagnerL2
from brittle.attacks.pgd import PGD
from brittle.metrics import Estimate
from brittle.models import open_network
from brittle.studies import Setting, run_study
from brittle.studies.distilled import defensive
from brittle.studies.distilled.defensive import DEFENSIVE_DISTILLATION, TEMPERATURES, Attacked, Size, row_of
from brittle.training.recipe import PlainTraining


@pytest.fixture
def short(monkeypatch):
    """Trainings and attacks of a few steps."""
    settings = PlainTraining(3, 16, "adam", 1e-2, decay=0.0)
    size = Size(96, settings, 12, CarliniWagnerL2(searches=1, steps=8, constant=1.0), 8)
    monkeypatch.setattr(defensive, "SIZES", {"small": size, "paper": size})
    monkeypatch.setattr(defensive, "SOFTMAX", PGD(steps=3))
    monkeypatch.setattr(defensive, "MARGIN", PGD(steps=3, loss="margin"))


@pytest.fixture
def setting(few_digits, tmp_path):
    return Setting(few_digits, None, "small", "cpu", 0, tmp_path)


class Enlarged(torch.nn.Module):
    """The built-in network of digits with larger logits, as distillation leaves them."""

    def __init__(self, scale: float):
        super().__init__()
        self.inner, self.scale = open_network("digits-lenet").module, scale

    def forward(self, images):
        return self.inner(images) * self.scale


def work(setting: Setting, temperature: int) -> Attacked:
    """Of a network whose logits are as many times larger as the temperature says."""

    class Ready(Attacked):
        def network(self, images):
            found = super().network(images)
            found.__dict__["network"] = replace(open_network("digits-lenet"), module=Enlarged(float(self.temperature)))
            return found

    return Ready(temperature, setting)


def test_the_table_is_filled_and_kept(short, setting, few_digits):
    result = run_study("defensive-distillation", setting.folder, data=few_digits)
    assert result.missing == 0
    for temperature in TEMPERATURES:
        for column in ("clean", "vanished", "naive", "adaptive", "margin", "success"):
            assert isinstance(result.entry(row_of(temperature), column).measured, Estimate)
    again = run_study("defensive-distillation", setting.folder, data=few_digits)
    assert (again.computed, again.reused) == (0, 6)
    assert len(list((setting.folder / "networks").iterdir())) == 3
    assert "student at T = 20 " in " ".join(note for row in result.rows for note in row.notes)


def test_networks_differ_by_the_temperature_that_teacher_and_student_are_trained_at(setting):
    fields = [Attacked(temperature, setting).network(12).identity_fields() for temperature in TEMPERATURES]
    assert [one["settings"]["temperature"] for one in fields] == [1.0, 20.0, 100.0]
    assert all(one["distilled"] for one in fields)


def test_large_logits_hide_the_gradient_of_the_softmax_loss_and_health_tells(setting, monkeypatch):
    size = replace(defensive.SIZES["small"], images=12)
    monkeypatch.setattr(defensive, "SIZES", {"small": size})
    plain, distilled = (work(setting, temperature).gradients().values for temperature in (1, 1000))
    assert plain["vanished"].value == 0
    assert distilled["vanished"].value > 0.5
    assert distilled["naive"].value > distilled["adaptive"].value + 0.2
    assert distilled["adaptive"].value == plain["naive"].value
    assert distilled["clean"] == plain["clean"]
    assert "gradients" in distilled["told"]
    assert plain["told"] == "none"


def test_the_search_counts_images_that_are_right(short, setting):
    values = work(setting, 1).search().values
    assert values["searched"] == "8"
    assert values["success"].n == 8
    assert float(values["size"].value) > 0 if isinstance(values["size"], Estimate) else values["size"] == "no success"


def test_the_published_figure_is_of_carlini_and_wagner():
    assert DEFENSIVE_DISTILLATION.published("T = 100", "success") == 100
    assert DEFENSIVE_DISTILLATION.published("T = 100", "clean") is None
