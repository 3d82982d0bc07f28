"""Words in messages: one thing is no several, a vowel takes another article."""

import numpy as np
import pytest

from brittle import BoundsError
from brittle.arguments.rules import seen
from brittle.data.arrays import checked
from brittle.data.decode import deep_grey
from brittle.errors import BadImage
from brittle.words import plural, with_article


def test_one_is_not_several():
    assert [plural(count, "attack") for count in (0, 1, 1000)] == ["0 attacks", "1 attack", "1,000 attacks"]
    assert plural(2, "pass", "passes") == "2 passes"


def test_a_vowel_takes_another_article():
    assert [with_article(name) for name in ("int", "Tensor")] == ["an int", "a Tensor"]
    assert seen(object()) == "an object"


def test_values_that_are_no_numbers_are_no_range():
    values = np.array([[np.nan, 0.5]], np.float32)
    with pytest.raises(BoundsError, match="x holds NaN or infinite values"):
        checked(values, "x")
    with pytest.raises(BadImage, match=r"grey values that are NaN or infinite; expected"):
        deep_grey(values, 1, "x")
