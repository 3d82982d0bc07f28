"""Goals of pixels: a quantile of the pixels' margins, above 0 just where enough of them are as wanted."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from brittle.dense.goal import PixelsAway, PixelsTo, needed_of


def goal_of(kind, labels, counted=None, share=0.5):
    counted = torch.ones_like(labels, dtype=torch.bool) if counted is None else counted
    return kind(labels=labels, counted=counted, needed=needed_of(counted, share))


@pytest.mark.parametrize("kind", [PixelsAway, PixelsTo])
@settings(deadline=None, derandomize=True, max_examples=30)
@given(seed=st.integers(0, 10_000), share=st.floats(0.01, 1), pixels=st.integers(1, 30))
def test_the_goal_is_met_just_where_the_margin_is_above_0(kind, seed, share, pixels):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 4, pixels, generator=generator)
    labels = torch.randint(0, 4, (3, pixels), generator=generator)
    counted = torch.rand(3, pixels, generator=generator) < 0.7
    counted[:, 0] = True
    goal = goal_of(kind, labels, counted, share)
    right = logits.argmax(1) == labels
    wanted = (right if kind is PixelsTo else ~right) & counted
    rows = logits.flatten(1)
    assert torch.equal(goal.reached(rows), wanted.sum(1) >= goal.needed)
    assert torch.equal(goal.reached(rows), goal.margin(rows) > 0)
    torch.testing.assert_close(goal.share(rows), wanted.sum(1) / counted.sum(1))


def test_the_margin_is_that_of_the_last_pixel_that_is_needed():
    logits = torch.tensor([[[0.0, 0.0, 0.0, 0.0], [4.0, 3.0, -1.0, 2.0]]]).flatten(1)
    labels = torch.zeros(1, 4, dtype=torch.int64)
    assert [float(goal_of(PixelsAway, labels, share=share).margin(logits)) for share in (0.25, 0.5, 0.75, 1)] == [
        4.0,
        3.0,
        2.0,
        -1.0,
    ]


def test_a_pixel_that_does_not_count_has_no_say():
    logits = torch.tensor([[[0.0, 0.0, 0.0], [1.0, -1.0, 9.0]]]).flatten(1)
    goal = goal_of(PixelsAway, torch.zeros(1, 3, dtype=torch.int64), torch.tensor([[True, True, False]]), 1.0)
    assert int(goal.needed) == 2
    assert float(goal.margin(logits)) == -1.0
    assert float(goal.share(logits)) == 0.5


def test_a_confidence_is_asked_of_each_pixel_that_is_needed():
    logits = torch.tensor([[[0.0, 0.0], [1.0, 3.0]]]).flatten(1)
    labels, counted = torch.zeros(1, 2, dtype=torch.int64), torch.ones(1, 2, dtype=torch.bool)
    met = [
        bool(PixelsAway(labels=labels, confidence=kappa, counted=counted, needed=torch.tensor([2])).met(logits))
        for kappa in (0.0, 1.0, 2.0)
    ]
    assert met == [True, True, False]


def test_rows_are_cut_with_all_that_belongs_to_them():
    goal = goal_of(PixelsAway, torch.arange(6).reshape(3, 2) % 2)
    cut = goal.rows(torch.tensor([2, 0]))
    assert torch.equal(cut.labels, goal.labels[[2, 0]])
    assert cut.counted.shape == (2, 2)
    assert cut.needed.shape == (2,)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(count=st.integers(1, 10**6), part=st.integers(1, 1000))
def test_a_share_is_a_whole_number_of_pixels_and_rounds_up(count, part):
    needed = int(needed_of(torch.ones(1, 1, dtype=torch.bool).expand(1, count), part / 1000))
    assert needed == max(-(-count * part // 1000), 1)
