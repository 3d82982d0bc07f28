"""How small the changes are that break the network."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from brittle.errors import InputError
from brittle.metrics.estimate import LEVEL, Estimate, Floats, mean, quantile
from brittle.metrics.rows import changes, flags, floats
from brittle.names import OLDER_NORMS

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def minimal_sizes(table: pa.Table, p: str | None = None) -> Floats:
    """Size of the change for every image that was right before, infinite where the attack found none.

    Args:
        table: the rows of an attack.
        p: the norm; None for the norm that the attack worked in.

    Returns:
        Shape (number of images right before,).
    """
    sizes = floats(table, "size") if p is None else changes(table, p)
    return np.where(flags(table, "success"), sizes, np.inf)[flags(table, "correct")]


def median_size(table: pa.Table, p: str | None = None, level: float = LEVEL) -> Estimate:
    """Median of `minimal_sizes` with its exact interval; infinite when less than half of the images were broken.

    Of one attack: the median over several, the smallest size per image, is `median_smallest`.

    Raises:
        InputError: no image was right before.
    """
    return quantile(minimal_sizes(table, p), 0.5, level)


def size_quantiles(
    table: pa.Table,
    levels: Sequence[float] = QUANTILES,
    p: str | None = None,
    level: float = LEVEL,
) -> dict[float, Estimate]:
    """Quantiles of `minimal_sizes` with their exact intervals.

    Args:
        table: the rows of an attack.
        levels: which quantiles, in [0, 1].
        p: the norm; None for the norm that the attack worked in.
        level: coverage of the intervals.

    Returns:
        Quantile to estimate; infinite where so many images were not broken.

    Raises:
        InputError: no image was right before.
    """
    sizes = minimal_sizes(table, p)
    return {q: quantile(sizes, q, level) for q in levels}


def mean_size(table: pa.Table, p: str | None = None, level: float = LEVEL, seed: int = 0) -> Estimate:
    """Mean size of the successful changes, with its interval (`mean`); n is the number of successes.

    Raises:
        InputError: the attack had no success.
    """
    sizes = minimal_sizes(table, p)
    return mean(sizes[np.isfinite(sizes)], None, level, seed)


def rho_adv(table: pa.Table, p: str = "l2", level: float = LEVEL, seed: int = 0, found_only: bool = False) -> Estimate:
    """Average relative size of the smallest change: mean of ``||r||_p / ||x||_p`` over the images right before.

    Moosavi-Dezfooli, Fawzi, Frossard, "DeepFool", CVPR 2016, equation 2. The paper averages over the whole test set,
    where the smallest change of an image that is wrong already leads from its *predicted* label; here such images
    have no size and are left out.

    Args:
        table: the rows of a minimum-norm attack.
        p: l1, l2 or linf (the paper uses l2, and linf in its section 4.2).
        level: coverage of the interval.
        seed: of the interval's draws.
        found_only: average over the images for which a change was found; otherwise one not found makes the mean
            infinite, and an infinite mean has no interval.

    Returns:
        The mean with its interval (`mean`), which speaks of images for which a change can be found.

    Raises:
        InputError: another p, or no image to average over.
    """
    norm = OLDER_NORMS.get(p, p)
    if norm not in ("l1", "l2", "linf"):
        raise InputError(f"a change relative to the image has no meaning for {p!r}; give l1, l2 or linf")
    correct = flags(table, "correct")
    image = floats(table, f"image_{norm}")[correct]
    if not np.all(image > 0):
        raise InputError("an image is black all over: a change relative to it has no size; leave it out")
    relative = minimal_sizes(table, p) / image
    return mean(relative[np.isfinite(relative)] if found_only else relative, None, level, seed)


def quantization_cost(table: pa.Table, level: float = LEVEL) -> Estimate:
    """Median fraction by which a quantization grid made the changes larger, over the images it left broken.

    Args:
        table: the rows of an attack run with `quantization`.
        level: coverage of the interval.

    Returns:
        0.02 for 2 %; negative where the search on the grid found smaller changes than the attack did.

    Raises:
        InputError: no image was broken on the grid.
    """
    before = floats(table, "size_unrounded")
    held = flags(table, "correct") & flags(table, "success") & np.isfinite(before) & (before > 0)
    ratio = quantile(floats(table, "size")[held] / before[held], 0.5, level)
    return Estimate(ratio.value - 1, ratio.low - 1, ratio.high - 1, ratio.n)
