"""The checks of finished rows, on either side of each threshold, and what their findings count."""

import math

import numpy as np
import pytest
import torch
from made_up_audits import BOX, NOISE, ONE_STEP, SEARCH, STEPS, attempt, case, rows, verdict

from brittle import Cascade, Flow, Lp, Square
from brittle.health.finite import FINITE
from brittle.health.rows import (
    ALLOWED,
    BLACK_BOX,
    ITERATIVE,
    RIGHT,
    ROUNDING,
    SAMPLE,
    STRENGTH,
    UNLIMITED,
)
from brittle.health.rows import (
    NOISE as NOISE_CHECK,
)


@pytest.mark.parametrize(
    ("count", "one", "many", "status"),
    [
        (500, 10, 10, "pass"),
        (500, 5, 10, "pass"),
        (500, 11, 10, "pass"),  # 0.2 % of the images are no sign
        (499, 11, 10, "warn"),
        (300, 13, 10, "warn"),  # 1 %
        (299, 13, 10, "fail"),
        (20, 12, 10, "warn"),  # two images are chance
        (20, 13, 10, "fail"),
    ],
)
def test_many_steps_against_one(count: int, one: int, many: int, status: str):
    made = case(attempt(ONE_STEP, rows(count, range(one))), attempt(STEPS, rows(count, range(many))))
    finding = ITERATIVE(made)
    assert verdict(finding) == (status, max(one - many, 0) / count)
    assert finding.text == f"PGD broke {many} of {count}, FGSM {one}"


def test_the_share_is_of_the_images_that_were_right():
    """Three of 299 that were right, of 400 in all."""
    wrong = range(299, 400)
    made = case(attempt(ONE_STEP, rows(400, range(13), wrong)), attempt(STEPS, rows(400, range(10), wrong)))
    assert verdict(ITERATIVE(made)) == ("fail", 3 / 299)


def test_one_step_is_compared_with_many_where_these_have_as_much_room():
    def of(single: Lp, several: Lp) -> str:
        one = attempt(ONE_STEP, rows(20, range(9)), single)
        return ITERATIVE(case(one, attempt(STEPS, rows(20), several))).status

    assert of(Lp("inf", 0.1), Lp("inf", 0.1)) == "fail"
    assert of(Lp("inf", 0.1), Lp("inf", 0.2)) == "fail"
    assert of(Lp("inf", 0.2), Lp("inf", 0.1)) == "skipped"
    assert of(Lp("2", 0.1), Lp("inf", 0.2)) == "skipped"
    assert of(Lp("inf"), Lp("inf", 0.2)) == "skipped"


def test_the_worst_pair_is_reported():
    made = case(
        attempt(ONE_STEP, rows(20, range(9)), title="one"),
        attempt(STEPS, rows(20, range(9)), title="good"),
        attempt(STEPS, rows(20, range(2)), title="bad"),
        attempt(STEPS, rows(20, range(5)), title="middling"),
    )
    assert ITERATIVE(made).text == "bad broke 2 of 20, one 9"
    everything_wrong = rows(4, (), range(4))
    assert ITERATIVE(case(attempt(ONE_STEP, everything_wrong), attempt(STEPS, everything_wrong))).status == "skipped"


def test_an_attack_is_of_many_steps_by_its_settings_or_by_what_it_did():
    single = rows(3)
    assert attempt(STEPS, single).iterative
    assert not attempt(ONE_STEP, single).iterative
    assert attempt(ONE_STEP, rows(3, iterations=[1, 2, 1])).iterative
    assert not attempt(NOISE, rows(3)).iterative
    assert attempt(Cascade((ONE_STEP, STEPS)), single).iterative


