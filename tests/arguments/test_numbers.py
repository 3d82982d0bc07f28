"""Numbers as people write them."""

import numpy as np
import pytest

from brittle.arguments import parse_number
from brittle.arguments.numbers import levels_text


@pytest.mark.parametrize("levels", [1, 8, 63, 64, 255, 2000])
def test_what_is_written_in_levels_is_read_as_the_same_number(levels: int):
    text = levels_text(levels / 255)
    assert text == f"{levels}/255"
    assert parse_number(text) == levels / 255


def test_what_is_no_whole_number_of_levels_is_left_to_the_caller():
    assert [levels_text(value) for value in (0.0, -8 / 255, 0.5, 8.001 / 255)] == [None] * 4
    assert levels_text(64 / 255, most=63) is None


def test_sizes_of_float32_need_more_room():
    size = float(np.float32(200 / 255))
    assert levels_text(size) is None
    assert levels_text(size, near=1e-4) == "200/255"
