"""The studies of deformations on a few digits: figures agree with the attempts that they are made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from brittle import ADef, Flow, run
from brittle.errors import MissingExtra
from brittle.metrics import Estimate
from brittle.studies import Setting, run_study
from brittle.studies.adef import adversarial_training as adef_adversarial_training
from brittle.studies.adef import scattering as adef_scattering
from brittle.studies.adef.adversarial_training import Size, hardened
from brittle.studies.adef.deformations import ORIGINS, DeformationWork, Deformed
from brittle.studies.bench.drawing import Curves, Picture
from brittle.studies.shared.subject import Benchmark
from brittle.training.recipe import PlainTraining


@pytest.fixture(scope="module")
def subject(few_digits, models, tmp_path_factory):
    return Benchmark(ORIGINS[0], Setting(few_digits, models, "small", "cpu", 0, tmp_path_factory.mktemp("study")))


def test_success_is_a_field_within_three_pixels():
    bent = Deformed(5, np.array([0.5, 3.0, 3.1, np.inf]), np.arange(4.0), np.arange(4.0), ())
    assert bent.success.tolist() == [True, True, False, False]
    values = bent.values()
    assert (values["success"].value, values["norm"].value, values["iterations"].value) == (0.5, 1.75, 1.5)
    assert Deformed(1, np.array([np.inf]), np.ones(1), np.ones(1), ()).values()["norm"] == "none broken"


def test_only_what_is_right_is_attacked_and_the_sizes_are_those_of_run(subject):
    found = DeformationWork(subject).attacked("digits")
    block = next(subject.source.blocks(1000))
    result = run(ADef(), subject.classifier, block.images, block.labels, threat=Flow(3.0))
    right = result.clean_prediction == block.labels
    assert found.images == len(block)
    assert len(found.size) == int(right.sum()) > 0
    np.testing.assert_allclose(found.size, result.size[right].where(result.success[right], torch.inf), rtol=1e-3)
    assert 1 <= len(found.pictures) <= 3
    assert all(isinstance(one, Picture) and one.title.startswith("digits: example") for one in found.pictures)


def test_random_targets_are_other_classes_and_the_same_for_the_same_seed(subject):
    first, again = (DeformationWork(subject, ADef(steps=5), target="random").attacked("digits") for _ in range(2))
    np.testing.assert_array_equal(first.size, again.size)
    plain = DeformationWork(subject, ADef(steps=5)).attacked("digits")
    assert not np.array_equal(first.size, plain.size)


def test_every_setting_has_an_identity_of_its_own(subject):
    settings = [
        DeformationWork(subject),
        DeformationWork(subject, radius=np.inf),
        DeformationWork(subject, target="random"),
        DeformationWork(subject, ADef(candidates=3)),
        DeformationWork(subject, ADef(stride=np.inf)),
    ]
    assert len({str(sorted(one.identity().items(), key=str)) for one in settings}) == len(settings)


@pytest.mark.parametrize("name", ["adef", "adef-norms", "adef-targeted"])
def test_the_tables_are_filled_for_the_network_at_hand_and_say_what_is_missing(few_digits, models, tmp_path, name):
    result = run_study(name, tmp_path, data=few_digits, models=models)
    rows = [row.key for row in result.rows if row.key.startswith("MNIST-CNN")]
    for row in rows:
        measured = {column.key: result.entry(row, column.key).measured for column in result.columns}
        missing = [key for key, value in measured.items() if value is None and key not in ("mean", "median", "ninety")]
        assert not missing
        assert any(isinstance(value, Estimate) for value in measured.values())
    if name == "adef":
        assert result.entry("MNIST-CNN", "success").published == 99.90
        assert result.entry("Inception-v3", "iterations").published == 4.050
        assert result.missing == 2
    if name == "adef-norms":
        assert isinstance(result.figures[0], Curves)
    assert run_study(name, tmp_path, data=few_digits, models=models).computed == 0


def test_networks_are_trained_on_what_the_row_says(few_digits, tmp_path, monkeypatch):
    tiny = Size(30, PlainTraining(1, 10, "adam", 1e-3, decay=0.0), 1, 0.1, 0.5)
    few = replace(adef_adversarial_training.AS_PUBLISHED, steps=10)
    monkeypatch.setattr(adef_adversarial_training, "AS_PUBLISHED", few)
    monkeypatch.setattr(adef_adversarial_training, "SIZES", {"small": tiny, "paper": tiny})
    names = dict.fromkeys(("MNIST-A", "MNIST-B"), "digits-lenet")
    monkeypatch.setattr(adef_adversarial_training, "_ARCHITECTURES", names)
    setting = Setting(few_digits, None, "small", "cpu", 0, tmp_path)
    kinds = {row: type(hardened(row, setting).training.attack).__name__ for row in adef_adversarial_training.ROWS}
    assert list(kinds.values()) == ["PGD", "ADef", "PGD", "ADef"]
    result = run_study("adef-adversarial-training", tmp_path, data=few_digits)
    assert result.missing == 0
    for row, figures in (("MNIST-A (PGD)", (98.36, 5.81, 6.67)), ("MNIST-B (ADef)", (98.79, 100.0, 45.07))):
        assert tuple(result.entry(row, key).published for key in ("accuracy", "pgd", "adef")) == figures
        assert isinstance(result.entry(row, "accuracy").measured, Estimate)
    assert len(list((tmp_path / "networks").glob("*/weights.safetensors"))) == 2


@pytest.mark.parametrize("classes", [2, 3])
def test_a_scattering_network_is_differentiable_and_its_layer_fits(classes):
    pytest.importorskip("kymatio")
    scattering = adef_scattering.Scattering(28, 28)
    images = torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20) % classes
    images[labels == 1, :, :14] *= 0.3
    images[labels == 2, :, 14:] *= 0.3
    features = scattering(images)
    assert features.shape == (20, 81 * 49)
    module = adef_scattering.fitted(scattering, features, labels)
    assert (module(images).argmax(1) == labels).all()
    leaf = images[:1].clone().requires_grad_()
    module(leaf)[0, 0].backward()
    assert leaf.grad.abs().sum() > 0
    assert torch.isfinite(leaf.grad).all()


def test_without_kymatio_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "kymatio.scattering2d.frontend.torch_frontend", None)
    with pytest.raises(MissingExtra, match=r"brittle\[scattering\]"):
        adef_scattering.Scattering(28, 28)
