"""Layers of torch that take their sizes from the first images, and have seen none."""

from itertools import chain

from torch import nn
from torch.nn.parameter import is_lazy

from brittle.errors import ModelError

NAMED = 3
"""Weights without a size that a message names."""


def check_sizes(module: nn.Module) -> None:
    """Refuse a network that cannot be read, copied or trained, as its weights have no size yet.

    Raises:
        ModelError: with the names of such weights, and how they get their sizes.

    Example:
        >>> check_sizes(nn.Linear(2, 3))
    """
    lazy = [name for name, one in chain(module.named_parameters(), module.named_buffers()) if is_lazy(one)]
    if lazy:
        raise ModelError(
            f"the network has layers that do not know their sizes yet ({', '.join(lazy[:NAMED])}); show it one batch "
            "first: module(images[:2])"
        )
