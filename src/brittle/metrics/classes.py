"""The same numbers for every class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brittle.metrics.curves import Outcome, on_common_images, smallest_sizes
from brittle.metrics.estimate import LEVEL, Estimate, proportion, quantile
from brittle.metrics.rows import flags, integers, within


@dataclass(frozen=True)
class ClassRow:
    """One class.

    Attributes:
        label: the class.
        n: how many images have this label.
        clean: accuracy before the attacks.
        robust: accuracy after them, worst case per image.
        median: median size of the smallest change over the images right before, the smallest per image over all
            minimum-norm attacks; None where there is no such attack or no image was right before.
    """

    label: int
    n: int
    clean: Estimate
    robust: Estimate
    median: Estimate | None


def per_class(outcomes: Sequence[Outcome], p: str, radius: float | None = None, level: float = LEVEL) -> list[ClassRow]:
    """Accuracies and median size for every class that occurs.

    Args:
        outcomes: the attacks; images that not all of them have are left out.
        p: the norm of the question.
        radius: the largest change allowed in that norm; None for no limit.
        level: coverage of the intervals.

    Returns:
        One row per class seen, in order of the labels.

    Raises:
        InputError: there are no outcomes.
    """
    aligned = on_common_images(outcomes)
    sizes = smallest_sizes(aligned, p)
    searches = [outcome for outcome in aligned if outcome.radius is None]
    smallest = smallest_sizes(searches, p) if searches else None
    label, correct = integers(aligned[0].table, "label"), flags(aligned[0].table, "correct")
    standing = correct & ~within(sizes, radius)
    rows: list[ClassRow] = []
    for number in np.unique(label).tolist():
        here = label == number
        right = here & correct
        median = quantile(smallest[right], 0.5, level) if smallest is not None and right.any() else None
        n = int(here.sum())
        clean, robust = (proportion(int(which[here].sum()), n, level) for which in (correct, standing))
        rows.append(ClassRow(int(number), n, clean, robust, median))
    return rows
