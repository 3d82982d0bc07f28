"""Every check catches the fault planted for it and passes its twin."""

from pathlib import Path

import pytest

from brittle.health.examine import CHECKS
from brittle.health.thorough import THOROUGH_CHECKS
from brittle.health.weights import WEIGHTS
from brittle.studies.faults.planted import PLANTED, Planted

EVERY = (*CHECKS, *THOROUGH_CHECKS, WEIGHTS)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.key)
def test_the_fault_is_caught_and_its_twin_passes(planted: Planted, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("brittle.health.thorough.DRAWS", 1000)  # enough for this fault
    fault = planted.check(planted.faulty())
    assert fault.status in ("warn", "fail"), fault.text
    assert "ended with an error" not in fault.text
    twin = planted.check(planted.sound())
    assert twin.status == "pass", twin.text


def test_every_check_has_a_fault_planted_for_it():
    names = [check.name for check in EVERY]
    assert len(set(names)) == len(names)
    assert {planted.check.name for planted in PLANTED} == set(names)


def test_every_check_says_what_must_hold_who_says_so_and_what_to_do():
    for check in EVERY:
        assert check.title
        assert check.rule.endswith(".")
        assert len(check.source) > 20
        assert check.remedy.endswith(".")


def test_the_documentation_says_what_the_checks_say():
    page = (Path(__file__).parents[2] / "docs" / "health.md").read_text()
    for check in EVERY:
        row = f"| **{check.title}**<br>`{check.name}` | {check.rule} | {check.source} | {check.remedy} |"
        assert row in page, check.name
