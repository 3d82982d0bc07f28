"""A small PixelCNN: how likely an image is, value by value, each given those before it in raster order."""

import math
from typing import Any

from torch import Tensor, nn, ones_like
from torch.nn import functional

from brittle.errors import InputError
from brittle.models.generative.logistic_mixture import LogisticMixture, parameters_of_mixture
from brittle.types import Images


class PixelCNN(nn.Module):
    """The distribution of images as the product of those of their pixels, each given the ones above and to the left.

    Gated convolutions in two stacks that see nothing of a pixel or what follows it, without a blind spot: van den Oord
    et al., NeurIPS 2016 (arXiv:1606.05328), section 2; logistic mixtures over the levels and the plane of ones that
    tells the border: Salimans et al., ICLR 2017 (PixelCNN++, arXiv:1701.05517). Deviations, for a small network that an
    ordinary processor trains in minutes: one resolution without down-sampling, no dropout, few channels, a residual
    connection in both stacks.

    It takes images of any size with its number of channels.

    Args:
        channels: of the images.
        width: channels of every layer.
        depth: gated layers after the first; a pixel sees `reach + depth` rows above.
        mixtures: logistic components of a pixel.
        levels: that a value may have, 256 for 8 bits.
        reach: rows above, and pixels to the left, that the first layer sees.

    Raises:
        InputError: a number that is too small.

    Example:
        >>> import torch
        >>> model = PixelCNN(1, width=4, depth=1)
        >>> model.log_likelihood(torch.rand(2, 1, 5, 5)).shape
        torch.Size([2])
    """

    KIND = "pixelcnn"

    def __init__(
        self, channels: int, width: int = 32, depth: int = 4, mixtures: int = 5, levels: int = 256, reach: int = 3
    ):
        super().__init__()
        sizes = {"channels": channels, "width": width, "depth": depth, "mixtures": mixtures, "reach": reach}
        for name, value, least in (*((name, value, 1) for name, value in sizes.items()), ("levels", levels, 2)):
            if value < least:
                raise InputError(f"{name} of a PixelCNN is {value}; expected at least {least}")
        self.channels, self.width, self.mixtures, self.levels, self.reach = channels, width, mixtures, levels, reach
        self.above = nn.Conv2d(channels + 1, width, (reach, 2 * reach + 1))
        self.beside = nn.Conv2d(channels + 1, width, (1, reach))
        self.layers = nn.ModuleList(GatedLayer(width) for _ in range(depth))
        self.hidden = nn.Conv2d(width, width, 1)
        self.last = nn.Conv2d(width, parameters_of_mixture(channels, mixtures), 1)

    @property
    def design(self) -> dict[str, Any]:
        """The arguments that such a network is made with."""
        sizes = {"channels": self.channels, "width": self.width, "depth": len(self.layers)}
        return {**sizes, "mixtures": self.mixtures, "levels": self.levels, "reach": self.reach}

    @property
    def gated_layers(self) -> "list[GatedLayer]":
        """The layers after the first, in their order."""
        return [layer for layer in self.layers if isinstance(layer, GatedLayer)]

    def forward(self, images: Images) -> Tensor:
        """Return the parameters of every pixel's mixture, (n, h, w, p), of images (n, c, h, w) in [0, 1]."""
        seen, reach = self.prepared(images), self.reach
        above = self.above(functional.pad(seen, (reach, reach, reach, 0)))[:, :, : seen.shape[2]]
        beside = self.beside(functional.pad(seen, (reach, 0, 0, 0)))[:, :, :, : seen.shape[3]]
        for layer in self.layers:
            above, beside = layer(above, beside)
        return self.last(functional.elu(self.hidden(functional.elu(beside)))).permute(0, 2, 3, 1)

    def prepared(self, images: Images) -> Tensor:
        """Return images from -1 to 1 with a plane of ones, (n, c + 1, h, w); the border is then told by zeros.

        Raises:
            InputError: images with another number of channels.
        """
        if images.ndim != 4 or images.shape[1] != self.channels:
            raise InputError(
                f"the PixelCNN takes images with {self.channels} channels, and these have shape {tuple(images.shape)}; "
                "expected (n, c, h, w): name weights that were trained on such images"
            )
        scaled = images * 2 - 1
        return functional.pad(scaled, (0, 0, 0, 0, 0, 1), value=1.0) if len(images) else _with_plane(scaled)

    def mixture(self, images: Images) -> LogisticMixture:
        """Return every pixel's distribution, with leading dimensions (n, h, w)."""
        return LogisticMixture.of(self(images), self.channels, self.levels)

    def log_likelihood(self, images: Images) -> Tensor:
        """Return the natural logarithm of the images' probability, (n,); values are rounded to the nearest level."""
        levels = (images * (self.levels - 1)).round().permute(0, 2, 3, 1)
        return self.mixture(images).log_likelihood(levels).sum((1, 2))

    def bits_per_value(self, images: Images) -> Tensor:
        """Return minus the binary logarithm of the probability over the number of values, (n,)."""
        return -self.log_likelihood(images) / (math.log(2) * images[0].numel())


def _with_plane(scaled: Tensor) -> Tensor:
    """The same for no images at all, which torch's padding refuses."""
    from torch import cat

    return cat([scaled, ones_like(scaled[:, :1])], 1)


class GatedLayer(nn.Module):
    """One layer of both stacks: tanh times sigmoid, the vertical stack feeding the horizontal one.

    Args:
        width: channels of both.
    """

    def __init__(self, width: int):
        super().__init__()
        self.vertical = nn.Conv2d(width, 2 * width, (2, 3))
        self.horizontal = nn.Conv2d(width, 2 * width, (1, 2))
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, above: Tensor, beside: Tensor) -> tuple[Tensor, Tensor]:
        """Return both stacks after the layer; each (n, width, h, w)."""
        found = self.vertical(functional.pad(above, (1, 1, 1, 0)))
        joined = self.horizontal(functional.pad(beside, (1, 0, 0, 0))) + self.link(found)
        return above + gated(found), beside + self.out(gated(joined))


def gated(features: Tensor) -> Tensor:
    """Return tanh of the first half of the channels times the logistic function of the second, (n, 2 c, ...)."""
    signal, gate = features.chunk(2, 1)
    return signal.tanh() * gate.sigmoid()