@pytest.mark.parametrize(
    ("other", "check", "count", "alone", "ours", "status"),
    [
        (BOX, BLACK_BOX, 100, 0, 50, "pass"),
        (BOX, BLACK_BOX, 10, 1, 5, "pass"),  # one image is no sign
        (BOX, BLACK_BOX, 1000, 2, 50, "pass"),  # 0.2 %
        (BOX, BLACK_BOX, 999, 2, 50, "warn"),
        (BOX, BLACK_BOX, 100, 2, 50, "warn"),  # 2 %
        (BOX, BLACK_BOX, 99, 2, 50, "fail"),
        (BOX, BLACK_BOX, 100, 2, 2, "warn"),  # as many in all
        (BOX, BLACK_BOX, 100, 2, 1, "fail"),  # more in all
        (BOX, BLACK_BOX, 100, 1, 0, "pass"),
        (NOISE, NOISE_CHECK, 500, 1, 50, "pass"),
        (NOISE, NOISE_CHECK, 499, 1, 50, "warn"),
        (NOISE, NOISE_CHECK, 50, 1, 9, "warn"),
        (NOISE, NOISE_CHECK, 49, 1, 9, "fail"),
        (NOISE, NOISE_CHECK, 100, 1, 1, "warn"),
        (NOISE, NOISE_CHECK, 100, 1, 0, "fail"),
    ],
)
def test_what_needs_no_gradients_against_what_uses_them(other, check, count, alone, ours, status):
    """The other breaks `alone` images; gradients break `ours` others."""
    made = case(attempt(other, rows(count, range(alone))), attempt(STEPS, rows(count, range(alone, alone + ours))))
    finding = check(made)
    assert verdict(finding) == (status, alone / count)
    assert finding.text == (
        f"{type(other).__name__} broke {alone} of {count}, {alone} of them unbroken by gradients; "
        f"gradients broke {ours}"
    )


def test_rivals_and_gradients_are_each_taken_together():
    made = case(
        attempt(BOX, rows(50, [0, 1, 9])),
        attempt(Square(queries=9), rows(50, [2, 3, 9])),
        attempt(STEPS, rows(50, [9, 10])),
        attempt(ONE_STEP, rows(50, [3, 11, 12])),
    )
    finding = BLACK_BOX(made)
    assert verdict(finding) == ("fail", 3 / 50)
    assert finding.text.startswith("Square, Square broke 5 of 50, 3 of them unbroken by gradients; gradients broke 5")
    assert NOISE_CHECK(made).text == "There was no random baseline to compare."
    assert BLACK_BOX(case(attempt(STEPS, rows(4)))).text == "There was no black box to compare."
    assert BLACK_BOX(case(attempt(BOX, rows(4)))).text == "There was no attack by gradients to compare."
    nothing = rows(4, (), range(4))
    assert (
        BLACK_BOX(case(attempt(BOX, nothing), attempt(STEPS, nothing))).text
        == "There was no image right before to compare."
    )


def test_a_change_beyond_the_question_does_not_count_against_gradients():
    far = attempt(BOX, rows(50, range(9), size=0.2), Lp("inf", 0.3))
    ours = attempt(STEPS, rows(50, [20]))
    assert verdict(BLACK_BOX(case(far, ours))) == ("pass", 0.0)
    assert verdict(BLACK_BOX(case(far, ours, threat=Lp("inf", 0.2)))) == ("fail", 9 / 50)
    assert BLACK_BOX(case(far, ours, threat=Lp("inf"))).status == "fail", "every size is within no limit"


@pytest.mark.parametrize(("count", "lost", "status"), [(20, 0, "pass"), (20, 1, "warn"), (19, 1, "fail")])
def test_a_search_without_a_limit(count: int, lost: int, status: str):
    best = attempt(SEARCH, rows(count, range(count)), title="other")
    for order in (1, -1):
        made = case(*[best, attempt(SEARCH, rows(count, range(lost, count)))][::order])
        assert verdict(UNLIMITED(made)) == (status, lost / count)
    if lost:
        assert UNLIMITED(made).text == f"DeepFool found no change of whatever size for {lost} of {count} images"


def test_only_searches_of_images_that_were_right_are_asked_to_break_all():
    made = case(attempt(SEARCH, rows(20, range(9), range(10, 20), success=np.arange(20) != 9)))
    assert verdict(UNLIMITED(made)) == ("fail", 1 / 10)
    for other in (
        attempt(SEARCH, rows(4), Lp("inf", 0.1)),
        attempt(SEARCH, rows(4), Flow(math.inf)),
        attempt(BOX, rows(4)),
    ):
        assert UNLIMITED(case(other)).status == "skipped"
    assert UNLIMITED(case(attempt(SEARCH, rows(4, (), range(4))))).status == "skipped"


