"""All checks in one table: their names, whether they ask the network, how they err; and what the documentation says."""

from pathlib import Path

import pytest

from brittle import registry
from brittle.health.check import Check
from brittle.health.examine import BY_NAME, CHECKS, LENGTH, RUNS
from brittle.health.thorough import THOROUGH_CHECKS
from brittle.health.weights import WEIGHTS

ASKS, READS = True, False
TABLE = {
    "images": (READS, "either"),
    "mode": (ASKS, "either"),
    "randomised": (ASKS, "either"),
    "logits": (ASKS, "too high"),
    "classes": (ASKS, "too high"),
    "batch": (ASKS, "either"),
    "clean": (ASKS, "either"),
    "stable": (ASKS, "too high"),
    "gradients": (ASKS, "too high"),
    "optimises": (ASKS, "too high"),
    "finite": (READS, "too high"),
    "refused": (READS, "too high"),
    "iterative": (READS, "too high"),
    "black-box": (READS, "too high"),
    "noise": (READS, "too high"),
    "unlimited": (READS, "too high"),
    "radius": (READS, "too low"),
    "rounding": (READS, "too low"),
    "sample": (READS, "uncertain"),
    "right": (ASKS, "either"),
    "strength": (READS, "too high"),
    "repeatable": (ASKS, "either"),
    "constraints": (ASKS, "too low"),
    "returned": (ASKS, "too high"),
    "converged": (ASKS, "too high"),
    "monotone": (ASKS, "too high"),
    "guessing": (ASKS, "too high"),
    "unbounded": (ASKS, "too high"),
    "more-steps": (ASKS, "too high"),
    "more-restarts": (ASKS, "too high"),
    "more-draws": (ASKS, "too high"),
    "all-guessing": (ASKS, "too high"),
    "weights": (READS, "either"),
}
"""In the order in which they are made: the cheap ones, those of the thorough, and the weights at the very end."""
PAGE = Path(__file__).parents[2] / "docs" / "health.md"


def test_every_check_with_what_it_needs_and_how_it_errs():
    assert {name: (check.asks, check.error) for name, check in BY_NAME.items()} == TABLE
    assert [*BY_NAME] == [*TABLE]
    assert [check.name for check in (*CHECKS, *THOROUGH_CHECKS, WEIGHTS)] == [*TABLE]
    assert all(check.asks is TABLE[name][0] for name, check in BY_NAME.items())


def test_the_registry_has_the_same_checks_by_their_names():
    assert set(registry.CHECKS) >= set(TABLE)
    assert all(registry.CHECKS[name] is check for name, check in BY_NAME.items())


def test_titles_and_functions_are_each_ones_own():
    for kind in ("title", "look", "rule"):
        assert len({getattr(check, kind) for check in BY_NAME.values()}) == len(TABLE)


@pytest.mark.parametrize("check", BY_NAME.values(), ids=BY_NAME)
def test_the_page_of_the_checks_says_what_the_check_says(check: Check):
    row = f"| **{check.title}**<br>`{check.name}` | {check.rule} | {check.source} | {check.remedy} |"
    assert row in PAGE.read_text().splitlines()


def test_the_page_has_no_other_checks():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| **")]
    assert len(rows) == len(TABLE)


def test_a_check_of_ones_own_asks_and_errs_too_high_unless_it_says_otherwise():
    plain = Check("name", "A title", "A rule.", "Somebody", "A remedy.", lambda _: None)
    assert (plain.asks, plain.error) == (True, "too high")


def test_so_many_images_are_shown_again():
    assert (RUNS, LENGTH) == (8, 8), "the documentation says up to 64"
    assert "up to 64 images" in PAGE.read_text()
