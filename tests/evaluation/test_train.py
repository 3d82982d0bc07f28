"""`train`: what is asked for in words, what is written, what is measured."""

import json
import shlex

import numpy as np
import pytest
import torch
from safetensors import safe_open
from typer.testing import CliRunner

from brittle import FGSM, PGD, Classifier, InputError, Lp, run
from brittle.cli import app
from brittle.data import open_source
from brittle.errors import LabelError, ModelError, RunError
from brittle.evaluation.recipes import adversarial_recipe
from brittle.evaluation.train import train
from brittle.evaluation.training_run import in_memory
from brittle.models import open_network
from brittle.report.training_page import write_training
from brittle.training import AccumulatedTraining, AdversarialTraining, FreeTraining, PlainTraining, robust_accuracy
from brittle.training.precision import fastest_precision

FEW = {"epochs": 2, "max_images": 200, "settings": "batch=20, rate=3e-3, optimiser=adam"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("train") / "hard"
    attacked = {"attack": "pgd:steps=2", "eps": 0.1, "fraction": 0.5, "warmup": 1.0}
    return train("digits-lenet", "digits:train", out, test="digits", **attacked, **FEW)


def story_of(path):
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["brittle"])


def test_the_weights_tell_the_whole_story(made):
    story = story_of(made.path)
    assert story["command"] == (
        "brittle train digits-lenet --data digits:train --out hard --test digits "
        "--set 'batch=20, rate=3e-3, optimiser=adam' --epochs 2 --attack pgd:steps=2 --eps 0.1 --fraction 0.5 "
        "--warmup 1.0 --norm linf --max-images 200"
    )
    assert story["adversarial"]["attack"] == repr(PGD(steps=2))
    assert story["adversarial"]["threat"] == repr(Lp("inf", 0.1))
    assert (story["settings"]["batch"], story["settings"]["rate"], story["settings"]["epochs"]) == (20, 3e-3, 2)
    assert story["data"]["test_accuracy"] == made.accuracy.value
    assert story["data"]["robust_accuracy"]["n"] == made.robust.n == 500


def test_the_robust_accuracy_is_that_of_the_attack_at_the_full_radius(made):
    images, labels = in_memory(open_source("digits"))
    module = open_network("digits-lenet", weights=made.path).module
    result = run(PGD(steps=2), Classifier(module), images, labels, threat=Lp("inf", 0.1))
    right = result.clean_prediction == labels
    assert made.accuracy.value == pytest.approx(float(right.float().mean()))
    assert made.robust.value == pytest.approx(float((right & ~result.success).float().mean()))
    assert 0 < made.robust.low < made.robust.value < made.accuracy.value


def test_the_course_holds_every_epoch_and_is_drawn(made, tmp_path):
    course = json.loads(made.course.read_text())
    assert [epoch["number"] for epoch in course["epochs"]] == [1, 2]
    assert course["epochs"][1]["adversarial_loss"] == made.history.epochs[1].adversarial_loss
    page = write_training(made.course, tmp_path).read_text()
    assert "the same before the attack" in page
    assert "within Lp(radius=0.1, p=inf)" in page
    assert f"n = {made.robust.n}" in page


def test_without_an_attack_nothing_is_told_of_one(tmp_path):
    made = train("digits-lenet", "digits:train", tmp_path / "plain", test="digits", **FEW)
    assert made.robust is None
    assert "adversarial" not in story_of(made.path)
    assert "before the attack" not in write_training(made.course).read_text()
    assert {path.name for path in (tmp_path / "plain").iterdir()} == {
        *("manifest.json", "weights.safetensors", "training.json", "report.html")
    }


