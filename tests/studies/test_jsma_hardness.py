"""The study on a few digits: matrices and figures agree with the attempts that they are made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from brittle.attacks.jsma import saliency_maps
from brittle.errors import DataError
from brittle.metrics import Estimate, adversarial_distance
from brittle.studies import STUDIES, Setting, run_study
from brittle.studies.bench.drawing import Curves, HeatMap, Picture
from brittle.studies.jsma import hardness as jsma_hardness
from brittle.studies.jsma.hardness import COLUMNS, NETWORK, SEARCHES, Pairs
from brittle.studies.shared.subject import Benchmark

LOGITS, PROBABILITIES, LOWERED, ON_LENET = SEARCHES


LIMITS = (0.003, 0.006, 0.0103)


@pytest.fixture(scope="module", autouse=True)
def short():
    """Searches of at most eight features."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsma_hardness, "LIMITS", LIMITS)
        for row, attack in SEARCHES.items():
            patch.setitem(SEARCHES, row, replace(attack, fraction=max(LIMITS)))
        yield


@pytest.fixture(scope="module")
def subject(few_digits, models, tmp_path_factory):
    return Benchmark(NETWORK, Setting(few_digits, models, "small", "cpu", 0, tmp_path_factory.mktemp("study")))


@pytest.fixture(scope="module")
def result(few_digits, models, tmp_path_factory):
    return run_study("jsma-hardness", tmp_path_factory.mktemp("studies"), data=few_digits, models=models)


def right(subject):
    (block,) = subject.blocks("test")
    with torch.no_grad():
        return block, subject.classifier.logits(block.images).argmax(1) == block.labels


def test_every_search_is_measured_beside_the_published_figures(result, subject):
    _, correct = right(subject)
    assert correct.any()
    for row in (LOGITS, PROBABILITIES, LOWERED):
        for column in ("success", "all", "distance"):
            estimate = result.entry(row, column).measured
            assert isinstance(estimate, Estimate)
            assert 0 <= estimate.value <= 1
            assert estimate.n == int(correct.sum())
    assert result.entry(LOGITS, "success").published == 97
    assert result.entry(LOGITS, "found").published == 4.02
    assert result.entry(PROBABILITIES, "success").published is None
    assert result.entry(ON_LENET, "success").published is None
    assert isinstance(result.entry(ON_LENET, "success").measured, Estimate)
    assert result.missing == 0


def test_figures_are_one_of_each_kind_for_each_search(result):
    kinds = [type(figure) for figure in result.figures]
    assert kinds == [HeatMap, HeatMap, HeatMap, Curves, Picture, Picture] * len(SEARCHES)
    assert len({figure.title for figure in result.figures}) == len(kinds)


def test_matrices_agree_with_the_table_and_with_maps_made_anew(subject):
    block, correct = right(subject)
    measured = Pairs(subject, LOGITS).measure()
    success, hardness, distance, curve = measured.figures[:4]
    label = int(block.labels[correct][0])
    images = block.images[correct][block.labels[correct] == label]
    for target in range(10):
        expected = None
        if target != label:
            maps = saliency_maps(subject.classifier, images, torch.full((len(images),), target), on="logits")
            expected = pytest.approx(float(adversarial_distance(maps.double().numpy()).mean()))
        assert distance.values[label][target] == expected
        assert (success.values[label][target] is None) == (target == label)
        assert (hardness.values[label][target] is None) == (target == label)
    if len(set(block.labels[correct].tolist())) == 1:
        rates = [value for value in success.values[label] if value is not None]
        assert np.mean(rates) == pytest.approx(measured.values["success"].value)
    x, y = curve.lines["success rate"]
    assert x == pytest.approx([100 * limit for limit in LIMITS])
    assert (np.diff(y) >= 0).all()


def test_without_an_image_that_is_right_the_row_says_so(subject, monkeypatch):
    block, _ = right(subject)
    with torch.no_grad():
        wrong = (subject.classifier.logits(block.images).argmax(1) + 1) % 10
    monkeypatch.setattr(subject, "blocks", lambda doing: iter([replace(block, labels=wrong)]))
    with pytest.raises(DataError, match="gets none of the 12 test images right"):
        Pairs(subject, LOGITS).measure()


def test_is_in_the_catalogue():
    study = STUDIES["jsma-hardness"]
    assert [row.key for row in study.rows] == list(SEARCHES)
    assert study.columns == COLUMNS
