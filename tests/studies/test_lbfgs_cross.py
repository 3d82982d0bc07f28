"""Szegedy et al.'s two tables: what is done to the images, who is trained on what, and both studies on a few digits."""

import re
from dataclasses import replace

import pytest
import torch

from brittle import LBFGS
from brittle.metrics import Estimate
from brittle.models import ARCHITECTURES
from brittle.studies import STUDIES, Setting, published, run_study
from brittle.studies.lbfgs import crossing
from brittle.studies.lbfgs.cross_model import MODELS
from brittle.studies.lbfgs.cross_training_set import MODELS as HALVES
from brittle.studies.lbfgs.crossing import RIGHT, Change, TransferMatrix, amplified, distortion, figure, other_classes
from brittle.studies.shared import small_networks
from brittle.studies.shared.small_networks import CODE, CODE_TRAINING, SPARSITY, TEST, Model, SmallNetworks, penalised
from brittle.training import RECIPES
from brittle.training.autoencoder import train_autoencoder
from brittle.training.named import seeded

NAMES = {"lbfgs-cross-model": "lbfgs_cross_model", "lbfgs-cross-training-set": "lbfgs_cross_training_set"}
COUNTS = {"lbfgs-cross-model": 128, "lbfgs-cross-training-set": 12}
"""Training images and test images of the few digits."""


@pytest.fixture(scope="module", autouse=True)
def _quick():
    """Let a few images be enough to learn something from, train and search for a short time."""
    with pytest.MonkeyPatch.context() as patch:
        quick = {name: replace(one, batch=32, epochs=10) for name, one in RECIPES.items()}
        patch.setattr(small_networks, "RECIPES", quick)
        patch.setattr(small_networks, "CODE_TRAINING", replace(CODE_TRAINING, epochs=8))
        patch.setattr(crossing, "ATTACK", LBFGS(searches=5, steps=20))
        yield


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module", params=NAMES)
def result(request, few_digits, out):
    return run_study(request.param, out, data=few_digits)


def test_the_tables_are_filled(result):
    models = [column.key for column in result.columns if column.key != "distortion" and RIGHT not in column.key]
    count = COUNTS[result.name]
    assert not result.missing
    for row in result.rows:
        for key in (*models, "distortion"):
            estimate = result.entry(row.key, key).measured
            assert isinstance(estimate, Estimate)
            assert estimate.n == count
            assert 0 <= estimate.value <= 1
    for key in models:
        own = next(row.key for row in result.rows if row.key.removeprefix("distorted for ") == key)
        size = result.entry(own, "distortion")
        lost = int(re.match(r"\((\d+) of \d+ images not led", size.note)[1]) if size.note else 0
        assert lost < (1 if key.startswith("FC10(") else 0.7) * count
        assert result.entry(own, key).measured.value >= 1 - lost / count
        assert 0 < size.measured.value < 0.3
        assert next(row.notes for row in result.rows if row.key == own)[0].startswith("Trained by the study, ")
    clean = next(row.key for row in result.rows if row.key.startswith("unchanged"))
    assert result.entry(clean, "distortion").measured.value == 0
    for key in models:
        wrong, right = (result.entry(clean, key + end).measured for end in ("", RIGHT))
        assert right.value == 0
        assert right.n == round(count * (1 - wrong.value))
    assert result.entry("Gaussian noise stddev 0.1", "distortion").measured.value == pytest.approx(0.1, abs=5e-3)


def test_every_published_figure_stands_in_the_study(result):
    table = published()[NAMES[result.name]]
    shown = [result.entry(row.key, column.key).published for row in result.rows for column in result.columns]
    theirs = [one for figures in table.rows.values() for one in figures]
    extra = [] if "average distortion" in table.columns else [0.062, 0.059, 0.058, 0.06, 0.1, 0.1, 0.1, 0.1]
    assert sorted(one for one in shown if one is not None) == sorted([*theirs, *extra])


def test_the_drawings_hold_what_the_table_holds(result):
    measured, paper, sheet = result.figures
    for row, values in zip(result.rows, measured.values, strict=True):
        assert values == [result.entry(row.key, key).measured.value for key in measured.columns]
    assert len(paper.rows) == 8
    assert paper.values[0][0] == 1.0
    assert sheet.kind == "picture"


def test_again_nothing_is_trained_or_computed(result, few_digits, out, monkeypatch):
    monkeypatch.setattr(small_networks, "fit", None)
    again = run_study(result.name, out, data=few_digits)
    assert (again.computed, again.reused) == (0, len(result.rows) + 1)
    assert again.entries == result.entries


def test_a_network_is_trained_once(result, few_digits, out, monkeypatch):
    monkeypatch.setattr(small_networks, "fit", None)
    study = STUDIES[result.name]
    setting = Setting(few_digits, None, "small", "cpu", 0, out / result.name, trained=out / "networks")
    cells = study.cells(setting)
    assert cells[0].compute().values == {
        column.key: result.entry(cells[0].row, column.key).measured for column in result.columns
    }