def test_an_attack_without_a_radius_has_no_robust_accuracy_and_may_be_given_one(tmp_path):
    few = {"epochs": 1, "max_images": 20, "test": "digits", "attack": "deepfool:steps=3", "norm": "l2"}
    free = train("digits-lenet", "digits:train", tmp_path / "free", **few)
    assert free.history.adversarial.threat == Lp(2)
    assert free.robust is None
    bound = train("digits-lenet", "digits:train", tmp_path / "bound", eps=1.5, **few)
    assert bound.history.adversarial.threat == Lp(2, 1.5)
    assert bound.robust.n == 500


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eps": 0.1}, "--eps without an attack"),
        ({"fraction": 0.5, "clean_epochs": 1}, "--fraction, --clean-epochs without an attack"),
        ({"recipe": "madry-mnist", "attack": "fgsm"}, "leave out --attack, or the recipe"),
        ({"recipe": "madry-mnist", "warmup": 1.0, "eps": 0.1}, "leave out --warmup, --eps"),
        ({"recipe": "madry-mnist", "method": "free"}, "leave out --method, or the recipe"),
        ({"method": "nothing"}, "there is no method 'nothing'; there are accumulated, free"),
        ({"method": "free", "attack": "fgsm"}, "train on one of them"),
        ({"method": "free", "fraction": 0.5}, "--fraction beside the method free"),
        ({"method": "accumulated:pace=2"}, "pace"),
        ({"method": "accumulated:warmup=2", "warmup": 1.0}, "the warm-up is given twice"),
        ({"method": "accumulated", "once": True}, "once is given without an attack"),
        ({"recipe": "nothing"}, "there is no recipe 'nothing'; there are madry-mnist"),
        ({"settings": "ratte=1"}, r"no field 'ratte' \(did you mean 'rate'\?\)"),
        ({"settings": "rate=0"}, "rate is 0"),
        ({"settings": "optimiser=magic"}, "input should be 'sgd' or 'adam'"),
        ({"attack": "fgsm", "norm": "l7"}, "l7"),
        ({"attack": "fgsm", "fraction": 2.0}, "fraction is 2"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        train("digits-lenet", "digits:train", tmp_path / "w", max_images=10, **options)


def test_a_training_by_another_method_is_named_held_out_and_measured(tmp_path):
    few = FEW | {"settings": "batch=20, rate=3e-3, optimiser=adam, shift=0"}
    made = train(
        *("digits-lenet", "digits:train", tmp_path / "out"),
        **{"method": "accumulated:steps=2", "eps": 0.1, "warmup": 1.0, "test": "digits", **few},
    )
    assert made.history.adversarial == AccumulatedTraining(Lp("inf", 0.1), steps=2, warmup=1.0)
    assert made.history.epochs[-1].held_out_robust_accuracy is not None
    assert made.robust.n == 500
    story = story_of(made.path)
    assert "--method accumulated:steps=2 --eps 0.1" in story["command"]
    assert story["adversarial"]["steps"] == 2
    page = write_training(made.folder).read_text()
    assert "by 2 steps in each epoch, from where the epoch before ended" in page
    assert "Right under a few steps of PGD" in page
    assert "own attack" not in page


def test_a_network_that_comes_with_the_package_is_fine_tuned_by_name(tmp_path):
    few = {"max_images": 40, "epochs": 1, "settings": "rate=1e-9, decay=0, optimiser=sgd"}
    made = train("mnist-a", "digits:train", tmp_path / "out", start="mnist-a-robust", **few)
    tuned = open_network("mnist-a", weights=made.path).module.parameters()
    for found, wanted in zip(tuned, open_network("mnist-a-robust").module.parameters(), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    with pytest.raises(ModelError, match="there is no file"):
        train("mnist-a", "digits:train", tmp_path / "other", start="mnist-b", **few)


def test_free_training_by_words(tmp_path):
    made = train("digits-lenet", "digits:train", tmp_path / "out", method="free:replays=2", eps=0.1, **FEW)
    assert made.history.adversarial == FreeTraining(Lp("inf", 0.1), replays=2)


def test_the_quick_recipe():
    recipe = adversarial_recipe("madry-mnist-quick")
    assert recipe.adversarial == AccumulatedTraining(Lp("inf", 0.3), warmup=2.0)
    assert recipe.settings.precision == fastest_precision()


def test_the_published_recipe():
    recipe = adversarial_recipe("madry-mnist")
    assert recipe.adversarial == AdversarialTraining(PGD(steps=40, step_size=0.01), Lp("inf", 0.3))
    assert recipe.settings == PlainTraining(84, 50, "adam", 1e-4, "constant", decay=0.0)
    assert recipe.settings.epochs * 60_000 / recipe.settings.batch == pytest.approx(100_000, rel=0.01)


def test_a_constant_network_is_as_robust_as_it_is_right():
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    with torch.no_grad():
        module[1].weight.zero_()
        module[1].bias.copy_(torch.tensor([2.0, 0.0]))
    images, labels = torch.full((10, 1, 2, 2), 0.5), torch.tensor([0] * 7 + [1] * 3)
    measured = robust_accuracy(module, images, labels, FGSM(), Lp("inf", 0.3))
    assert (measured.value, measured.n) == (0.7, 10)


def test_the_recorded_command_gives_the_same_weights_again(tmp_path):
    options = {"epochs": 1, "max_images": 60, "seed": 5, "test": "digits", "settings": "batch=20"}
    attacked = {"attack": "fgsm", "eps": 0.1, "clean_epochs": 0, "warmup": 0.5}
    first = train("digits-lenet", "digits:train", tmp_path / "w", **options, **attacked)
    words = shlex.split(story_of(first.path)["command"])
    assert words[:3] == ["brittle", "train", "digits-lenet"]
    again = tmp_path / "again" / "w"
    words[words.index("--out") + 1] = str(again)
    typed = CliRunner().invoke(app, [*words[1:], "--quiet"], catch_exceptions=False)
    assert typed.exit_code == 0
    assert (again / "weights.safetensors").read_bytes() == first.path.read_bytes()


def test_a_radius_in_other_units_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(InputError, match="write 8/255 for 8 levels of 255"):
        train("digits-lenet", "digits:train", tmp_path / "w", max_images=10, attack="fgsm", eps=8, clean_epochs=1)
    with pytest.raises(InputError, match="which allows no change"):
        train("digits-lenet", "digits:train", tmp_path / "w", max_images=10, attack="fgsm", eps=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("changed", [{"keep": "last"}, {"patience": 2}, {"held_out": 31}])
def test_what_decides_the_weights_names_the_training(tmp_path, changed):
    asked = FEW | {"held_out": 30, "attack": "fgsm", "eps": 0.1}
    train("digits-lenet", "digits:train", tmp_path / "out", **asked)
    with pytest.raises(RunError, match=next(iter(changed))):
        train("digits-lenet", "digits:train", tmp_path / "out", **asked | changed)


def test_what_became_of_test_images_is_told(tmp_path):
    wide = tmp_path / "wide.npz"
    np.savez(wide, images=np.zeros((4, 32, 32, 1), np.uint8), labels=np.array([0, 1, 2, 3]))
    made = train("digits-lenet", "digits:train", tmp_path / "out", test=str(wide), **FEW)
    assert "test images: of 4 images: 4 cropped" in made.said


def test_test_images_of_other_classes_are_told_apart(tmp_path):
    for name, words in (("first", ["cat", "dog"]), ("second", ["ship", "dog"])):
        np.savez(
            tmp_path / f"{name}.npz",
            images=np.zeros((4, 28, 28, 1), np.uint8),
            labels=np.array([0, 1, 0, 1]),
            classes=np.array(words),
        )
    first, second = (str(tmp_path / f"{name}.npz") for name in ("first", "second"))
    with pytest.raises(LabelError, match="the classes of the test images"):
        train("digits-lenet", first, tmp_path / "out", test=second, epochs=1)
