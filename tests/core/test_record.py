"""The record keeps the best point of each image, and counts its passes."""

import torch

from brittle.core.record import Record

INF = torch.inf


def images(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1, 1)


def offered(record: Record, ids, points, sizes, met, margins, *, distinct=True) -> list[float]:
    record.offer(
        torch.tensor(ids),
        images(*points),
        torch.tensor(sizes),
        torch.tensor(met),
        torch.tensor(margins),
        distinct=distinct,
    )
    return record.best.flatten().tolist()


def test_the_smallest_that_meets_the_goal_stays():
    record = Record(images(0, 0))
    assert offered(record, [0, 1], [5, 6], [5.0, 6.0], [True, True], [1.0, 1.0]) == [5, 6]
    assert offered(record, [0, 1], [3, 9], [3.0, 9.0], [True, True], [0.1, 9.0]) == [3, 6]
    assert offered(record, [0, 1], [1, 1], [1.0, 1.0], [False, False], [-1.0, -1.0]) == [3, 6]
    assert record.size.tolist() == [3, 6]


def test_until_then_the_largest_margin_stays_and_what_is_not_allowed_never_does():
    record = Record(images(0))
    assert offered(record, [0], [1], [1.0], [False], [-5.0]) == [1]
    assert offered(record, [0], [2], [1.0], [False], [-7.0]) == [1]
    assert offered(record, [0], [3], [1.0], [False], [-2.0]) == [3]
    assert offered(record, [0], [4], [INF], [False], [8.0]) == [3]
    assert record.size.tolist() == [INF]
    assert offered(record, [0], [5], [7.0], [True], [0.5]) == [5]


def test_of_several_points_of_an_image_the_best_stays():
    record = Record(images(0, 0, 0))
    best = offered(
        record, [1, 0, 1, 2, 0, 1, 2], [1, 2, 3, 4, 5, 6, 7], [4.0, 2.0, 3.0, 1.0, 1.0, 2.0, 1.0],
        [True, True, True, False, False, False, False], [1.0, 1.0, 1.0, -3.0, -1.0, -9.0, -2.0], distinct=False,
    )  # fmt: skip
    assert best == [2, 3, 7]  # image 0: the one that is met; 1: the smaller; 2: none is met, the larger margin
    assert record.size.tolist() == [2, 3, INF]


def test_among_equal_sizes_the_larger_margin_wins_within_one_offer():
    record = Record(images(0))
    assert offered(record, [0, 0, 0], [1, 2, 3], [1.0, 1.0, 1.0], [True] * 3, [0.1, 0.3, 0.2], distinct=False) == [2]


def test_among_equal_sizes_the_larger_margin_wins_whenever_it_is_offered():
    """So it does not matter how a population was cut into batches."""
    record = Record(images(0))
    assert offered(record, [0], [1], [1.0], [True], [0.2]) == [1]
    assert offered(record, [0], [2], [1.0], [True], [0.1]) == [1]
    assert offered(record, [0], [3], [1.0], [True], [0.3]) == [3]
    assert offered(record, [0], [4], [2.0], [True], [9.0]) == [3]
    assert offered(record, [0], [5], [1.0], [False], [9.0]) == [3]
    assert offered(record, [0], [6], [0.5], [True], [0.01]) == [6]
    assert record.size.tolist() == [0.5]


def test_an_empty_offer_changes_nothing():
    record = Record(images(4))
    none = torch.zeros(0, dtype=torch.int64)
    record.offer(none, images(), torch.zeros(0), torch.zeros(0, dtype=torch.bool), torch.zeros(0), distinct=False)
    assert record.best.flatten().tolist() == [4]


def test_passes_are_counted_for_every_appearance():
    record = Record(images(0, 0))
    record.count(torch.tensor([0, 0, 1]), forward=1)
    record.count(torch.tensor([1]), backward=2)
    assert record.forward.tolist() == [2, 1]
    assert record.backward.tolist() == [0, 2]
    assert not record.spent(torch.tensor([0, 1])).any()


def test_points_beyond_the_budget_are_not_affordable():
    record = Record(images(0, 0), budget=2)
    assert record.affordable(torch.tensor([0, 1, 1, 0])) is None
    assert record.affordable(torch.tensor([1, 1, 0, 1])).tolist() == [0, 1, 2]
    record.count(torch.tensor([0, 1]), forward=1)
    assert record.spent(torch.tensor([0, 1])).tolist() == [False, False]
    record.count(torch.tensor([1]), forward=1, backward=1)
    assert record.spent(torch.tensor([1, 0])).tolist() == [True, False]
    assert record.affordable(torch.tensor([1, 0, 0, 1])).tolist() == [1]
    assert Record(images(0)).affordable(torch.tensor([0, 0])) is None


def test_the_trace_keeps_every_margin():
    record = Record(images(0, 0), trace=True)
    offered(record, [0, 1], [1, 1], [1.0, 1.0], [False, False], [-1.0, -2.0])
    offered(record, [1], [1], [1.0], [False], [-3.0])
    assert [(ids.tolist(), margin.tolist()) for ids, margin in record.trace] == [([0, 1], [-1, -2]), ([1], [-3])]
    assert Record(images(0)).trace is None
