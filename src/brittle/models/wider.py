"""Architectures for images of more channels than they were made for: those of a network that reads an encoding."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from torch import nn

from brittle.errors import ModelError
from brittle.models.architectures import Architecture
from brittle.models.normalise import Normalise
from brittle.reading import open_tensors, parse_json

CHANNELS = "input_channels"
"""Where the header of a file of weights says how many channels its network takes, if not as many as by default."""
MOST = 256
"""Channels for each of the architecture's own."""


def wider(architecture: Architecture, channels: int) -> Architecture:
    """Return an architecture that takes images of another number of channels, with nothing normalised.

    The first layer with weights is one of torch's own first weights; all else is as it was.

    Args:
        architecture: one that begins with `Normalise`.
        channels: a multiple of its own.

    Raises:
        ModelError: another number of channels.

    Example:
        >>> from brittle.models import ARCHITECTURES
        >>> network = wider(ARCHITECTURES["digits-lenet"], 16).build()
        >>> network[1]
        Conv2d(16, 16, kernel_size=(5, 5), stride=(1, 1))
    """
    own, *sides = architecture.input_shape
    times, left = divmod(channels, own)
    if left or not 1 <= times <= MOST:
        raise ModelError(
            f"{architecture.name} takes images of {own} channels and was asked to take {channels}; expected a multiple "
            f"of {own}, at most {MOST * own}"
        )
    return replace(
        architecture,
        input_shape=(channels, *sides),
        construct=lambda: _widened(architecture.construct(), channels, times),
        shipped=False,
    )


def _widened(network: nn.Module, channels: int, times: int) -> nn.Module:
    """Put another first layer into a network that was just built."""
    name, first = next(
        (name, part) for name, part in network.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)
    )
    bias = first.bias is not None
    if isinstance(first, nn.Conv2d):
        shape = first.kernel_size, first.stride, first.padding
        made = nn.Conv2d(channels, first.out_channels, *shape, bias=bias)  # pyright: ignore[reportArgumentType]
    else:
        made = nn.Linear(first.in_features * times, first.out_features, bias=bias)
    network.set_submodule(name, made)
    network.set_submodule("0", Normalise((0.0,) * channels, (1.0,) * channels))
    return network


def as_trained(architecture: Architecture, weights: Path) -> Architecture:
    """Return the architecture with as many channels as a file of weights by `brittle train` says its network takes."""
    said: object = None
    with suppress(OSError, ValueError, KeyError, TypeError), open_tensors(weights) as file:
        said = parse_json(file.metadata()["brittle"])[CHANNELS]
    return wider(architecture, said) if isinstance(said, int) else architecture
