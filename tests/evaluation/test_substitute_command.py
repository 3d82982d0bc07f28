"""`substitute` end to end: what it asks, what it keeps, what it measures, and how it goes on after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from brittle import DataError, InputError, LabelError, OracleError, RunError
from brittle.cli import app
from brittle.endpoint.manner import Manner
from brittle.evaluation import substitute_run
from brittle.evaluation.audit import audit
from brittle.evaluation.serve import serve
from brittle.evaluation.substitute import substitute
from brittle.evaluation.substitute_recipes import RECIPES, recipe_of
from brittle.models import open_network
from brittle.report import write_report

LINEAR = """
import torch
from torch import nn


class Linear(nn.Sequential):
    input_shape = (1, 28, 28)


def make():
    return Linear(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(49, 10))
"""
FEW = {"max_images": 12, "test": "digits", "test_images": 20, "rounds": 3, "settings": "epochs=2,batch=8,rate=0.1"}
FEW["each_round"] = 0


@pytest.fixture
def linear(tmp_path: Path) -> str:
    (tmp_path / "linear.py").write_text(LINEAR)
    return f"{tmp_path / 'linear.py'}:make"


class Counting:
    """The digits network, which counts every image that it is shown and may fail."""

    input_shape = (1, 28, 28)

    def __init__(self):
        self.network, self.seen, self.fails_at = open_network("digits-lenet").module, [], None

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        if self.fails_at is not None and len(self.seen) >= self.fails_at:
            raise OracleError("gone")
        self.seen += [image.numpy().tobytes() for image in images]
        with torch.no_grad():
            return self.network(images).argmax(1)


def teach(oracle, out: Path, linear: str, **changes):
    words = {"attacks": ["fgsm"], "epsilons": [0.1, 0.3], "network": linear, "labels": 10, **FEW, **changes}
    return substitute(oracle, "digits:train", out, **words)


def test_what_is_paid_is_what_arrives_and_is_told_apart(tmp_path: Path, linear: str):
    oracle, rounds, attacks = Counting(), [], []
    made = teach(oracle, tmp_path / "s", linear, progress=rounds.append, transferred=attacks.append)
    assert made.queries == {"training": 48, "agreement": 20, "transfer": 40}
    assert len(oracle.seen) == len(set(oracle.seen)) == made.spent == 108
    assert [one.images for one in made.rounds] == [one.queries for one in made.rounds] == [12, 24, 48]
    assert (tuple(rounds), tuple(attacks)) == (made.rounds, made.transfers)
    assert [one.named for one in made.transfers] == ["fgsm at linf 0.1", "fgsm at linf 0.3"]


def test_what_is_told_is_so(tmp_path: Path, linear: str):
    oracle = Counting()
    made = teach(oracle, tmp_path / "s", linear)
    own = open_network(linear, weights=made.folder).module
    from brittle import FGSM, Classifier, Lp, open_source, run

    block = next(open_source("digits").blocks(20))
    with torch.no_grad():
        before, mine = oracle(block.images), own(block.images).argmax(1)
    assert made.rounds[-1].agreement.value == pytest.approx(float((mine == before).float().mean()))
    assert made.rounds[-1].accuracy.value == pytest.approx(float((mine == block.labels).float().mean()))
    right = before == block.labels
    assert made.oracle_accuracy.value == pytest.approx(float(right.float().mean()))
    attacked = run(FGSM(), Classifier(own), block.images, threat=Lp("inf", 0.3)).adversarial
    after = oracle(attacked) != block.labels
    assert made.transfers[1].rate.value == pytest.approx(float(after[right].float().mean()))
    assert made.transfers[1].wrong.value == pytest.approx(float(after.float().mean()))


def test_what_transfers_is_told_after_each_round(tmp_path: Path, linear: str):
    oracle = Counting()
    made = teach(oracle, tmp_path / "s", linear, each_round=8)
    last, final = made.rounds[-1].transfer, made.transfers[1]  # 0.3 is usual for images of 1x28x28
    assert [one.transfer.n for one in made.rounds] == [8, 8, 8]
    assert made.queries == {"training": 48, "agreement": 20, "rounds": 24, "transfer": 32}
    assert (final.queries, round(last.value * 8) <= round(final.rate.value * final.rate.n)) == (12, True)
    assert len(oracle.seen) == len(set(oracle.seen)) == made.spent


def test_the_same_call_gives_the_same_and_a_finished_one_is_read(tmp_path: Path, linear: str):
    first, second = (teach(Counting(), tmp_path / name, linear) for name in "ab")
    assert first.path.read_bytes() != b""
    assert (first.rounds, first.transfers) == (second.rounds, second.transfers)
    oracle = Counting()
    again = teach(oracle, tmp_path / "a", linear)
    assert (again, oracle.seen) == (first, [])
    other = teach(Counting(), tmp_path / "c", linear, seed=1)
    assert other.rounds != first.rounds


@pytest.mark.parametrize("fails_at", [5, 12, 40, 60, 70, 90])
def test_an_interrupted_run_pays_for_nothing_twice_and_gives_the_same(
    tmp_path: Path, linear: str, fails_at: int, monkeypatch
):
    from brittle.evaluation import oracle as opening

    monkeypatch.setattr(opening, "AT_ONCE", 1)
    whole = teach(Counting(), tmp_path / "whole", linear)
    oracle = Counting()
    oracle.fails_at = fails_at
    with pytest.raises(OracleError, match="gone"):
        teach(oracle, tmp_path / "s", linear)
    assert len(oracle.seen) == fails_at
    oracle.fails_at = None
    made = teach(oracle, tmp_path / "s", linear)
    assert len(oracle.seen) == len(set(oracle.seen)) == made.spent
    assert (made.rounds, made.transfers, made.queries) == (whole.rounds, whole.transfers, whole.queries)


def test_adversarial_images_are_made_once_whatever_happens_while_they_are_shown(
    tmp_path: Path, linear: str, monkeypatch
):
    oracle, made = Counting(), []
    before = substitute_run.adversarial
    monkeypatch.setattr(
        substitute_run, "adversarial", lambda *words: made.append(words[0].info.radius) or before(*words)
    )
    oracle.fails_at = 68
    with pytest.raises(OracleError, match="gone"):
        teach(oracle, tmp_path / "s", linear)
    oracle.fails_at = None
    teach(oracle, tmp_path / "s", linear)
    assert made == [0.1, 0.3]


def test_what_the_budget_does_not_suffice_for_is_refused_before_anything_is_asked(tmp_path: Path, linear: str):
    oracle = Counting()
    with pytest.raises(InputError, match=r"takes up to 108 queries \(48 labels, .* and the budget is 107"):
        teach(oracle, tmp_path / "s", linear, budget=107)
    assert oracle.seen == []
    assert not (tmp_path / "s").exists()
    assert teach(oracle, tmp_path / "s", linear, budget=108).spent == 108


def test_a_raised_budget_goes_on_and_other_work_is_refused(tmp_path: Path, linear: str):
    oracle = Counting()
    teach(oracle, tmp_path / "s", linear, budget=108)
    assert teach(oracle, tmp_path / "s", linear, budget=1000).spent == 108
    with pytest.raises(RunError, match="holds another run"):
        teach(oracle, tmp_path / "s", linear, rounds=2)


def test_force_replaces_the_work_and_keeps_what_was_paid_for(tmp_path: Path, linear: str):
    oracle = Counting()
    teach(oracle, tmp_path / "s", linear)
    paid = len(oracle.seen)
    made = teach(oracle, tmp_path / "s", linear, rounds=1, epsilons=[0.2], force=True)
    assert len(oracle.seen) == len(set(oracle.seen)) == made.spent == paid + 20


def test_seed_images_are_not_measured_on(tmp_path: Path, linear: str):
    oracle = Counting()
    made = substitute(
        *(oracle, "digits", tmp_path / "s"),
        **{**FEW, "test_images": 600, "network": linear, "labels": 10, "attacks": ["fgsm"], "epsilons": [0.1]},
    )
    assert made.rounds[0].agreement.n == 500 - 12
    with pytest.raises(DataError, match="no images but the seeds"):
        teach(Counting(), tmp_path / "t", linear, test="digits:train", max_images=2000, budget=None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe": "narrow"}, "no recipe 'narrow'; known are wide, published"),
        ({"augment": "stride=2"}, "stride"),
        ({"settings": "epoch=2"}, "epoch"),
        ({"attacks": ["fsgm"]}, "fsgm"),
        ({"epsilons": [-1.0]}, "radius"),
        ({"budget": 0}, "budget"),
        ({"quantization": 256}, "does nothing here"),
        ({"channel": "blur"}, "does nothing here"),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_folder_is_made(tmp_path: Path, linear: str, changes: dict, words: str):
    with pytest.raises(InputError, match=words):
        teach(Counting(), tmp_path / "s", linear, **changes)
    assert not (tmp_path / "s").exists()


def test_a_substitute_for_other_images_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="the oracle takes images of 1x28x28, and lenet-cifar of 3x32x32"):
        teach("digits-lenet", tmp_path / "s", "lenet-cifar", labels=None)


def test_an_oracle_of_other_classes_than_the_test_images_is_refused(tmp_path: Path, linear: str):
    (tmp_path / "three.py").write_text(LINEAR.replace("nn.Linear(49, 10)", "nn.Linear(49, 3)"))
    with pytest.raises(LabelError, match="the test images have 10 classes and the oracle 3"):
        teach(f"{tmp_path / 'three.py'}:make", tmp_path / "s", linear, labels=None)
    assert not (tmp_path / "s").exists()


def test_the_command_that_is_kept_names_each_attack_once(tmp_path: Path, linear: str):
    made = teach("digits-lenet", tmp_path / "s", linear, labels=None, attacks=["fgsm", "pgd:steps=2"])
    command = json.loads((made.folder / "manifest.json").read_text())["command"]
    assert [command[place + 1] for place, word in enumerate(command) if word == "--attack"] == ["fgsm", "pgd:steps=2"]


def test_an_oracle_with_more_classes_than_the_substitute_is_one_clear_error(tmp_path: Path, linear: str):
    with pytest.raises(LabelError, match="the test images have 10 classes and the oracle 12"):
        teach(lambda images: torch.full((len(images),), 11), tmp_path / "s", linear, labels=12)


def test_an_oracle_that_is_never_right_is_one_clear_error(tmp_path: Path, linear: str):
    with pytest.raises(InputError, match="not one of 1 test images right"):
        teach(lambda images: torch.zeros(len(images)).long(), tmp_path / "s", linear, test_images=1)


def test_the_recipes_say_what_they_are():
    assert RECIPES["published"].teaching.augmentation.step == 0.1
    assert RECIPES["published"].attacks == ("fgsm", "jsma")
    for recipe in RECIPES.values():  # with its default attacks and radii either stays within the published budget
        labels = recipe.teaching.augmentation.sizes(150, recipe.teaching.rounds)[-1]
        assert labels + 200 * (1 + 5 + 1) + 25 * recipe.teaching.rounds <= 6400
    changed = recipe_of("wide", 2, "step=0.05,flip=4", "epochs=3")
    assert (changed.teaching.rounds, changed.teaching.augmentation.flip, changed.training.epochs) == (2, 4, 3)


def test_a_service_teaches_what_the_network_behind_it_does(tmp_path: Path, linear: str):
    with serve("digits-lenet", port=0, labels_only=True) as served:
        made = teach(served.url, tmp_path / "s", linear, labels=None, manner=Manner(rate=5000.0))
        assert served.counts == {"queries": 108, "images": 108, "repeats": 0}
        assert made.spent == 108
    local = teach("digits-lenet", tmp_path / "local", linear, labels=None)
    assert (made.rounds, made.transfers) == (local.rounds, local.transfers)


def test_the_command_tells_rounds_transfers_and_costs(tmp_path: Path, linear: str):
    words = ["substitute", "digits-lenet", "--data", "digits:train", "--max-images", "12", "--test", "digits"]
    words += ["--test-images", "20", "--rounds", "2", "--network", linear, "--set", "epochs=1", "--attack", "fgsm"]
    words += ["--each-round", "0", "--eps", "0.1,51/255", "--device", "cpu", "--out", str(tmp_path / "s")]
    told = CliRunner().invoke(app, words, catch_exceptions=False)
    said = told.stderr.replace("\n", " ")
    assert "round   2   24 labelled   24 queries" in said
    assert "fgsm at linf 0.2   fools the substitute" in said
    assert "84 of a budget of 6,400: 20 agreement, 24 training, 40 transfer" in said
    plain = json.loads(CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False).stdout)
    assert plain["spent"] == 84
    assert [one["radius"] for one in plain["transfers"]] == [0.1, 0.2]
    page = Path(plain["report"]).read_text()
    assert "What transfers" in page
    assert page == write_report(tmp_path / "s").read_text()


def test_the_weights_can_be_audited_and_the_folder_says_what_it_is(tmp_path: Path, linear: str, few_checks):
    made = teach(Counting(), tmp_path / "s", linear)
    asked = {"weights": made.folder, "attacks": ["fgsm"], "eps": 0.1, "max_images": 10}
    assert audit(linear, "digits", tmp_path / "audit", **asked).manifest.network.parameters == 500
    with pytest.raises(Exception, match="is the folder of a substitute; name the network"):
        open_network(str(made.folder))
    made.path.write_bytes(made.path.read_bytes()[:-1])
    with pytest.raises(Exception, match="damaged or another one"):
        open_network(linear, weights=made.folder)


@pytest.mark.slow
def test_a_run_killed_twice_with_kill_9_pays_for_no_image_twice(tmp_path: Path, linear: str):
    with serve("digits-lenet", port=0, labels_only=True) as served:
        words = [
            sys.executable,
            "-m",
            "brittle",
            "substitute",
            served.url,
            "--data",
            "digits:train",
            "--max-images",
            "50",
        ]
        words += ["--test", "digits", "--test-images", "50", "--network", linear, "--rounds", "4", "--rate", "100"]
        words += ["--attack", "fgsm", "--each-round", "5", "--device", "cpu", "--out", str(tmp_path / "s")]
        for most in (70, 200):  # each time in the middle of a round's questions
            process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
            while served.counts["queries"] < most:
                time.sleep(0.01)
                assert process.poll() is None
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        told = json.loads(subprocess.run([*words, "--json"], check=True, capture_output=True).stdout)
        assert told["spent"] == served.counts["queries"] == served.counts["images"]
        assert served.counts["repeats"] <= 2  # what was in flight at a kill, paid for once all the same
