"""Singular values and directions of rows that come in blocks, against a decomposition of the whole matrix."""

import pytest
import torch

from brittle.errors import InputError
from brittle.maths.subspace import by_gram, randomised


def falling(rows, columns, rate, seed=0):
    """A matrix whose singular values are rate ** k."""
    generator = torch.Generator().manual_seed(seed)
    small = min(rows, columns)
    left = torch.linalg.qr(torch.randn(rows, small, generator=generator, dtype=torch.float64)).Q
    right = torch.linalg.qr(torch.randn(columns, small, generator=generator, dtype=torch.float64)).Q
    return (left * rate ** torch.arange(small)) @ right.T


class Counted:
    """Blocks of a matrix, and how often they were gone through."""

    def __init__(self, matrix, size):
        self.matrix, self.size, self.walks = matrix, size, 0

    def __call__(self):
        self.walks += 1
        return iter(self.matrix.split(self.size))


def same_span(found, wanted):
    """Cosines of the angles between two orthonormal bases."""
    return torch.linalg.svdvals(found.double() @ wanted.double().T)


@pytest.mark.parametrize("size", [1, 7, 40, 100])
def test_inner_products_give_the_exact_decomposition(size):
    matrix = falling(40, 300, 0.8)
    wanted = torch.linalg.svd(matrix, full_matrices=False)
    found = by_gram(Counted(matrix, size), 5)
    torch.testing.assert_close(found.values[:20], wanted.S[:20], rtol=1e-5, atol=1e-9)
    assert found.rows == 40
    assert found.directions.shape == (5, 300)
    assert (same_span(found.directions, wanted.Vh[:5]) > 1 - 1e-9).all()
    gram = found.directions @ found.directions.T
    torch.testing.assert_close(gram, torch.eye(5, dtype=gram.dtype), rtol=0, atol=1e-8)


def test_directions_that_do_not_exist_are_zero():
    matrix = torch.ones(4, 9)
    found = by_gram(Counted(matrix, 2), 3)
    assert found.values[0] == pytest.approx(6)
    assert found.directions[0].abs().numpy() == pytest.approx(1 / 3)
    assert found.directions[1:].abs().amax() == 0


@pytest.mark.parametrize(("rows", "columns"), [(60, 500), (500, 60)])
def test_sweeps_give_the_leading_part(rows, columns):
    matrix = falling(rows, columns, 0.85)
    wanted = torch.linalg.svd(matrix, full_matrices=False)
    blocks = Counted(matrix.float(), 16)
    found = randomised(blocks, 8)
    assert blocks.walks == 3
    assert found.values.numpy() == pytest.approx(wanted.S[:8].numpy(), rel=1e-3)
    assert (same_span(found.directions, wanted.Vh[:8]) > 0.99).all()
    assert found.rows == rows


def test_more_sweeps_come_nearer():
    generator = torch.Generator().manual_seed(1)
    matrix = torch.randn(80, 400, generator=generator)  # values that hardly fall: the hard case
    wanted = torch.linalg.svdvals(matrix)[:5]
    errors = [float((randomised(Counted(matrix, 10), 5, sweeps=n).values - wanted).abs().max()) for n in (1, 3, 9)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.02 * float(wanted[0])


def test_block_sizes_and_seeds_decide_nothing_but_the_draw():
    matrix = falling(30, 50, 0.7).float()
    one, other = (randomised(Counted(matrix, size), 3) for size in (30, 4))
    torch.testing.assert_close(one.values, other.values, rtol=1e-5, atol=1e-5)
    again = randomised(Counted(matrix, 4), 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(other.directions, again.directions)


def test_more_directions_than_there_are():
    found = randomised(Counted(torch.eye(3), 2), 7)
    assert found.values.numpy() == pytest.approx([1, 1, 1])
    assert found.directions.shape == (3, 3)


@pytest.mark.parametrize("method", [by_gram, randomised])
def test_what_is_no_matrix_is_refused(method):
    with pytest.raises(InputError, match="no rows"):
        method(list, 1)
    with pytest.raises(InputError, match=r"shape \(1, 3\); expected \(rows, 2\)"):
        method(lambda: [torch.zeros(2, 2), torch.zeros(1, 3)], 1)
    with pytest.raises(InputError, match="count is 0"):
        randomised(lambda: [torch.zeros(2, 2)], 0)
