"""The nearest points: as by sorting all distances."""

import pytest
import torch

from brittle.maths import nearest as module
from brittle.maths.nearest import nearest


def points(count: int, seed: int) -> torch.Tensor:
    return torch.rand((count, 4), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("bank", [3, 7, 64, 65, 200])
@pytest.mark.parametrize("count", [1, 3])
def test_they_are_those_of_least_distance_in_their_order(bank: int, count: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "AT_ONCE", 5 * bank)  # in several parts, the last one smaller
    ours, theirs = points(12, 0), points(bank, 1)
    assert torch.equal(nearest(ours, theirs, count), torch.cdist(ours, theirs).argsort(1)[:, :count])


def test_near_ones_in_one_group_are_all_found():
    bank = torch.full((80, 1), 9.0, dtype=torch.float64)
    bank[0::10, 0] = torch.arange(8.0, dtype=torch.float64)  # 80 points make 10 groups, by their number modulo 10
    assert nearest(torch.zeros(1, 1, dtype=torch.float64), bank, 5).tolist() == [[0, 10, 20, 30, 40]]


def test_no_points_have_none():
    assert nearest(points(0, 0), points(9, 1), 2).shape == (0, 2)
