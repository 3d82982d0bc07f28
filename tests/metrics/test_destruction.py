"""The destruction rate and the accuracies beside it, against sums made by hand."""

import pyarrow as pa
import pytest
from scipy import stats

from brittle.errors import InputError
from brittle.metrics import adversarial_at, destruction_rate, top_accuracy

ROWS = pa.table(
    {
        # right, right, right, wrong, right at top 5 alone, right; the last has no adversarial image
        "clean_rank": [0, 0, 0, 7, 2, 0, 0],
        "rank": pa.array([3, 9, 1, 8, 9, 0, None], pa.int64()),
        "channel_rank": pa.array([0, 5, 4, 0, 4, 0, None], pa.int64()),
        "clean_channel_rank": [0, 1, 0, 9, 9, 0, 0],
        "clean_confidence": [0.9, 0.9, 0.8, 0.9, 0.9, 0.9, 0.9],
        "confidence": [0.95, 0.81, 0.9, 0.9, 0.9, 0.9, None],
    }
)


def test_of_the_adversarial_images_those_count_that_are_right_again():
    rate = destruction_rate(ROWS)
    assert adversarial_at(ROWS).tolist() == [True, True, True, False, False, False, False]
    assert (rate.value, rate.n) == (1 / 3, 3)


def test_at_top_five_an_image_is_adversarial_once_five_classes_miss_it():
    rate = destruction_rate(ROWS, top=5)
    assert adversarial_at(ROWS, 5).tolist() == [False, True, False, False, True, False, False]
    assert (rate.value, rate.n) == (1 / 2, 2)


@pytest.mark.parametrize(("top", "value"), [(1, 1 / 2), (5, 1.0)])
def test_the_prefiltered_case_takes_images_that_the_network_is_sure_of(top: int, value: float):
    rows = pa.table(
        {
            # counted, counted, still right at top 5, not sure before, not sure after, wrong at first
            "clean_rank": [0, 0, 0, 0, 0, 2],
            "rank": [9, 5, 4, 9, 9, 9],
            "channel_rank": [0, 4, 0, 0, 0, 0],
            "clean_confidence": [0.9, 0.8, 0.9, 0.79, 0.9, 0.9],
            "confidence": [0.8, 0.9, 0.9, 0.9, 0.79, 0.9],
        }
    )
    rate = destruction_rate(rows, top, prefiltered=True)
    assert (rate.value, rate.n) == (value, 2)


def test_the_interval_is_that_of_a_proportion():
    rate = destruction_rate(ROWS)
    exact = stats.binomtest(1, 3).proportion_ci(method="exact")
    assert (rate.low, rate.high) == pytest.approx((exact.low, exact.high))


def test_a_channel_that_changes_nothing_destroys_nothing():
    same = ROWS.set_column(2, "channel_rank", ROWS["rank"])
    assert destruction_rate(same).value == destruction_rate(same, 5).value == 0


def test_images_that_were_not_photographed_do_not_count():
    lost = ROWS.set_column(2, "channel_rank", pa.array([0, None, 4, 0, 4, 0, None], pa.int64()))
    assert destruction_rate(lost).n == 2


def test_accuracies_leave_out_images_that_are_not_there():
    assert top_accuracy(ROWS).value == 5 / 7
    assert top_accuracy(ROWS, "rank").value == 1 / 6
    assert top_accuracy(ROWS, "clean_channel_rank", top=5).value == 5 / 7


def test_nothing_to_destroy_is_no_rate():
    harmless = ROWS.set_column(1, "rank", pa.array([0] * 7))
    with pytest.raises(InputError, match="no image of 7 is right at first and wrong once attacked"):
        destruction_rate(harmless)


def test_no_image_that_the_network_is_sure_of_is_no_rate():
    with pytest.raises(InputError, match=r"at top 1 and 5, both with a confidence of 0\.99 or more"):
        destruction_rate(ROWS, prefiltered=True, sure=0.99)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"top": 0}, "top is 0"), ({"prefiltered": True, "sure": 1.0}, "sure is 1.0")],
)
def test_numbers_that_mean_nothing_are_refused(options: dict[str, float], said: str):
    with pytest.raises(InputError, match=said):
        destruction_rate(ROWS, **options)


def test_a_column_that_holds_no_places_is_refused():
    with pytest.raises(InputError, match="'confidence' is no column of places"):
        top_accuracy(ROWS, "confidence")
