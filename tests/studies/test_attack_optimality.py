"""The ranking of minimum-norm attacks on a few digits: within the budget, and the better attack ahead."""

import pytest

from brittle import Attack
from brittle.errors import InputError
from brittle.evaluation.spec import parse_attack
from brittle.metrics import Estimate
from brittle.registry import ATTACKS as REGISTERED
from brittle.studies import run_study
from brittle.studies.optimality import attack_optimality
from brittle.studies.optimality.attack_optimality import ATTACKS, COLUMNS
from brittle.threats import parse_threat


def searches_without_a_radius(attack: Attack, norm: str) -> bool:
    try:
        attack.check(parse_threat(norm))
    except InputError:
        return False
    return attack.gradients


@pytest.mark.parametrize("norm", list(ATTACKS))
def test_every_minimum_norm_attack_takes_part(norm):
    tried = {type(parse_attack(text).attack) for text in ATTACKS[norm]}
    assert all(kind in tried for kind in REGISTERED.values() if searches_without_a_radius(kind(), norm))


def test_the_table_ranks_attacks_on_the_images_that_are_right(few_digits, models, tmp_path, monkeypatch):
    few = {"l2": ("boundary-descent:steps=300", "deepfool", "superdeepfool")}
    monkeypatch.setattr(attack_optimality, "ATTACKS", few)
    monkeypatch.setattr(attack_optimality, "ORIGINS", attack_optimality.ORIGINS[:1])
    result = run_study("attack-optimality", tmp_path, data=few_digits, models=models)
    assert result.missing == 0
    fractions = {text: result.entry("LeNet (MNIST)", f"l2.{text}").measured for text in few["l2"]}
    assert all(isinstance(fraction, Estimate) for fraction in fractions.values())
    assert (
        fractions["boundary-descent:steps=300"].value > fractions["superdeepfool"].value > fractions["deepfool"].value
    )
    assert fractions["boundary-descent:steps=300"].value > 0.99
    assert int(result.entry("LeNet (MNIST)", "l2.images").measured) == fractions["deepfool"].n
    assert any("still right" in str(figure) for figure in result.figures)
    assert {column.sheet for column in COLUMNS} == set(ATTACKS)