@pytest.mark.parametrize(
    ("radius", "size", "status"),
    [
        (0.1, 0.1 + 0.9e-6, "pass"),
        (0.1, 0.1 + 1.1e-6, "fail"),
        (4.0, 4 + 3.9e-6, "pass"),  # of the radius, where it is above 1
        (4.0, 4 + 4.1e-6, "fail"),
        (math.inf, 1e9, "pass"),
        (math.inf, math.inf, "fail"),
    ],
)
def test_the_size_of_every_success_is_within_the_radius_of_its_attack(radius: float, size: float, status: str):
    sizes = np.full(8, 0.01)
    sizes[3] = size
    finding = ALLOWED(case(attempt(STEPS, rows(8, range(6), size=sizes), Lp("inf", radius))))
    assert verdict(finding) == (status, float(status == "fail"))
    beyond = 1 if status == "fail" else 0
    assert finding.text == f"{beyond} of 6 changes that count as a success are larger than their attack's radius"
    assert finding.error == "too low"


def test_what_is_no_success_may_be_of_any_size():
    some = attempt(STEPS, rows(8, range(4), success=np.arange(8) < 2, size=[0.01, 0.2, 0.3, 0.3, 0, 0, 0, 0]))
    finding = ALLOWED(case(some, attempt(ONE_STEP, rows(8, range(3), size=0.5), Lp("2", 0.4))))
    assert verdict(finding) == ("fail", 4.0)
    assert finding.text.startswith("4 of 5 changes")


@pytest.mark.parametrize(("kept", "status"), [(10, "pass"), (9, "pass"), (8, "warn"), (5, "warn"), (4, "fail")])
def test_success_after_rounding(kept: int, status: str):
    finding = ROUNDING(case(attempt(STEPS, rows(12, range(10), rounded_success=np.arange(12) < kept))))
    assert verdict(finding) == (status, kept / 10)
    assert finding.text == f"{kept} of 10 broken images stay broken in 8 bits"


def test_an_image_survives_rounding_by_any_attack_within_the_question():
    one = attempt(STEPS, rows(12, range(10), rounded_success=np.arange(12) < 4))
    other = attempt(SEARCH, rows(12, range(2, 9), rounded_success=np.isin(np.arange(12), [4, 5, 6])))
    assert verdict(ROUNDING(case(one, other))) == ("warn", 7 / 10)
    far = attempt(SEARCH, rows(12, range(2, 9), size=0.2, rounded_success=np.isin(np.arange(12), [4, 5, 6])))
    assert verdict(ROUNDING(case(one, far))) == ("fail", 4 / 10)
    assert ROUNDING(case(attempt(STEPS, rows(3)))).text == "No image was broken."


@pytest.mark.parametrize(("count", "status"), [(17, "pass"), (16, "warn"), (6, "warn"), (5, "fail")])
def test_the_width_of_the_interval(count: int, status: str):
    """With every image standing the interval of Clopper and Pearson's reaches from 0.025^(1/n) to 1."""
    finding = SAMPLE(case(attempt(STEPS, rows(count))))
    assert verdict(finding) == (status, pytest.approx(1 - 0.025 ** (1 / count)))
    assert finding.text.startswith(f"n = {count}, robust accuracy 100.0% with the 95 % interval ")
    assert finding.text.endswith(f"to 100.0%, {100 * (1 - 0.025 ** (1 / count)):.1f} points wide")
    assert finding.error == "uncertain"


def test_the_interval_is_that_of_the_robust_accuracy():
    made = case(attempt(STEPS, rows(8, [0], [7])), attempt(BOX, rows(8, [1], [7])))
    assert SAMPLE(made).text.startswith("n = 8, robust accuracy 62.5%")
    made = case(attempt(STEPS, rows(8, [0, 1], [7], size=0.2), Lp("inf")))
    assert SAMPLE(made).text.startswith("n = 8, robust accuracy 87.5%"), "larger changes than the question's"


