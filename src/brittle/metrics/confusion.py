"""Which label becomes which."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from brittle.errors import InputError
from brittle.metrics.estimate import Integers
from brittle.metrics.rates import broken
from brittle.metrics.rows import integers


@dataclass(frozen=True)
class Pair:
    """How many images of one label were given another one by an attack."""

    original: int
    adversarial: int
    count: int


def label_pairs(table: pa.Table) -> list[Pair]:
    """Count original and adversarial label over the successes of an attack, or over `nearest_examples` of several.

    Args:
        table: rows of an attack.

    Returns:
        The pairs that occur, the most frequent first, equal ones by label.
    """
    hits = broken(table)
    before, after = (integers(table, column)[hits].tolist() for column in ("label", "prediction"))
    counts = Counter(zip(before, after, strict=True))
    pairs = [Pair(original, adversarial, count) for (original, adversarial), count in counts.items()]
    return sorted(pairs, key=lambda pair: (-pair.count, pair.original, pair.adversarial))


def confusion_matrix(pairs: Sequence[Pair], labels: Sequence[int]) -> Integers:
    """The counts as a matrix.

    Args:
        pairs: from `label_pairs`.
        labels: the labels of its rows (original) and columns (adversarial).

    Returns:
        Shape (k, k).

    Raises:
        InputError: a pair has a label that is not among `labels`.

    Example:
        >>> confusion_matrix([Pair(3, 8, 2)], labels=[3, 8]).tolist()
        [[0, 2], [0, 0]]
    """
    place = {label: number for number, label in enumerate(labels)}
    matrix: Integers = np.zeros((len(place), len(place)), dtype=np.int64)
    for pair in pairs:
        if pair.original not in place or pair.adversarial not in place:
            raise InputError(f"the pair {pair.original} -> {pair.adversarial} is not among the labels {list(labels)}")
        matrix[place[pair.original], place[pair.adversarial]] = pair.count
    return matrix
