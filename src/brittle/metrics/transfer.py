"""How often a change that was made for one network breaks another."""

import numpy as np
from numpy.typing import ArrayLike

from brittle.errors import InputError
from brittle.metrics.estimate import Estimate, proportion


def transfer_rate(source_right: ArrayLike, target_right: ArrayLike, target_broken: ArrayLike) -> Estimate:
    """Estimate how many images break the target, of those that source and target get right as they are.

    What the source gets wrong by itself is not changed for it, and what the target gets wrong needs no change: neither
    says anything of the transfer.

    Args:
        source_right: which clean images the network gets right that the changes were made for, bool (n,).
        target_right: which clean images the network gets right that is shown the changed ones, bool (n,).
        target_broken: which changed ones it gets wrong, bool (n,).

    Raises:
        InputError: arrays of different lengths, or no image that both get right.

    Example:
        >>> transfer_rate([True, True, True, False], [True, True, False, True], [True, False, True, True]).value
        0.5
    """
    before, other, after = (np.asarray(one, bool) for one in (source_right, target_right, target_broken))
    if not before.shape == other.shape == after.shape or before.ndim != 1:
        raise InputError(f"verdicts of {before.shape}, {other.shape} and {after.shape} images; expected one each")
    both = before & other
    if not both.any():
        raise InputError(f"there is none of {len(both)} images that both networks get right")
    return proportion(int((both & after).sum()), int(both.sum()))
