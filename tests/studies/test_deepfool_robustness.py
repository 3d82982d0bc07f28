"""The whole study on a few digits: networks are trained, found or missing, and the table says which."""

import base64
import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from brittle import LBFGS, BoundaryDescent
from brittle.errors import DataError, ModelError
from brittle.metrics import Estimate
from brittle.models import ARCHITECTURES, Network
from brittle.studies import Setting, run_study
from brittle.studies.deepfool.beside import AsPublished, ByBetterSearch, Illustration, InMaximumNorm
from brittle.studies.deepfool.methods import ByDeepFool, ByLBFGS, ErrorRate
from brittle.studies.deepfool.robustness import ORIGINS
from brittle.studies.shared.subject import Benchmark
from brittle.training.named import seeded
from brittle.training.weights import save_weights

NAME = "deepfool-robustness"
MEASURED = ["error", "deepfool.rho", "deepfool.iterations", "deepfool.passes", "deepfool.seconds"]
NIN, LENET = (next(origin for origin in ORIGINS if origin.row == row) for row in ("NIN (CIFAR-10)", "LeNet (MNIST)"))


@pytest.fixture(scope="module", autouse=True)
def short():
    """The slowest of the methods searches for a short time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ByLBFGS, "attack", LBFGS(searches=2, steps=5))
        patch.setattr(ByBetterSearch, "longer", BoundaryDescent(steps=8))
        yield


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Untrained weights for the CIFAR LeNet."""
    folder = tmp_path_factory.mktemp("models")
    module = seeded(ARCHITECTURES["lenet-cifar"].build, 0)
    save_weights(folder / "lenet-cifar.safetensors", module, {})
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def result(few_digits, models, out, told):
    return run_study(NAME, out, data=few_digits, models=models, watch=lambda line, fraction=None: told.append(line))


def notes(result, row):
    return " ".join(next(one.notes for one in result.rows if one.key == row))


@pytest.mark.parametrize("row", ["LeNet (MNIST)", "FC500-150-10 (MNIST)", "LeNet (CIFAR-10)"])
def test_networks_at_hand_are_measured_beside_the_published_figures(result, row):
    for column in MEASURED:
        estimate = result.entry(row, column).measured
        assert isinstance(estimate, Estimate)
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.n == 12
    assert result.entry(row, "images").measured == "12"
    assert 0 < result.entry(row, "deepfool.rho").measured.value < 1
    assert result.entry(row, "sign.rho").measured is not None
    assert isinstance(result.entry(row, "lbfgs.rho").published, float)
    lbfgs = result.entry(row, "lbfgs.rho")
    assert 0 < lbfgs.measured.value < 1
    assert lbfgs.note == "(first 12 images)"
    assert result.entry(row, "lbfgs.seconds").measured.value > 0


@pytest.mark.parametrize("row", ["LeNet (MNIST)", "LeNet (CIFAR-10)"])
def test_the_other_norm_and_the_letter_of_the_algorithm_stand_beside(result, row):
    theirs = {"LeNet (MNIST)": (0.10, 0.26), "LeNet (CIFAR-10)": (0.015, 0.028)}[row]
    for column, figure in zip(("linf.deepfool.rho", "linf.sign.rho"), theirs, strict=True):
        assert result.entry(row, column).published == figure
    maximum = result.entry(row, "linf.deepfool.rho").measured
    assert 0 < maximum.value < result.entry(row, "deepfool.rho").measured.value
    ours, algorithm = (result.entry(row, f"{kind}.rho").measured.value for kind in ("deepfool", "published"))
    assert algorithm == pytest.approx(ours, rel=0.2)
    assert result.entry(row, "published.iterations").measured.value >= 1
    same = [result.entry(row, f"same.{kind}.rho").measured for kind in ("deepfool", "lbfgs", "better")]
    assert {one.n for one in same} == {12}
    assert same[1].value == result.entry(row, "lbfgs.rho").measured.value


def test_the_total_is_lengthened_at_the_end(few_digits, models, tmp_path):
    setting = Setting(few_digits, models, "small", "cpu", 0, tmp_path)
    subject = Benchmark(next(origin for origin in ORIGINS if origin.row == "LeNet (CIFAR-10)"), setting)
    assert AsPublished(subject).attack.overshoot == 0
    assert InMaximumNorm(subject).attack.overshoot == 0.02
    assert AsPublished(subject).identity() != InMaximumNorm(subject).identity()


def test_the_picture_shows_both_changes_beside_the_image(few_digits, models, tmp_path):
    setting = Setting(few_digits, models, "small", "cpu", 0, tmp_path)
    subject = Benchmark(next(origin for origin in ORIGINS if origin.row == "LeNet (CIFAR-10)"), setting)
    (picture,) = Illustration(subject).measure().figures
    with Image.open(io.BytesIO(base64.b64decode(picture.png))) as drawn:
        assert drawn.size == (3 * 32 + 2 * 4, 2 * 32 + 4)
        pixels = np.asarray(drawn, dtype=int)
    assert (pixels[36:, :32] == 128).all()
    deepfool, sign = pixels[36:, 36:68] - 128, pixels[36:, 72:] - 128
    assert abs(np.concatenate([deepfool, sign])).max() >= 127
    assert "DeepFool" in picture.caption


