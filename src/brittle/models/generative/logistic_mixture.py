"""Mixtures of logistic distributions over the levels of an image's values."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

LEAST_LOG_SCALE = -7.0
"""Of a component, in units of half the range of values (Salimans et al. 2017, their code)."""


def parameters_of_mixture(channels: int, components: int) -> int:
    """Return how many numbers describe the mixture of one pixel.

    Example:
        >>> parameters_of_mixture(1, 5), parameters_of_mixture(3, 10)
        (15, 100)
    """
    return components * (1 + 2 * channels + channels * (channels - 1) // 2)


@dataclass(frozen=True)
class LogisticMixture:
    """What a pixel's values are likely to be, each pixel with a distribution of its own.

    Salimans, Karpathy, Chen & Kingma, ICLR 2017 (PixelCNN++, arXiv:1701.05517), sections 2.1 and 2.2: a mixture of
    logistic distributions, rounded to levels; the lowest and the highest level take what lies beyond. A component has
    one weight for all channels of a pixel, and its mean in a channel is a linear function of the values in those
    before.

    Attributes:
        weights: (..., k), logarithms that add up to 1.
        means: (..., c, k), of values from -1 to 1, without the part of the channels before.
        log_scales: (..., c, k).
        slopes: (..., c (c - 1) / 2, k), of channel 1 by channel 0, of 2 by 0, of 2 by 1, and so on, in (-1, 1).
        levels: that a value may have, evenly spaced from -1 to 1.
    """

    weights: Tensor
    means: Tensor
    log_scales: Tensor
    slopes: Tensor
    levels: int

    @classmethod
    def of(cls, parameters: Tensor, channels: int, levels: int) -> "LogisticMixture":
        """Read off a network's outputs (..., p), with p as `parameters_of_mixture` says."""
        pairs = channels * (channels - 1) // 2
        parts = parameters.unflatten(-1, (1 + 2 * channels + pairs, -1))
        weights, means, scales, slopes = parts.split((1, channels, channels, pairs), dim=-2)
        weights = functional.log_softmax(weights.squeeze(-2), -1)
        return cls(weights, means, scales.clamp_min(LEAST_LOG_SCALE), slopes.tanh(), levels)

    def only(self, which: Tensor) -> "LogisticMixture":
        """Return the distributions of some pixels, by a mask over the first dimension."""
        return LogisticMixture(
            self.weights[which], self.means[which], self.log_scales[which], self.slopes[which], self.levels
        )

    def values(self, levels: Tensor) -> Tensor:
        """Return the values from -1 to 1 of whole levels from 0 on."""
        return levels * (2 / (self.levels - 1)) - 1

    def means_given(self, channel: int, earlier: Sequence[Tensor]) -> Tensor:
        """Return the components' means (..., k) in a channel, given the values (...) in those before."""
        first = channel * (channel - 1) // 2
        means = self.means[..., channel, :]
        for other, values in enumerate(earlier):
            means = means + self.slopes[..., first + other, :] * values.unsqueeze(-1)
        return means

    def components(self, channel: int, levels: Tensor, means: Tensor) -> Tensor:
        """Return log P(level) in a channel under every component.

        Args:
            channel: from 0 on.
            levels: (..., m), whole numbers of the mixture's floating type.
            means: (..., k) of `means_given`.

        Returns:
            (..., m, k), exact also far from the means: log(s(a) - s(b)) is the sum of log s(a), log s(-b) and
            log(1 - exp(b - a)), s being the logistic function.
        """
        log_scales = self.log_scales[..., None, channel, :]
        inverse = (-log_scales).exp()
        half = 1 / (self.levels - 1)
        distance = self.values(levels).unsqueeze(-1) - means.unsqueeze(-2)
        below = functional.logsigmoid((distance + half) * inverse)
        above = functional.logsigmoid((half - distance) * inverse)
        within = torch.log(-torch.expm1(-2 * half * inverse))
        lowest, highest = (levels <= 0).unsqueeze(-1), (levels >= self.levels - 1).unsqueeze(-1)
        return torch.where(lowest, below, torch.where(highest, above, below + above + within))

    def log_likelihood(self, levels: Tensor) -> Tensor:
        """Return the natural logarithm of the probability of whole pixels.

        Args:
            levels: (..., c), whole numbers of the mixture's floating type.

        Returns:
            (...), summed over the channels.
        """
        found, earlier = self.weights, list[Tensor]()
        for channel, level in enumerate(levels.unbind(-1)):
            means = self.means_given(channel, earlier)
            found = found + self.components(channel, level.unsqueeze(-1), means).squeeze(-2)
            earlier.append(self.values(level))
        return found.logsumexp(-1)
