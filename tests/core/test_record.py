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


def judged_one_by_one(offers, count: int) -> tuple[list[float], list[float]]:
    """The best points and their sizes, by comparing one offered point after the other as the class says."""
    best, known = [0.0] * count, [(INF, -INF)] * count
    for ids, points, sizes, met, margins in offers:
        for i, point, size, good, margin in zip(ids, points, sizes, met, margins, strict=True):
            worth = (size if good else INF, margin if size < INF else -INF)
            if (worth[0], -worth[1]) < (known[i][0], -known[i][1]):
                best[i], known[i] = point, worth
    return best, [size for size, _ in known]


def test_any_order_of_images_and_offers_leaves_what_comparing_one_by_one_does():
    """All images in their order, some of them and others, before anything is broken and after."""
    generator = torch.Generator().manual_seed(0)
    for breaks in (0.0, 0.1, 0.9):
        record, offers = Record(images(0, 0, 0, 0)), []
        for turn in range(24):
            ids = list(range(4)) if turn % 3 else torch.randperm(4, generator=generator)[: turn % 4 + 1].tolist()
            sizes, margins = (torch.randint(1, 4, (2, len(ids)), generator=generator) / 2).tolist()
            sizes = [INF if float(torch.rand((), generator=generator)) < 0.2 else size for size in sizes]
            met = [size < INF and float(torch.rand((), generator=generator)) < breaks for size in sizes]
            offers.append((ids, [float(10 * turn + i + 1) for i in ids], sizes, met, margins))
            expected = judged_one_by_one(offers, 4)
            assert (offered(record, *offers[-1]), record.size.tolist()) == expected


def test_the_record_keeps_no_memory_of_points_that_it_was_offered():
    record, points = Record(images(0, 0)), images(5, 6)
    ids, nobody = torch.arange(2), torch.tensor([False, False])
    record.offer(ids, points, torch.ones(2), nobody, torch.ones(2), distinct=True)
    points.zero_()
    assert record.best.flatten().tolist() == [5, 6]


def test_of_a_batch_the_images_that_are_over_or_out_of_passes_go():
    ids = torch.tensor([0, 2])
    for record in (Record(images(0, 0, 0)), Record(images(0, 0, 0), budget=2)):
        assert record.left(torch.tensor([False, False]), ids) is None
        assert record.left(torch.tensor([True, False]), ids).tolist() == [1]
        assert record.left(torch.tensor([True, True]), ids).tolist() == []
        assert record.left(torch.zeros(0, dtype=torch.bool), ids[:0]).tolist() == []
    record.count(ids[1:], forward=2)
    assert record.left(torch.tensor([False, False]), ids).tolist() == [0]


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


def test_a_record_apart_knows_nothing_counts_together_and_is_joined():
    nothing = torch.zeros(3, 1, 1, 1)
    record = Record(nothing, trace=True)
    ids = torch.tensor([0, 2])
    one = torch.ones(2, 1, 1, 1)
    record.offer(
        ids, one, torch.tensor([1.0, 1.0]), torch.tensor([True, False]), torch.tensor([0.5, -0.5]), distinct=True
    )
    other = record.apart(ids, nothing[ids])
    assert torch.isinf(other.size).all()
    assert (other.best[ids] == 0).all()
    other.count(ids, forward=2)
    assert record.forward.tolist() == [2, 0, 2]
    other.offer(
        ids, 2 * one, torch.tensor([2.0, 2.0]), torch.tensor([True, False]), torch.tensor([0.7, -0.2]), distinct=True
    )
    assert record.size.tolist() == [1.0, torch.inf, torch.inf]
    record.join(other, ids)
    assert record.size.tolist() == [1.0, torch.inf, torch.inf], "the smaller change stays"
    assert record.best.flatten().tolist() == [1.0, 0.0, 2.0], "and of those that do not count the nearest"
    assert len(record.trace) == 2
