"""A network behind the mean and the standard deviation that its images were normalised with in its training."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from brittle.arguments import parse_number, seen
from brittle.classifiers.around import Around
from brittle.errors import InputError, ModelError
from brittle.models.agreement import Arithmetic
from brittle.models.architectures import MNIST_SCALE
from brittle.models.cifar_networks import CIFAR_SCALE
from brittle.models.network import Network, surrounded
from brittle.types import Images
from brittle.words import plural

Numbers = str | float | Sequence[float]
"""A number for each channel, or one for all; or a name of `STATISTICS`."""
STATISTICS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": CIFAR_SCALE,
    "mnist": MNIST_SCALE,
    "half": ((0.5,), (0.5,)),
}
"""Means and standard deviations by name, of images in [0, 1]; `half` brings them to [-1, 1]."""
LEVELS = 255
"""What means and standard deviations of bytes are divided by."""


class Normalised(Around):
    """A network that is given (x - mean) / std of images x in [0, 1].

    Args:
        module: from normalised images to outputs.
        arithmetic: the mean and the standard deviation, one number a channel or one for all.

    Raises:
        ModelError: when it is called: images of another number of channels.

    Example:
        >>> import torch
        >>> Normalised(nn.Flatten(), Arithmetic((0.5,), (0.25,)))(torch.ones(1, 1, 1, 1)).item()
        2.0
    """

    mean: Tensor
    std: Tensor

    def __init__(self, module: nn.Module, arithmetic: Arithmetic):
        super().__init__(module)
        scale = arithmetic.normalise()
        self.register_buffer("mean", scale.mean, persistent=False)  # no part of the network's own weights
        self.register_buffer("std", scale.std, persistent=False)

    def forward(self, images: Images) -> Any:
        """Return what the network says of the normalised images."""
        if images.shape[1] != len(self.mean) > 1:  # else one channel would silently become three
            raise ModelError(
                f"the mean has {len(self.mean)} numbers and images have {plural(images.shape[1], 'channel')}; give one "
                "number for each channel, or one for all"
            )
        return self.module(self.inside(images))

    def inside(self, images: Images) -> Images:
        """Return the normalised images, of the type of those given."""
        return (images - self.mean.to(images.dtype)) / self.std.to(images.dtype)


def normalised(network: Network, mean: Numbers | None = None, std: Numbers | None = None) -> Network:
    """Put a mean and a standard deviation before a network; without any, return it as it is.

    Args:
        network: from normalised images to outputs.
        mean: as of `statistics_of`.
        std: likewise.

    Raises:
        InputError: as of `statistics_of`; a network with its normalisation inside, or one that takes another number of
            channels.

    Example:
        >>> bare = Network("mine", nn.Flatten(), "", input_shape=(3, 8, 8))
        >>> normalised(bare, "imagenet").module.mean.flatten()
        tensor([0.4850, 0.4560, 0.4060])
    """
    arithmetic = statistics_of(mean, std)
    if arithmetic is None:
        return network
    if network.normalises:
        raise InputError(
            f"{network.spec} takes images from 0 to 1, with its normalisation inside; leave out mean and std (--mean, "
            "--std)"
        )
    if network.input_shape is not None and len(arithmetic.mean) not in (1, network.input_shape[0]):
        raise InputError(
            f"the mean has {len(arithmetic.mean)} numbers and {network.spec} takes images of {network.input_shape[0]} "
            "channels; give one number for each channel, or one for all"
        )
    return surrounded(network, lambda module: Normalised(module, arithmetic))


def statistics_of(mean: Numbers | None = None, std: Numbers | None = None) -> Arithmetic | None:
    """Read a mean and a standard deviation.

    Args:
        mean: one number a channel, or one for all, in units of images in [0, 1], also as text with commas; or a name of
            `STATISTICS`, which says both.
        std: likewise.

    Returns:
        Both, with as many numbers each; None where neither is given.

    Raises:
        InputError: one alone, what are no such numbers, or those of images from 0 to 255.

    Example:
        >>> statistics_of("0.5,0.4,0.3", "0.25").std
        (0.25, 0.25, 0.25)
    """
    if mean is None and std is None:
        return None
    known = next((one for one in (mean, std) if isinstance(one, str) and one in STATISTICS), None)
    if known is not None:
        if any(one not in (None, known) for one in (mean, std)):
            raise InputError(f"mean is {mean} and std is {std}, where {known} says both; leave the other one out")
        return Arithmetic(*STATISTICS[known])
    if mean is None or std is None:
        missing, there = ("std", "mean") if std is None else ("mean", "std")
        raise InputError(f"{there} is given without {missing}; give both, or one of {', '.join(STATISTICS)} as {there}")
    means, deviations = _numbers("mean", mean), _numbers("std", std)
    if len(means) != len(deviations) and 1 not in (len(means), len(deviations)):
        raise InputError(f"mean has {len(means)} numbers and std {len(deviations)}; give as many, one for each channel")
    if max(map(abs, means)) > 1 or max(deviations) > 1:
        shown = [",".join(f"{one / LEVELS:.4g}" for one in numbers) for numbers in (means, deviations)]
        raise InputError(
            f"mean is {_text(means)} and std is {_text(deviations)}; expected those of images from 0 to 1: if these "
            f"are of images from 0 to {LEVELS}, give {shown[0]} and {shown[1]}"
        )
    if min(deviations) <= 0:
        raise InputError(f"std is {_text(deviations)}; expected numbers above 0")
    count = max(len(means), len(deviations))
    means, deviations = (one * (count // len(one)) for one in (means, deviations))
    return Arithmetic(means, deviations)


def _numbers(what: str, given: Numbers) -> tuple[float, ...]:
    try:
        parts = given.split(",") if isinstance(given, str) else given if isinstance(given, Sequence) else [given]
        numbers = tuple(parse_number(one.strip()) if isinstance(one, str) else float(one) for one in parts)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{what} is {seen(given)}; expected numbers such as 0.485,0.456,0.406, one for each channel or one for "
            f"all, or one of {', '.join(STATISTICS)}"
        ) from error
    if not numbers or not all(map(math.isfinite, numbers)):
        raise InputError(f"{what} is {_text(numbers)}; expected at least one number, and none infinite or NaN")
    return numbers


def _text(numbers: Sequence[float]) -> str:
    return ",".join(f"{one:g}" for one in numbers) or "empty"
