"""Values whose rows can be cut."""

from dataclasses import dataclass

import torch

from brittle.base.rows import Rows, column


@dataclass(frozen=True)
class Inner(Rows):
    y: torch.Tensor


@dataclass(frozen=True)
class Outer(Rows):
    x: torch.Tensor
    inner: Inner
    scalar: torch.Tensor
    name: str = "shared"


def test_rows_cuts_what_runs_over_images_and_shares_the_rest():
    value = Outer(torch.arange(6).reshape(3, 2), Inner(torch.arange(3)), torch.tensor(7.0))
    cut = value.rows(torch.tensor([2, 0]))
    assert cut.x.tolist() == [[4, 5], [0, 1]]
    assert cut.inner.y.tolist() == [2, 0]
    assert cut.scalar == 7
    assert cut.name == "shared"
    assert len(value.rows(torch.zeros(0, dtype=torch.int64)).x) == 0


def test_where_chooses_image_by_image():
    here = Outer(torch.arange(6).reshape(3, 2), Inner(torch.arange(3)), torch.tensor(7.0))
    there = Outer(-torch.ones(3, 2, dtype=torch.int64), Inner(torch.full((3,), -1)), torch.tensor(8.0), "other")
    mixed = here.where(torch.tensor([True, False, True]), there)
    assert mixed.x.tolist() == [[0, 1], [-1, -1], [4, 5]]
    assert mixed.inner.y.tolist() == [0, -1, 2]
    assert (mixed.scalar, mixed.name) == (7, "shared")


def test_where_keeps_infinities_and_truth_values():
    here, there = Inner(torch.tensor([torch.inf, 1.0])), Inner(torch.tensor([2.0, torch.nan]))
    assert here.where(torch.tensor([False, True]), there).y.tolist() == [2.0, 1.0]
    told = Inner(torch.tensor([True, False])).where(torch.tensor([True, False]), Inner(torch.tensor([False, True])))
    assert told.y.tolist() == [True, True]


def test_column_takes_one_number_or_one_each():
    like = torch.zeros(3, 2, 4, 4, dtype=torch.float64)
    assert column(0.5, like).shape == (1, 1, 1, 1)
    each = column(torch.arange(3), like)
    assert each.dtype == torch.float64
    assert (each + like)[:, 0, 0, 0].tolist() == [0, 1, 2]


def test_what_runs_over_no_images_is_its_own_cut():
    shared = Outer("nothing", "to", torch.tensor(7.0))
    assert shared.rows(torch.tensor([0])) is shared
    inner = Inner(torch.arange(3))
    assert Outer(torch.tensor(1.0), inner, torch.tensor(7.0)).rows(torch.tensor([1])).inner.y.tolist() == [1]
