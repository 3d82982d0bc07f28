"""The cheapest seam through an overlap is that of all there are."""

from itertools import pairwise, product

import pytest
import torch

from brittle.maths.seams import cheapest_seam


def all_seams(rows: int, columns: int) -> list[tuple[int, ...]]:
    return [
        seam
        for seam in product(range(columns), repeat=rows)
        if all(abs(one - other) <= 1 for one, other in pairwise(seam))
    ]


@pytest.mark.parametrize(("rows", "columns"), [(5, 2), (5, 3), (4, 4), (1, 3), (6, 1)])
def test_no_other_seam_is_cheaper(rows, columns):
    costs = torch.rand(20, 3, rows, columns, generator=torch.Generator().manual_seed(rows))
    seams = torch.tensor(all_seams(rows, columns))
    every = torch.stack([costs.gather(-1, seam.expand(20, 3, -1)[..., None])[..., 0].sum(-1) for seam in seams])
    found = cheapest_seam(costs)
    assert (found.diff(dim=-1).abs() <= 1).all()
    torch.testing.assert_close(costs.gather(-1, found[..., None])[..., 0].sum(-1), every.min(0).values)