def test_without_data_the_table_says_what_to_give(tmp_path):
    result = run_study("lbfgs-cross-model", tmp_path)
    assert result.computed == 0
    assert "needs mnist/train.parquet: give the folder that holds it with --data" in result.rows[0].notes[0]
    assert result.entry("FC10(1)", "AE400-10").published == 34.4


def test_distortion_and_amplification_by_hand():
    images = torch.zeros(2, 1, 2, 2)
    changed = images.clone()
    changed[0] = torch.tensor([[0.3, 0.0], [0.0, 0.4]])
    assert distortion(changed - images).tolist() == pytest.approx([0.25, 0])
    longer = amplified(images, changed, 0.5)
    assert distortion(longer - images).tolist() == pytest.approx([0.5, 0])
    torch.testing.assert_close(longer[0], 2 * changed[0])


def test_the_other_class_is_any_but_the_label_and_does_not_depend_on_the_rest():
    labels = torch.arange(5000) % 10
    drawn = other_classes(labels, 10, 3)
    counts = torch.zeros(10, 10).index_put((labels, drawn), torch.ones(()), accumulate=True)
    assert (counts.diagonal() == 0).all()
    assert (counts[~torch.eye(10, dtype=torch.bool)] > 25).all()
    assert torch.equal(other_classes(labels[:70], 10, 3), drawn[:70])
    assert not torch.equal(other_classes(labels, 10, 4), drawn)


def test_a_row_that_the_paper_does_not_have_has_no_published_figure():
    table, changes = published()["lbfgs_cross_model"], (Change("mine", "mine"),)
    assert figure(table, changes, "mine", "AE400-10") is None
    assert figure(published()["lbfgs_cross_training_set"], changes, "mine", "distortion") is None


def networks(few_digits, folder, models, **options) -> SmallNetworks:
    return SmallNetworks(models, Setting(few_digits, None, "small", "cpu", 0, folder, **options), TEST, {"small": 12})


def test_the_halves_are_disjoint_and_whole(few_digits, tmp_path, monkeypatch):
    seen = []

    def record(module, images, labels, **settings):
        seen.append(images)
        raise KeyboardInterrupt

    monkeypatch.setattr(small_networks, "fit", record)
    all_three = networks(few_digits, tmp_path, HALVES)
    for model in HALVES:
        with pytest.raises(KeyboardInterrupt):
            all_three.classifier(model.key)
    first, same, other = seen
    assert torch.equal(first, same)
    whole = all_three.training[0]
    assert len(first) + len(other) == len(whole)
    assert torch.equal(torch.stack([first, other], 1).flatten(0, 1), whole)


def test_weights_start_apart_and_every_layer_has_its_penalty_doubled_into_a_decay(few_digits, tmp_path):
    identity_fields = networks(few_digits, tmp_path, MODELS).identity()["networks"]
    assert [one["training"]["seed"] for one in identity_fields] == list(range(6))
    assert [one["penalties"] for one in identity_fields] == [
        *([1e-4, None], [1e-2, None], [1.0, None]),
        *([1e-5, 1e-6], [1e-5, 1e-6], [1e-6, None]),
    ]
    module = ARCHITECTURES["fc100-100-10"].build()
    made = penalised(MODELS[3], module, RECIPES["fc100-100-10"])(list(module.parameters()))
    assert [group["weight_decay"] for group in made.param_groups] == [2e-5, 2e-5, 2e-5, 2e-5, 2e-6, 2e-6]
    assert isinstance(made, torch.optim.Adam)


def test_the_code_is_trained_to_give_the_image_back_and_then_left(few_digits, tmp_path):
    model = Model("code", "ae400-10", 1e-6, code=True)
    alone = networks(few_digits, tmp_path, [model])
    module = alone.classifier("code").module
    expected = seeded(ARCHITECTURES["ae400-10"].build, 0)
    train_autoencoder(expected[:CODE], alone.training[0], settings=small_networks.CODE_TRAINING, sparsity=SPARSITY)
    torch.testing.assert_close(module[2].weight, expected[2].weight)
    assert not torch.equal(module[4].weight, expected[4].weight)


def test_images_that_are_not_led_to_their_class_are_left_and_counted(few_digits, tmp_path):
    work = TransferMatrix(
        networks(few_digits, tmp_path, [Model("flat", "fc10", 0.0)]),
        (Change("flat", "flat", "flat"),),
        published()["lbfgs_cross_model"],
    )
    module = work.networks.classifier("flat").module
    with torch.no_grad():
        module[2].weight.zero_()
        module[2].bias.copy_(torch.arange(10.0))  # always a nine
    measured = work.row(work.changes[0])
    images, labels = work.networks.shown
    lost = int((other_classes(labels, 10, 0) != 9).sum())
    assert measured.notes == {"distortion": f"({lost} of 12 images not led to their class, and left)"}
    assert torch.equal(work.changed(work.changes[0]), images)
    assert measured.values["distortion"].value == 0
