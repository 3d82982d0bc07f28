"""The table of Madry et al. on a few digits: rows as published, white box and transfer as they are defined."""

from dataclasses import replace

import pytest
import torch

from brittle import Attack, Lp, Targeted, Untargeted, run
from brittle.attacks.pgd import PGD
from brittle.core.goal import ALL_THE_WAY
from brittle.evaluation.recipes import Recipe, adversarial_recipe
from brittle.metrics import Estimate
from brittle.studies import Setting, run_study
from brittle.studies.madry import mnist as madry_mnist
from brittle.studies.madry.mnist import KAPPA, LINES, Attempt, Line, Size, network
from brittle.studies.shared.hardened import HardenedBenchmark
from brittle.studies.shared.shipped import ShippedBenchmark
from brittle.training.adversarial import AdversarialTraining
from brittle.training.recipe import PlainTraining


@pytest.fixture
def setting(few_digits, tmp_path, monkeypatch):
    settings = PlainTraining(1, 10, "adam", 1e-3, decay=0.0)
    training = AdversarialTraining(PGD(steps=1, step_size=0.1), Lp("inf", 0.3), warmup=0.5)
    tiny = Size(Recipe("tiny", settings, training), "", settings)
    monkeypatch.setattr(madry_mnist, "SIZES", {"small": tiny, "paper": tiny})
    places = {"A": ("digits-lenet", 0), "A'": ("digits-lenet", 1), "B": ("digits-lenet", 2)}
    monkeypatch.setattr(madry_mnist, "SOURCES", places)
    return Setting(few_digits, None, "small", "cpu", 0, tmp_path)


def test_the_rows_are_the_papers():
    assert len(LINES) == 17
    assert LINES["PGD, 100 steps, 20 restarts, from A"].tries == PGD(steps=100, step_size=0.01, restarts=20)
    assert LINES["CW, 40 steps, from A'"].tries.loss == "margin"
    assert LINES["CW+, from B"].tries.kappa == KAPPA
    published = madry_mnist.MADRY_MNIST.published
    assert published("PGD, 100 steps, 20 restarts, from A", "accuracy") == 89.3
    assert published("CW+, from B", "accuracy") == 95.7
    assert published("Natural", "accuracy") == 98.8


def test_what_is_wanted_of_the_source():
    labels, clean = torch.tensor([0, 1]), torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, -1.0]])
    runner_up = Line("Targeted", 40, 1, "A").goal(labels, clean)
    assert isinstance(runner_up, Targeted)
    assert runner_up.labels.tolist() == [2, 0]
    wanted = {source: Line("PGD", 40, 1, source).goal(labels, clean) for source in ("A", "B")}
    assert all(isinstance(goal, Untargeted) for goal in wanted.values())
    assert (wanted["A"].confidence, wanted["B"].confidence) == (0.0, ALL_THE_WAY)
    assert Line("CW+", 40, 1, "A'").goal(labels, clean).confidence == KAPPA


def test_the_networks_differ_and_a_transfer_is_judged_by_the_first_one(setting):
    networks = {name: network(name, setting) for name in ("A", "A'")}
    assert networks["A"].network.digest != networks["A'"].network.digest
    line = LINES["FGSM, from A'"]
    value = Attempt(line, networks["A"], networks["A'"]).measure().values["accuracy"]
    block = next(networks["A"].source.blocks(100))
    found = run(
        line.tries,
        networks["A'"].classifier,
        block.images,
        goal=Untargeted(block.labels, confidence=ALL_THE_WAY),
        threat=Lp("inf", 0.3),
        ids=block.index,
    )
    right = networks["A"].classifier.logits(found.adversarial).argmax(1) == block.labels
    assert value.value == pytest.approx(float(right.float().mean()))
    assert found.linf.max() <= 0.3 + 1e-6


def test_the_table_is_filled_and_kept(setting, few_digits, monkeypatch):
    """With a tenth of each row's steps and restarts."""
    full = Line.tries.fget

    def short(line: Line) -> Attack:
        attack = full(line)
        if not isinstance(attack, PGD):
            return attack
        return replace(attack, steps=attack.steps // 10, restarts=max(1, attack.restarts // 10), step_size=0.1)

    monkeypatch.setattr(Line, "tries", property(short))
    result = run_study("madry-mnist", setting.folder, data=few_digits)
    assert result.missing == 0
    assert all(isinstance(result.entry(row.key, "accuracy").measured, Estimate) for row in result.rows)
    accuracy = {row.key: result.entry(row.key, "accuracy").measured.value for row in result.rows}
    assert accuracy["PGD, 40 steps, 20 restarts, from A"] <= accuracy["PGD, 40 steps, from A"] <= accuracy["Natural"]
    assert run_study("madry-mnist", setting.folder, data=few_digits).computed == 0


def test_every_restart_is_shown_to_the_target(setting, monkeypatch):
    """A right answer counts only if it stands after the point of each restart, with draws of its own."""
    networks = {name: network(name, setting) for name in ("A", "A'")}
    attempt = Attempt(Line("PGD", 2, 3, "A'"), networks["A"], networks["A'"])
    seen = []
    changed = Attempt._changed

    def watched(self, attack, images, labels, ids, restart):
        found = changed(self, attack, images, labels, ids, restart)
        seen.append((attack.restarts, restart, ids, networks["A"].right(found, labels), found))
        return found

    monkeypatch.setattr(Attempt, "_changed", watched)
    block = next(networks["A"].source.blocks(100))
    standing = attempt._standing(block.images, block.labels, block.index)
    assert [(one[0], one[1]) for one in seen] == [(1, restart) for restart in range(len(seen))]
    assert torch.equal(seen[0][2], block.index)
    wanted = torch.ones(len(block), dtype=torch.bool)
    for _, _, ids, right, _ in seen:
        assert torch.equal(ids, block.index[wanted])
        wanted[wanted.clone()] = right
    assert torch.equal(standing, wanted)
    if len(seen) > 1:
        assert not torch.equal(seen[0][4][: len(seen[1][4])], seen[1][4])


def test_the_small_scale_opens_the_network_that_comes_with_the_package(few_digits, tmp_path):
    setting = Setting(few_digits, None, "small", "cpu", 0, tmp_path)
    first = network("A", setting)
    assert isinstance(first, ShippedBenchmark)
    assert first.network.spec == "mnist-a-robust"
    assert first.network.parameters == 3_274_634
    assert "comes with the package" in first.story()
    other = network("A'", setting)
    assert other.training == adversarial_recipe("madry-mnist-quick").adversarial
    assert (other.settings.seed, network("B", setting).training) == (1, None)
    assert isinstance(network("A", replace(setting, scale="paper")), HardenedBenchmark)
