"""Square marks that a camera can find and read: what they look like, and how one that was read is told."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from brittle.errors import InputError

Bits = NDArray[np.bool_]
Pixels = NDArray[np.uint8]

CODE = 6
"""Squares along a side of a mark's code; around them lies a black ring, one square thick."""
MODULES = CODE + 2
"""Squares along a side of a mark."""
APART = 8
"""Squares in which the codes of two marks differ at least, however either is turned."""
MOST_WRONG = (APART - 1) // 2
"""Squares that may be misread: more, and a code might be another one's."""
BALANCE = (13, 23)
"""Least and most black squares of a code, so that none looks like a plain square."""
MOST_MARKS = 2000
"""Marks of one sheet."""
_TRIES = 1_000_000


def mark_codes(count: int, seed: int) -> list[Bits]:
    """Draw codes of marks that nothing confuses: neither two of them, nor one with itself turned.

    A camera sees a sheet from any side, so that codes count as close when any quarter turn brings them close. Codes of
    other seeds differ by chance: one that is read by mistake on another sheet is no code of this one, but for one in
    some ten thousand marks.

    Args:
        count: how many, at most `MOST_MARKS`.
        seed: of the draws, at least 0; the same seed gives the same codes, the first ones of a longer list too.

    Returns:
        For each mark (6, 6), True where it is black.

    Raises:
        InputError: too many.

    Example:
        >>> [code.shape for code in mark_codes(2, seed=0)]
        [(6, 6), (6, 6)]
    """
    if not 0 <= count <= MOST_MARKS:
        raise InputError(f"{count} marks are asked for; expected at most {MOST_MARKS}: make two sheets")
    generator = np.random.default_rng(seed)
    codes: list[Bits] = []
    turns = np.empty((4 * count, CODE * CODE), dtype=np.float32)
    for _ in range(_TRIES):
        if len(codes) == count:
            return codes
        code = generator.integers(0, 2, (CODE, CODE)).astype(np.bool_)
        own = _turned(code)
        near = np.concatenate([turns[: 4 * len(codes)], own[1:]])
        if BALANCE[0] <= code.sum() <= BALANCE[1] and _distances(near, own[0]).min() >= APART:
            turns[4 * len(codes) : 4 * len(codes) + 4] = own
            codes.append(code)
    raise InputError(f"no {count} codes were found that differ enough; make two sheets")


def drawn_mark(code: Bits, square: int) -> Pixels:
    """Draw a mark, its black ring included, (8 square, 8 square), 0 where it is black and 255 elsewhere.

    Args:
        code: (6, 6), True where it is black.
        square: pixels along a side of one of its squares.
    """
    whole = np.pad(code, 1, constant_values=True)
    return np.kron(~whole, np.full((square, square), 255, np.uint8)).astype(np.uint8)


class Codes:
    """The codes of a sheet, among which one that was read is looked up.

    Args:
        codes: of its marks, in order.
    """

    def __init__(self, codes: Sequence[Bits]):
        self._turns = (
            np.concatenate([_turned(code) for code in codes]) if codes else np.empty((0, CODE * CODE), np.float32)
        )

    def told(self, read: Bits) -> tuple[int, int] | None:
        """Tell which mark was read, and how it is turned.

        Args:
            read: (6, 6), as it is seen.

        Returns:
            The number of the mark, and by how many quarter turns, against the clock, its code is turned in what was
            read; None where no code, or more than one, is as close as a misread one may be.
        """
        if not len(self._turns):
            return None
        distances = _distances(self._turns, _signs(read))
        nearest = int(distances.argmin())
        return divmod(nearest, 4) if distances[nearest] <= MOST_WRONG else None


def _turned(code: Bits) -> NDArray[np.float32]:
    """The four turns of a code as rows of signs."""
    return np.stack([_signs(np.rot90(code, turn)) for turn in range(4)])


def _signs(code: Bits) -> NDArray[np.float32]:
    return np.where(code.reshape(-1), np.float32(1), np.float32(-1))


def _distances(rows: NDArray[np.float32], one: NDArray[np.float32]) -> NDArray[np.float32]:
    """In how many squares codes differ from one."""
    return np.asarray((CODE * CODE - rows @ one) / 2, dtype=np.float32)
