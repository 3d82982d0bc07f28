"""The leading directions of many rows: singular values and vectors of a matrix that is never in memory as a whole."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from brittle.errors import InputError

Blocks = Callable[[], Iterable[Tensor]]
"""Gives the rows of a matrix from the first to the last, in blocks (rows, columns); called once for each sweep."""
DOUBLE = 64 << 20
"""Most entries of a block that is brought to double precision at once."""


@dataclass(frozen=True)
class Spectrum:
    """Leading singular values and right singular vectors of a matrix A (m, n).

    Attributes:
        values: falling, (k,), float64.
        directions: orthonormal rows, (k, n), in the type of the blocks: the directions along which the rows of A lie.
        rows: m, how many there were.
    """

    values: Tensor
    directions: Tensor
    rows: int


def by_gram(blocks: Blocks, count: int) -> Spectrum:
    """Decompose exactly by way of the matrix of inner products A A', for m rows of many more columns.

    A A' = U S^2 U' gives S and U, then V' = S^-1 U' A. Two walks over pairs of blocks are held at a time, so memory is
    two blocks, an m x m matrix in double precision, and the directions wanted. Squaring costs half the digits: values
    below 1e-7 of the largest are noise, and directions of those are zero.

    Args:
        blocks: the rows; walked through once for every block, and once more.
        count: leading directions wanted; fewer where there are fewer rows. All values are returned.

    Returns:
        All m singular values, and the leading directions.

    Raises:
        InputError: no rows, or blocks that differ in width.

    Example:
        >>> rows = torch.tensor([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
        >>> by_gram(lambda: [rows[:1], rows[1:]], 1).values
        tensor([4., 3.], dtype=torch.float64)
    """
    products: list[Tensor] = []
    for number, one in enumerate(_checked(blocks)):
        left = [_product(other, one) for _, other in zip(range(number + 1), blocks(), strict=False)]
        products.append(torch.cat(left))
    if not products:
        raise InputError("there are no rows to decompose; give at least one block")
    rows = sum(part.shape[1] for part in products)
    gram = torch.zeros(rows, rows, dtype=torch.float64)
    place = 0
    for part in products:
        height, width = part.shape
        gram[:height, place : place + width] = part
        gram[place : place + width, :height] = part.T
        place += width
    squares, vectors = torch.linalg.eigh(gram)
    values, vectors = squares.flip(0).clamp_min(0).sqrt(), vectors.flip(1)
    weights = vectors[:, :count] * torch.where(values > 1e-7 * values[0], 1 / values, 0)[:count]
    return Spectrum(values, _summed(blocks, weights), rows)


def randomised(
    blocks: Blocks, count: int, *, extra: int = 10, sweeps: int = 2, generator: torch.Generator | None = None
) -> Spectrum:
    """Approximate the leading singular values and directions by sweeps over the rows.

    Halko, Martinsson & Tropp, "Finding structure with randomness", SIAM Review 53 (2011), algorithm 4.4 (subspace
    iteration, with a new orthonormal basis after every sweep) followed by 5.1, on the transposed matrix: rows come in
    blocks, so that Q spans the rows' space and B = A Q' has as many rows as A. One sweep computes A' (A Q') for the
    current basis and needs memory for two bases (count + extra, n) and one block.

    Args:
        blocks: the rows, walked through `sweeps` + 1 times.
        count: leading directions wanted.
        extra: directions carried along beyond those (oversampling; 5 to 10 in the paper, section 1.3).
        sweeps: of subspace iteration, at least 1; two are enough where the values fall slowly (section 1.6 has q of 1
            or 2, each A A').
        generator: of the first, random basis; seed 0 by default.

    Returns:
        `count` values and directions; fewer where the matrix has fewer rows or columns.

    Raises:
        InputError: no rows, blocks that differ in width, or counts below 1.

    Example:
        >>> rows = torch.diag(torch.tensor([4.0, 3.0, 2.0, 1.0]))
        >>> [round(float(value), 3) for value in randomised(lambda: rows.split(2), 2).values]
        [4.0, 3.0]
    """
    if count < 1 or sweeps < 1 or extra < 0:
        raise InputError(f"count is {count}, sweeps {sweeps}, extra {extra}; expected at least 1, 1 and 0")
    basis: Tensor | None = None
    generator = generator or torch.Generator().manual_seed(0)
    for _ in range(sweeps):
        basis = _swept(blocks, basis, count + extra, generator)
    assert basis is not None
    seen = [_product(block, basis) for block in blocks()]
    narrow = torch.cat(seen)
    _, values, turn = torch.linalg.svd(narrow, full_matrices=False)
    count = min(count, len(values))
    return Spectrum(values[:count], (turn[:count].to(basis.dtype).to(basis.device) @ basis), len(narrow))


def _swept(blocks: Blocks, basis: Tensor | None, width: int, generator: torch.Generator) -> Tensor:
    """Return an orthonormal basis (width, n) of the rows of (A Q')' A; Q is random where there is none."""
    total: Tensor | None = None
    for block in _checked(blocks):
        if basis is None:
            basis = torch.randn(min(width, block.shape[1]), block.shape[1], generator=generator).to(block)
        if total is None:
            total = torch.zeros_like(basis)
        total += (block @ basis.T).T @ block
    if total is None:
        raise InputError("there are no rows to decompose; give at least one block")
    return torch.linalg.qr(total.T).Q.T.contiguous()


def _checked(blocks: Blocks) -> Iterable[Tensor]:
    """Yield the blocks and refuse those that are no rows of one matrix."""
    width: int | None = None
    for block in blocks():
        if block.ndim != 2 or block.shape[1] != (width or block.shape[1]):
            expected = f"(rows, {width or 'columns'})"
            raise InputError(f"a block has shape {tuple(block.shape)}; expected {expected}")
        width = block.shape[1]
        yield block


def _product(one: Tensor, other: Tensor) -> Tensor:
    """Return one @ other' in double precision on the CPU, a few columns at a time."""
    step = max(1, DOUBLE // (len(one) + len(other)))
    total = torch.zeros(len(one), len(other), dtype=torch.float64)
    for first in range(0, one.shape[1], step):
        left, right = (side[:, first : first + step].double() for side in (one, other))
        total += (left @ right.T).cpu()
    return total


def _summed(blocks: Blocks, weights: Tensor) -> Tensor:
    """Return weights' @ A, (k, n), block by block."""
    total: Tensor | None = None
    place = 0
    for block in blocks():
        part = weights[place : place + len(block)].T.to(block.device, block.dtype) @ block
        total = part if total is None else total + part
        place += len(block)
    assert total is not None
    return total
