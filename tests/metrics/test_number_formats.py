"""Numbers as text: rates, sizes in one unit, intervals."""

import math

import pytest

from brittle.metrics import Estimate, formats, proportion, without_interval
from brittle.metrics.formats import THIN, Units


def plain(text):
    return text.replace(THIN, " ")


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0, "0.0 %"), (1, "100.0 %"), (0.7154, "71.5 %"), (0.0004, "< 0.1 %"), (0.9999, "> 99.9 %"), (0.001, "0.1 %")],
)
def test_percent(rate, text):
    assert plain(formats.percent(rate)) == text


def test_interval():
    assert plain(formats.interval(proportion(0, 200))) == "0.0–1.8 %"
    assert formats.interval(without_interval(0.5, 3)) == "too few for an interval"


def test_the_interval_of_a_size():
    units = formats.Units(1.0)
    assert units.interval(Estimate(4 / 255, 3 / 255, 5 / 255, 9), "inf") == "3–5/255"
    assert units.interval(Estimate(4 / 255, 3 / 255, math.inf, 9), "inf") == "3/255–∞"
    assert units.interval(without_interval(4 / 255, 5), "inf") == "too few for an interval"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.012345, "0.0123"),
        (0.5, "0.500"),
        (9.999, "10.0"),
        (123456, "123,456"),
        (-0.25, "−0.250"),
        (3.2e-8, "3.20×10⁻⁸"),
        (math.inf, "∞"),
        (math.nan, "–"),
        (0, "0"),
    ],
)
def test_three_significant_digits(value, text):
    assert formats.significant(value) == text


def test_sizes_in_steps_of_8_bits():
    units = Units(1.0)
    assert units.size(4 / 255, "inf") == "4/255"
    assert units.size(4.00001 / 255, "inf") == "4/255", "float32 is no better"
    assert units.size(0.1, "inf") == "25.5/255"
    assert units.size(0.1, "2") == "0.100"
    assert units.size(12.0, "0") == "12"
    assert Units(255.0).size(4.0, "inf") == "4.00"
    assert units.size(math.inf, "inf") == "∞"
    assert units.bounds(0.4 / 255, 0.5 / 255, "inf") == "0.400–0.500/255"
    assert units.bounds(math.inf, math.inf, "inf") == "∞"
    assert units.bounds(0.0, 1.0, "2") == "0–1.00"
