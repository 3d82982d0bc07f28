"""Metrics of segmentation and of depth, by hand."""

import math

import numpy as np
import pytest

from brittle.errors import InputError
from brittle.metrics.depth import depth_errors
from brittle.metrics.segmentation import agreement, intersection_over_union, mean_iou, of_all, pixel_confusion

EXPECTED = np.array([[0, 0, 1], [1, 2, 2]])
GIVEN = np.array([[0, 1, 1], [1, 2, 3]])


def test_pixels_are_counted_by_both_classes():
    counts = pixel_confusion(EXPECTED, GIVEN, 4)
    assert counts.tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]]
    assert of_all([counts, counts]).tolist() == (2 * counts).tolist()


def test_agreement_and_mean_iou_by_hand():
    counts = pixel_confusion(EXPECTED, GIVEN, 5)
    assert agreement(counts) == pytest.approx(4 / 6)
    fractions = intersection_over_union(counts)
    assert fractions[:4].tolist() == pytest.approx([1 / 2, 2 / 3, 1 / 2, 0])
    assert math.isnan(fractions[4])
    assert mean_iou(counts) == pytest.approx((1 / 2 + 2 / 3 + 1 / 2) / 3)
    same = pixel_confusion(EXPECTED, EXPECTED, 5)
    assert (agreement(same), mean_iou(same)) == (1, 1)


def test_an_ignored_class_does_not_count():
    expected = np.array([0, 1, 255, 255])
    assert pixel_confusion(expected, np.array([0, 0, 1, 1]), 2, ignored=255).tolist() == [[1, 0], [1, 0]]
    with pytest.raises(InputError, match="reach from 0 to 255"):
        pixel_confusion(expected, np.array([0, 0, 1, 1]), 2)


def test_segmentation_refuses_what_it_cannot_count():
    with pytest.raises(InputError, match="have shape"):
        pixel_confusion(EXPECTED, GIVEN[:1], 4)
    with pytest.raises(InputError, match="expected 0 to 2"):
        pixel_confusion(EXPECTED, GIVEN, 3)
    for measure in (agreement, mean_iou):
        with pytest.raises(InputError, match="no pixel"):
            measure(np.zeros((3, 3), np.int64))
    with pytest.raises(InputError, match="no counts"):
        of_all([])


def test_depth_errors_by_hand():
    true = np.array([[[1.0, 2.0, 4.0]], [[1.0, 0.0, np.inf]]])
    guess = np.array([[[1.2, 1.0, 8.0]], [[1.0, 7.0, 3.0]]])
    errors = depth_errors(true, guess)
    assert errors.absolute.tolist() == pytest.approx([(0.2 + 0.5 + 1) / 3, 0])
    assert errors.squared.tolist() == pytest.approx([(0.04 + 0.5 + 4) / 3, 0])
    assert errors.rmse.tolist() == pytest.approx([math.sqrt((0.04 + 1 + 16) / 3), 0])
    logs = [math.log(1.2), math.log(2), math.log(2)]
    assert errors.log_rmse.tolist() == pytest.approx([math.sqrt(sum(one**2 for one in logs) / 3), 0])
    assert errors.within.tolist() == [pytest.approx([1 / 3] * 3), [1, 1, 1]]


def test_an_estimate_below_zero_is_the_least_depth():
    errors = depth_errors(np.ones((1, 1, 1)), np.full((1, 1, 1), -5.0), least=0.5)
    assert errors.absolute[0] == 0.5
    assert errors.log_rmse[0] == pytest.approx(math.log(2))


def test_depth_refuses_what_it_cannot_measure():
    with pytest.raises(InputError, match="expected \\(n, h, w\\)"):
        depth_errors(np.ones((1, 2, 2)), np.ones((1, 2, 3)))
    with pytest.raises(InputError, match="image 1 has no pixel"):
        depth_errors(np.array([[[1.0]], [[0.0]]]), np.ones((2, 1, 1)))
    with pytest.raises(InputError, match="NaN"):
        depth_errors(np.ones((1, 1, 1)), np.full((1, 1, 1), np.nan))