@pytest.mark.parametrize(
    ("count", "right", "status"),
    [(20, 20, "pass"), (20, 10, "pass"), (20, 9, "warn"), (20, 6, "warn"), (20, 5, "fail"), (20, 0, "fail")],
)
def test_right_before_the_attack(count: int, right: int, status: str):
    """Of ten classes guessing is right for 10 %; the interval begins at 11.9 % for 6 of 20 and at 8.7 % for 5."""
    made = case(attempt(STEPS, rows(count, (), range(right, count))))
    made.__dict__["outputs"] = torch.zeros(5, count, 10)
    finding = RIGHT(made)
    assert verdict(finding) == (status, (count - right) / count)
    assert finding.text.startswith(f"{count - right} of {count} images (")
    assert "guessing is wrong on 90.0%" in finding.text
    assert finding.text.endswith("and 20 images cannot tell so much from it") == (right == 5), "by chance it may be 2"


def test_one_image_cannot_tell_a_network_from_guessing():
    made = case(attempt(STEPS, rows(1)))
    made.__dict__["outputs"] = torch.zeros(5, 1, 10)
    assert RIGHT(made).text == (
        "0 of 1 image (0.0%) were wrong before any attack; guessing is wrong on 90.0%, and 1 image cannot tell so much "
        "from it"
    )


def test_guessing_is_right_more_often_where_there_are_few_classes():
    made = case(attempt(STEPS, rows(20, (), range(12, 20))))
    assert RIGHT(made).status == "fail", "12 of 20 may be guessed, of two classes"
    assert "wrong on 50.0%" in RIGHT(made).text
    made.__dict__["outputs"] = torch.zeros(5, 20, 3)
    assert RIGHT(made).status == "pass"


@pytest.mark.parametrize(
    ("attacks", "standing", "status", "value"),
    [
        ([ONE_STEP], 1, "fail", 0.0),
        ([ONE_STEP, NOISE], 1, "fail", 0.0),
        ([ONE_STEP], 0, "warn", 1.0),  # nothing stood for many steps to break
        ([ONE_STEP, NOISE], 0, "pass", 2.0),
        ([STEPS], 1, "warn", 1.0),
        ([STEPS, ONE_STEP], 1, "pass", 2.0),
        ([Cascade((ONE_STEP, STEPS))], 1, "pass", 2.0),
        ([BOX], 1, "warn", 1.0),
        ([BOX, NOISE], 1, "pass", 2.0),
    ],
)
def test_the_strength_of_the_plan(attacks, standing, status, value):
    table = rows(9, range(8 - standing), [8])
    finding = STRENGTH(case(*[attempt(one, table) for one in attacks]))
    assert verdict(finding) == (status, value)


def test_the_strength_counts_runs_by_gradients_and_those_of_many_steps():
    text = STRENGTH(case(*[attempt(one, rows(4)) for one in (ONE_STEP, STEPS, SEARCH, NOISE)])).text
    assert text == "4 attacks, 3 runs by gradients, 2 of these with many steps"


@pytest.mark.parametrize(
    ("outputs", "gradients", "status", "fraction"),
    [
        ([], [], "pass", 0.0),
        ([], range(10), "warn", 1.0),
        ([4], [], "warn", 0.1),
        ([4], [4, 5], "warn", 0.2),
        ([4, 5], [], "fail", 0.2),
    ],
)
def test_numbers_that_are_none(outputs, gradients, status, fraction):
    met = {
        f"nonfinite_{name}": np.isin(np.arange(10), list(some)) * 3
        for name, some in (("outputs", outputs), ("gradients", gradients))
    }
    for order in (1, -1):
        finding = FINITE(case(*[attempt(STEPS, rows(10, **met)), attempt(NOISE, rows(10))][::order]))
        assert verdict(finding) == (status, fraction)
    assert finding.text == (
        f"{len(outputs)} of 10 images met an output that is NaN or infinite, {len(gradients)} a gradient with such an "
        "entry"
    )


def test_every_attack_counts_with_the_images_for_which_it_met_nan():
    tables = [rows(20, nonfinite_outputs=np.arange(20) == row) for row in (3, 7, 7, 9)]
    assert verdict(FINITE(case(*[attempt(STEPS, table) for table in tables]))) == ("fail", 3 / 20)
    assert verdict(FINITE(case(*[attempt(STEPS, table) for table in tables[:3]]))) == ("warn", 2 / 20)
