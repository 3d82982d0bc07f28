"""The studies of deformations on a few digits: figures agree with the attempts that they are made of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from brittle import PGD, ADef, Flow, run
from brittle.errors import MissingExtra
from brittle.metrics import Estimate
from brittle.studies import Setting, run_study
from brittle.studies.adef import adversarial_training as adef_adversarial_training
from brittle.studies.adef import deformations, table
from brittle.studies.adef import scattering as adef_scattering
from brittle.studies.adef.adversarial_training import SIZES, hardened
from brittle.studies.adef.deformations import AS_PUBLISHED, DeformationWork, Deformed, subjects
from brittle.studies.bench.drawing import Curves, Picture
from brittle.studies.shared.hardened import HardenedBenchmark
from brittle.studies.shared.networks import ORIGINS
from brittle.studies.shared.shipped import ShippedBenchmark
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


@pytest.fixture
def quick(monkeypatch):
    """A small network in the place of MNIST-A, trained in no time, and few steps."""
    monkeypatch.setattr(deformations, "_DIGITS", replace(deformations._DIGITS, architecture="digits-lenet"))
    monkeypatch.setitem(deformations.TRAINING, "small", PlainTraining(8, 16, "adam", 1e-3, decay=0.0))
    for module in (table, adef_adversarial_training):
        monkeypatch.setattr(module, "AS_PUBLISHED", replace(deformations.AS_PUBLISHED, steps=10))


@pytest.mark.parametrize("name", ["adef", "adef-norms", "adef-targeted"])
def test_the_tables_are_filled_for_the_network_at_hand_and_say_what_is_missing(few_digits, tmp_path, quick, name):
    result = run_study(name, tmp_path, data=few_digits)
    rows = [row.key for row in result.rows if row.key.startswith("MNIST-CNN")]
    for row in rows:
        measured = {column.key: result.entry(row, column.key).measured for column in result.columns}
        missing = [key for key, value in measured.items() if value is None and key not in ("mean", "median", "ninety")]
        assert not missing
        assert any(isinstance(value, Estimate) for value in measured.values())
    if name == "adef":
        assert result.entry("MNIST-CNN", "success").published == 99.90
        assert result.entry("Inception-v3", "iterations").published == 4.050
        assert result.entry("SqueezeNet 1.0", "iterations").published == 4.050
        assert result.entry("MobileNet v2", "accuracy").published == 76.97
        assert result.missing == 4
        missing = " ".join(note for row in result.rows if row.key == "ResNet-101" for note in row.notes)
        assert "as torchvision:resnet101" in missing
    if name == "adef-norms":
        assert isinstance(result.figures[0], Curves)
    assert run_study(name, tmp_path, data=few_digits).computed == 0


def test_beside_the_published_figures_stands_the_published_attack():
    assert (AS_PUBLISHED.candidates, AS_PUBLISHED.nudge, AS_PUBLISHED.stride) == (9, 0, float("inf"))
    setting = Setting(None, None, "small", "cpu", 0, Path())
    work = table.Table(subjects(setting)["MNIST-CNN"])
    assert work.theirs.attack == AS_PUBLISHED
    assert work.ours.attack == ADef()


def test_networks_are_trained_on_what_the_row_says(few_digits, tmp_path, monkeypatch, quick):
    tiny = PlainTraining(1, 10, "adam", 1e-3, decay=0.0)
    small = replace(SIZES["small"], settings=dict.fromkeys(("PGD", "ADef"), tiny), images={"PGD": 30, "ADef": 30})
    small = replace(small, adef=replace(small.adef, attack=ADef(steps=2)), suffix="", shipped=(), test=12)
    monkeypatch.setattr(adef_adversarial_training, "SIZES", {"small": small})
    monkeypatch.setattr(adef_adversarial_training, "JUDGE", PGD(steps=3, step_size=0.1))
    names = dict.fromkeys(("MNIST-A", "MNIST-B"), "digits-lenet")
    monkeypatch.setattr(adef_adversarial_training, "_ARCHITECTURES", names)
    setting = Setting(few_digits, None, "small", "cpu", 0, tmp_path)
    kinds = {row: type(hardened(row, setting).training).__name__ for row in adef_adversarial_training.ROWS}
    assert list(kinds.values()) == ["AccumulatedTraining", "AdversarialTraining"] * 2
    result = run_study("adef-adversarial-training", tmp_path, data=few_digits)
    assert result.missing == 0
    for row, figures in (("MNIST-A (PGD)", (98.36, 5.81, 6.67)), ("MNIST-B (ADef)", (98.79, 100.0, 45.07))):
        assert tuple(result.entry(row, key).published for key in ("accuracy", "pgd", "adef")) == figures
        assert isinstance(result.entry(row, "accuracy").measured, Estimate)
    assert len(list((tmp_path / "networks").glob("*/weights.safetensors"))) == 2


def test_the_robust_network_of_the_package_is_taken_where_the_paper_is_too_long(tmp_path):
    setting = Setting(None, None, "small", "cpu", 0, tmp_path)
    assert isinstance(hardened("MNIST-A (PGD)", setting), ShippedBenchmark)
    paper = hardened("MNIST-A (PGD)", replace(setting, scale="paper"))
    assert isinstance(paper, HardenedBenchmark)
    assert paper.training.attack == PGD(steps=40, step_size=0.01)
    assert (paper.origin.architecture, paper.settings.epochs) == ("mnist-a", 84)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("row", adef_scattering.LAYERS)
def test_a_scattering_network_is_differentiable_and_its_layer_fits(classes, row):
    pytest.importorskip("kymatio")
    scattering = adef_scattering.Scattering(28, 28)
    images = torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20) % classes
    images[labels == 1, :, :14] *= 0.3
    images[labels == 2, :, 14:] *= 0.3
    features = scattering(images)
    assert features.shape == (20, 81 * 49)
    module = adef_scattering.fitted(scattering, features, labels, adef_scattering.LAYERS[row]())
    assert (module(images).argmax(1) == labels).all()
    leaf = images[:1].clone().requires_grad_()
    module(leaf)[0, 0].backward()
    assert leaf.grad.abs().sum() > 0
    assert torch.isfinite(leaf.grad).all()


def test_without_kymatio_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "kymatio.scattering2d.frontend.torch_frontend", None)
    with pytest.raises(MissingExtra, match=r"brittle\[scattering\]"):
        adef_scattering.Scattering(28, 28)
