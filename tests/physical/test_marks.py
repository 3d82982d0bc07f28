"""Codes of marks: far from each other however they are turned, and told with some squares misread."""

import numpy as np
import pytest

from brittle.errors import InputError
from brittle.physical.marks import APART, MOST_WRONG, Codes, drawn_mark, mark_codes


def test_codes_are_far_from_each_other_and_from_themselves_turned():
    codes = mark_codes(60, seed=1)
    turned = np.array([np.rot90(code, turn).ravel() for code in codes for turn in range(4)])
    distances = (turned[:, None] != turned[None]).sum(2)
    np.fill_diagonal(distances, 36)
    assert distances.min() >= APART


def test_the_first_codes_of_a_longer_list_are_the_same():
    assert all((one == other).all() for one, other in zip(mark_codes(5, 3), mark_codes(9, 3)[:5], strict=True))


@pytest.mark.parametrize("turn", range(4))
def test_a_code_is_told_with_squares_misread_and_turned(turn: int):
    codes = mark_codes(40, seed=2)
    seen = np.rot90(codes[17], turn).copy()
    wrong = np.random.default_rng(0).choice(36, MOST_WRONG, replace=False)
    seen.ravel()[wrong] ^= True
    assert Codes(codes).told(seen) == (17, turn)


def test_a_code_of_another_seed_is_none_of_these():
    told = [Codes(mark_codes(40, seed=2)).told(code) for code in mark_codes(40, seed=3)]
    assert told == [None] * 40


def test_without_codes_none_is_told():
    assert Codes([]).told(np.zeros((6, 6), dtype=np.bool_)) is None


def test_a_mark_is_drawn_with_a_black_ring():
    (code,) = mark_codes(1, seed=0)
    drawn = drawn_mark(code, 3)
    assert drawn.shape == (24, 24)
    assert (drawn[:3] == 0).all()
    assert ((drawn[4:-3:3, 4:-3:3] == 0) == code).all()


def test_more_marks_than_a_sheet_may_have_are_refused():
    with pytest.raises(InputError, match="make two sheets"):
        mark_codes(2001, seed=0)
