"""How close each attack comes to the smallest changes that all of them together found."""

from collections.abc import Mapping

import numpy as np

from brittle.errors import InputError
from brittle.maths.intervals import bounded_ratio
from brittle.metrics.estimate import LEVEL, Estimate, Floats, proportion, without_interval

FEWEST = 4
"""Images besides the farthest one from which on there is an interval."""


def optimality(sizes: Mapping[str, Floats], level: float = LEVEL, seed: int = 0) -> dict[str, Estimate]:
    """Compare each attack's robust-accuracy curve with that of the smallest changes known (local optimality).

    Cinà et al., AttackBench, AAAI 2025 (arXiv:2404.19460), section 3: 1 - (A - A*) / (A0 - A*), with A the area under
    the robust accuracy over the distance up to d, A* the same of the best change of each image, A0 the rectangle that a
    useless attack leaves, and d the largest of the best changes. For the images that were right the area is the mean of
    min(size, d), so that no curve needs to be sampled.

    Deviations: images that no attack broke say nothing about any of them and are left out. The area is exact, and from
    0 on, where the published code uses trapezoids from the smallest distance on. Images that were wrong before have
    distance 0 for everyone and cancel. Where all best changes are of one size there is no area between the useless and
    the best attack (0 / 0, for which the published code gives 1 to everyone): the limit for d falling to that size is
    the fraction of the images for which the attack found a change of it, and that is returned.

    The interval takes d as given: it is for images drawn like these whose smallest change, cut off at d, is compared.

    Args:
        sizes: by attack, the size of its change for each image that was right before, (n,), the same images in the same
            order for all; infinite where it found none.
        level: least coverage of the intervals.
        seed: of the intervals' draws.

    Returns:
        By attack: 1 where it found the smallest change of every image, 0 where it found nothing; n counts the images
        that some attack broke.

    Raises:
        InputError: no attack, no images, different numbers of them, or no image that some attack broke.

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
    known = np.isfinite(table.min(axis=0))
    if not known.any():
        raise InputError(f"no attack broke any of the {len(known)} images: there is nothing to compare them with")
    table = table[:, known]
    best = table.min(axis=0)
    return {name: _optimality(own, best, level, seed) for name, own in zip(names, table, strict=True)}


def _optimality(own: Floats, best: Floats, level: float, seed: int) -> Estimate:
    farthest = float(best.max())
    room = farthest - best
    if not room.any():
        return proportion(int((own <= farthest).sum()), len(best), level)
    gained = farthest - np.minimum(own, farthest)
    value = float(gained.sum() / room.sum())
    others = np.arange(len(best)) != int(best.argmax())  # the farthest image made d, and is no draw given d
    if others.sum() < FEWEST:
        return without_interval(value, len(best))
    low, high = bounded_ratio(gained[others], room[others], farthest, level, seed)
    return Estimate(value, min(low, value), max(high, value), len(best))
