"""The check of what a detector refused, on either side of each threshold."""

from collections.abc import Sequence

import numpy as np
import pytest
from made_up_audits import BOX, STEPS, Bright, attempt, case, rows, verdict

from brittle import Classifier
from brittle.health.counting import CountingClassifier
from brittle.health.refusals import REFUSALS

COUNT = 40


def of(*refused: Sequence[int], broken: int, oblivious: bool = False, alarms: int = 0):
    """An audit in which each attempt broke the first images, and others were misclassified and refused."""
    attempts = []
    for which, attack in zip(refused, (STEPS, BOX), strict=False):
        caught, hit = np.isin(np.arange(COUNT), list(which)), np.arange(COUNT) < broken
        alarmed = np.arange(COUNT) >= COUNT - alarms
        table = rows(COUNT, range(broken), range(COUNT - alarms, COUNT), size=0.05)
        columns = {"prediction": (caught | hit).astype(np.int64), "refused": caught, "clean_refused": alarmed}
        sizes = dict.fromkeys(("linf",), np.full(COUNT, 0.05))
        for name, values in (columns | sizes).items():
            table = table.drop_columns(name) if name in table.column_names else table
            table = table.append_column(name, [values])
        attempts.append(attempt(attack, table))
    meter = CountingClassifier(Classifier(Bright(3), rejects=True, oblivious=oblivious))
    return case(*attempts, meter=meter)


@pytest.mark.parametrize(
    ("saved", "status"), [(0, "pass"), (2, "pass"), (3, "warn"), (6, "warn"), (7, "fail"), (20, "fail")]
)
def test_so_many_of_the_misclassified_images_may_be_refused(saved: int, status: str):
    made = of(range(18, 18 + saved), broken=18)
    assert verdict(REFUSALS(made)) == (status, saved / (18 + saved))


def test_an_image_that_another_attack_broke_is_not_saved():
    made = of(range(18), range(18), broken=18)
    assert verdict(REFUSALS(made)) == ("pass", 0.0)


def test_it_says_who_does_not_know_the_detector_and_how_often_it_cries_wolf():
    text = REFUSALS(of(range(5), broken=0, oblivious=True, alarms=4)).text
    assert text == (
        "5 of 5 misclassified images were refused, and the attack does not know the detector; 10.0% of 40 clean images "
        "were refused too"
    )
    assert "does not know" not in REFUSALS(of(range(5), broken=0)).text


def test_networks_without_a_detector_and_attacks_that_find_nothing():
    assert REFUSALS(case(attempt(STEPS, rows(4, range(2))))).status == "skipped"
    assert verdict(REFUSALS(of([], broken=0))) == ("pass", 0.0)
