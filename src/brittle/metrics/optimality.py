"""How close each attack comes to the smallest changes that all of them together found."""

from collections.abc import Mapping

import numpy as np

from brittle.errors import InputError
from brittle.metrics.estimate import LEVEL, RESAMPLES, Estimate, Floats, bootstrap


def optimality(
    sizes: Mapping[str, Floats], seed: int = 0, level: float = LEVEL, resamples: int = RESAMPLES
) -> dict[str, Estimate]:
    """Compare each attack's robust-accuracy curve with that of the smallest changes known (local optimality).

    Cinà et al., AttackBench, AAAI 2025 (arXiv:2404.19460), section 3: 1 - (A - A*) / (A0 - A*), with A the area under
    the robust accuracy over the distance up to d, A* the same of the best change of each image, A0 the rectangle that a
    useless attack leaves, and d the largest of the best changes. For the images that were right the area is the mean of
    min(size, d), so that no curve needs to be sampled.

    Deviation: images that no attack broke say nothing about any of them and are left out of d; they count as d for
    everyone. The area is exact where the published code uses trapezoids. Images that were wrong before have distance 0
    for everyone and cancel.

    Args:
        sizes: by attack, the size of its change for each image that was right before, (n,), the same images in the same
            order for all; infinite where it found none.
        seed: of the bootstrap over images.
        level: coverage of the intervals.
        resamples: draws of the bootstrap.

    Returns:
        By attack: 1 where it found the smallest change of every image, 0 where it found nothing; a resample of images
        may put it above or below that of the whole.

    Raises:
        InputError: no attack, no images, or different numbers of them.

    Example:
        >>> found = optimality({"best": np.array([1.0, 3.0]), "worse": np.array([2.0, 3.0])})
        >>> found["best"].value, found["worse"].value
        (1.0, 0.5)
    """
    names = list(sizes)
    counts = {len(sizes[name]) for name in names}
    if len(counts) != 1 or counts == {0}:
        raise InputError(f"the attacks have {sorted(counts)} sizes; expected the same number for each, at least one")
    table = np.stack([np.asarray(sizes[name], dtype=np.float64) for name in names])
    best = table.min(axis=0)
    places = np.arange(table.shape[1], dtype=np.float64)
    return {
        name: bootstrap(places, lambda drawn, row=row: _optimality(table[row], best, drawn), seed, level, resamples)
        for row, name in enumerate(names)
    }


def _optimality(own: Floats, best: Floats, drawn: Floats) -> Floats:
    """Compute the share for every sample of images; `drawn` holds their positions, (r, n)."""
    places = drawn.astype(np.int64)
    smallest, size = best[places], own[places]
    farthest = np.where(np.isfinite(smallest), smallest, 0.0).max(axis=1, keepdims=True)
    least = np.minimum(smallest, farthest).mean(axis=1)
    lost = np.minimum(size, farthest).mean(axis=1) - least
    room = farthest[:, 0] - least
    return np.where(room > 0, 1 - lost / np.where(room > 0, room, 1.0), 1.0 * (lost <= 0))