def test_what_is_missing_is_named_and_where_it_belongs(result, models, few_digits):
    assert f"needs squeezenet1_0.pt2, which is not in the folder given with --models, {models}" in notes(
        result, "SqueezeNet 1.0 (ImageNet)"
    )
    assert "made" in notes(result, "SqueezeNet 1.0 (ImageNet)")
    assert result.entry("MobileNet v2 (ImageNet)", "deepfool.rho").published == 0.0019
    assert notes(result, "LeNet (MNIST)").startswith("Trained by the study, 3 epochs on mnist/train.parquet (431,080 ")
    assert notes(result, "LeNet (CIFAR-10)").startswith("Network from lenet-cifar.safetensors (")


def test_the_long_training_is_not_done_but_its_length_is_told(result):
    assert "160 epochs of 6 images, about " in notes(result, NIN.row)
    assert "--scale paper, or give MODELS/nin-cifar.safetensors" in notes(result, NIN.row)
    assert result.entry(NIN.row, "deepfool.rho").measured is None
    assert result.entry(NIN.row, "deepfool.rho").published == 0.023


def test_again_nothing_is_trained_or_computed(result, few_digits, models, out, told):
    assert any("LeNet (MNIST): epoch 3 of 3" in line for line in told)
    lines = []
    again = run_study(NAME, out, data=few_digits, models=models, watch=lambda line, fraction=None: lines.append(line))
    assert (again.computed, again.reused) == (0, result.computed)
    assert again.entries == result.entries
    assert not any("epoch" in line or "DeepFool," in line for line in lines)


def test_without_folders_the_table_says_what_to_give(tmp_path):
    result = run_study(NAME, tmp_path)
    assert result.computed == 0
    assert "needs mnist/train.parquet: give the folder that holds it with --data" in notes(result, LENET.row)
    told = notes(result, "MobileNet v2 (ImageNet)")
    assert "needs mobilenet_v2_1.0_224.pt2: give the folder that holds it with --models" in told
    assert result.entry(LENET.row, "deepfool.rho").published == 0.2


def test_the_long_training_can_be_done(few_digits, tmp_path):
    epoch = replace(NIN, epochs=(("paper", 1),))
    setting = Setting(few_digits, None, "paper", "cpu", 0, tmp_path)
    subject = Benchmark(epoch, setting)
    network = subject.network
    assert network.input_shape == (3, 32, 32)
    assert len(list((tmp_path / "networks").glob("nin-cifar-*/weights.safetensors"))) == 1
    again = Benchmark(epoch, setting)
    assert again.network.digest == network.digest
    assert len(again.source) == 12
    other = Benchmark(epoch, replace(setting, seed=1))
    assert other.network.digest != network.digest


def test_given_weights_are_used_at_every_scale(few_digits, tmp_path):
    module = seeded(ARCHITECTURES["nin-cifar"].build, 5)
    save_weights(tmp_path / "nin-cifar.safetensors", module, {})
    subject = Benchmark(NIN, Setting(few_digits, tmp_path, "small", "cpu", 0, tmp_path))
    assert subject.given == tmp_path / "nin-cifar.safetensors"
    assert torch.equal(subject.network.module[1].weight, module[1].weight)


def test_a_broken_network_is_told_and_not_taken(few_digits, tmp_path):
    (tmp_path / "lenet-mnist.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        _ = Benchmark(LENET, Setting(few_digits, tmp_path, "small", "cpu", 0, tmp_path)).network


def test_labels_of_other_classes_are_refused(few_digits, tmp_path):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 5))
    subject = Benchmark(LENET, Setting(few_digits, None, "small", "cpu", 0, tmp_path))
    subject.__dict__["network"] = Network("five", module, "0", (1, 28, 28))
    with pytest.raises(ValueError, match="no class of the network"):
        list(subject.blocks("looking"))


def test_a_missing_data_file_is_told_by_its_folder(tmp_path):
    with pytest.raises(DataError, match=r"needs mnist/test.parquet, which is not in the folder given with --data"):
        Setting(tmp_path, None, "small", "cpu", 0, tmp_path).data_file("mnist/test.parquet")


@pytest.mark.slow
def test_a_real_network_has_its_known_error_and_the_iterations_that_the_paper_claims(tmp_path):
    data, models = os.environ.get("BRITTLE_DATA"), os.environ.get("BRITTLE_MODELS")
    if not data or not models:
        pytest.skip("BRITTLE_DATA and BRITTLE_MODELS are not set: no real images and networks to measure")
    setting = Setting(Path(data), Path(models), "small", "cpu", 0, tmp_path)
    subject = Benchmark(next(origin for origin in ORIGINS if origin.files == ("cifar10_lenet.pt2",)), setting)
    error = ErrorRate(subject).measure().values["error"]
    assert error.low < 0.30 < error.high
    values = ByDeepFool(subject).measure().values
    assert values["deepfool.iterations"].high < 3
    assert 0.003 < values["deepfool.rho"].value < 0.004
