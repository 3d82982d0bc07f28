"""The study on a few digits: the table and the figures agree with the attempts that they are made of."""

import numpy as np
import pytest
import torch

from brittle import CarliniWagnerL0, CarliniWagnerL2, CarliniWagnerLinf
from brittle.attacks import carlini_wagner_l0
from brittle.errors import DataError
from brittle.metrics import Estimate
from brittle.studies import Setting, run_study
from brittle.studies.bench.drawing import HeatMap, Picture
from brittle.studies.carlini_wagner import grid as carlini_wagner_grid
from brittle.studies.carlini_wagner.grid import NETWORK, NORMS, Norm, Targets, _Attempts, sizes_by_target
from brittle.studies.shared.subject import Benchmark

CHEAP = {
    "L2": CarliniWagnerL2(searches=1, steps=6, learning_rate=0.2, constant=10.0),
    "L0": CarliniWagnerL0(steps=4, learning_rate=0.5),
    "Linf": CarliniWagnerLinf(steps=4, learning_rate=0.2, refinements=0),
}


@pytest.fixture(scope="module", autouse=True)
def short():
    """Searches of a few steps, from one image of each class."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(carlini_wagner_grid, "PER_CLASS", {"small": 1, "full": 2, "paper": 1})
        patch.setattr(carlini_wagner_l0, "FRACTION", 5.0)
        patch.setattr(carlini_wagner_l0, "HEAVY", float("inf"))
        for row, norm in list(NORMS.items()):
            patch.setitem(NORMS, row, Norm(norm.threat, CHEAP[row], norm.paper, norm.unit))
        yield


@pytest.fixture(scope="module")
def subject(few_digits, models, tmp_path_factory):
    return Benchmark(NETWORK, Setting(few_digits, models, "small", "cpu", 0, tmp_path_factory.mktemp("study")))


@pytest.fixture(scope="module")
def result(few_digits, models, tmp_path_factory):
    return run_study("carlini-wagner-grid", tmp_path_factory.mktemp("studies"), data=few_digits, models=models)


def test_every_attack_is_measured_beside_the_published_figures(result):
    assert result.missing == 0
    for row, published in (("L2", (1.36, 1.76, 2.60)), ("L0", (8.5, 16, 33)), ("Linf", (0.13, 0.16, 0.23))):
        entries = [result.entry(row, case) for case in ("best", "average", "worst")]
        assert tuple(entry.published for entry in entries) == published
        best, average, worst = (entry.measured for entry in entries)
        assert isinstance(best, Estimate)
        assert 0 < best.value <= average.value
        if isinstance(worst, Estimate):
            assert average.value <= worst.value or result.entry(row, "worst success").measured.value < 1
        assert result.entry(row, "average success").published == 100
        assert result.entry(row, "passes").measured.value > 2


def test_every_attack_has_a_sheet_of_images_and_a_matrix(result):
    assert [type(figure) for figure in result.figures] == [Picture, HeatMap] * 3
    assert len({figure.title for figure in result.figures}) == 6


def test_images_are_the_first_of_each_class_that_are_right(subject):
    images, labels, classes = Targets(subject, "L2")._chosen()
    (block,) = subject.blocks("test")
    right = subject.classifier.logits(block.images).argmax(1) == block.labels
    assert classes == 10
    assert labels.tolist() == sorted(set(block.labels[right].tolist()))
    for image, label in zip(images, labels, strict=True):
        first = (right & (block.labels == label)).nonzero()[0, 0]
        assert torch.equal(image, block.images[first])


def test_sizes_are_of_successes_and_the_worst_target_needs_all():
    size = np.array([[1.0, 2.0, 6.0], [4.0, np.inf, 5.0], [np.inf, np.inf, np.inf]])
    values = sizes_by_target(size)
    assert values["best"].value == 2.5
    assert values["average"].value == pytest.approx(18 / 5)
    assert values["worst"].value == 6.0
    rates = [values[f"{case} success"].value for case in ("best", "average", "worst")]
    assert rates == pytest.approx([2 / 3, 5 / 9, 1 / 3])
    nothing = sizes_by_target(np.full((2, 3), np.inf))
    assert nothing["best"] == nothing["average"] == nothing["worst"] == "no success"


def test_the_matrix_and_the_sheet_hold_what_was_found():
    clean = torch.stack([torch.full((1, 2, 2), 0.1), torch.full((1, 2, 2), 0.2)])
    adversarial = torch.stack([torch.full((1, 2, 2), value) for value in (0.7, 0.8, 0.9)])
    attempts = _Attempts(
        torch.tensor([0, 0, 1]),
        torch.tensor([1, 1, 0]),
        np.array([2.0, 4.0, np.inf]),
        adversarial,
        clean,
        torch.tensor([0, 1]),
    )
    mean, reached = attempts.matrix(2)
    assert mean[0, 1] == 3.0
    assert reached == 1
    assert np.isnan(mean[[0, 1, 1], [0, 1, 0]]).all()
    sheet = attempts.sheet(2)
    assert sheet.shape == (5, 5)
    corners = sheet[[0, 0, 3, 3], [0, 3, 0, 3]]
    np.testing.assert_allclose(corners, [0.1, 0.7, 0.5, 0.2], atol=1e-6)
    assert sheet[2, 2] == 0.5


def test_the_paper_is_measured_with_the_published_settings(few_digits, models, tmp_path):
    subject = Benchmark(NETWORK, Setting(few_digits, models, "paper", "cpu", 0, tmp_path))
    assert Targets(subject, "L2").attack == CarliniWagnerL2()
    small = Targets(Benchmark(NETWORK, Setting(few_digits, models, "small", "cpu", 0, tmp_path)), "L2")
    assert small.identity() != Targets(subject, "L2").identity()
    full = Targets(Benchmark(NETWORK, Setting(few_digits, models, "full", "cpu", 0, tmp_path)), "L2")
    assert full.attack == CarliniWagnerL2()


def test_a_network_that_gets_nothing_right_is_told(subject, monkeypatch):
    targets = Targets(subject, "L2")
    monkeypatch.setattr(type(subject), "blocks", lambda self, doing: iter(()))
    with pytest.raises(DataError, match="gets none of the 12 test images right"):
        targets.measure()
