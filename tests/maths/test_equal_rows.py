"""Equal rows, against a search by eye: every row compared with every row before it."""

import pytest
import torch

from brittle.maths.equal_rows import first_equal


@pytest.mark.parametrize("columns", [1, 3])
def test_the_first_equal_row_is_found(columns):
    tables = torch.randint(0, 3, (5, 40, columns), generator=torch.Generator().manual_seed(0)).double() - 1
    equal = (tables[:, :, None] == tables[:, None]).all(3)
    assert torch.equal(first_equal(tables), equal.int().argmax(2))


def test_rows_that_differ_are_their_own():
    rows = torch.rand(2, 1000, 2, generator=torch.Generator().manual_seed(0))
    rows[1] = rows[0]  # tables do not mix
    assert torch.equal(first_equal(rows), torch.arange(1000).expand(2, -1))


def test_a_table_of_one_row():
    assert first_equal(torch.zeros(3, 1, 4)).tolist() == [[0], [0], [0]]
