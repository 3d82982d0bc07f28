"""Networks of model collections take normalised images; here the normalisation moves inside."""

from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from os import environ

from torch import nn

from brittle.models.agreement import Arithmetic, ReversedChannels

ONLY_WEIGHTS = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
"""The environment variable that makes every `torch.load` accept tensors and nothing else."""


def before(module: nn.Module, arithmetic: Arithmetic) -> nn.Module:
    """A module from images in [0, 1]: the arithmetic, then the given module, in eval mode.

    Example:
        >>> import torch
        >>> before(nn.Flatten(), Arithmetic((0.5,), (0.5,)))(torch.ones(1, 1, 1, 1)).item()
        1.0
    """
    parts = OrderedDict[str, nn.Module](normalise=arithmetic.normalise(), network=module)
    if arithmetic.reverse:
        parts["order"] = ReversedChannels()
        parts.move_to_end("order", last=False)
    return nn.Sequential(parts).eval()


@contextmanager
def only_weights() -> Generator[None, None, None]:
    """Within it, `torch.load` in any package refuses pickles that hold more than tensors."""
    before = environ.get(ONLY_WEIGHTS)
    environ[ONLY_WEIGHTS] = "1"
    try:
        yield
    finally:
        if before is None:
            del environ[ONLY_WEIGHTS]
        else:
            environ[ONLY_WEIGHTS] = before
