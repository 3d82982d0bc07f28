"""One pass over images in raster order, at whose pixels a PixelCNN is asked before they are filled in."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from brittle.models.generative.logistic_mixture import LogisticMixture
from brittle.models.generative.pixelcnn import GatedLayer, PixelCNN, gated


class RasterPass:
    """What a PixelCNN says of one pixel after the other, with every layer's features computed once.

    The stack that sees the rows above is computed once a row, for the whole row; the one that sees the pixels to the
    left once a pixel, from the two columns that a layer reaches. A whole pass thus costs about as much as one ordinary
    forward pass, in place of one forward pass a pixel. All images go together.

    Args:
        model: whose weights are read, and not changed.
        count: images.
        height: of the images.
        width: of the images.

    Example:
        >>> model = PixelCNN(1, width=4, depth=1)
        >>> walk = RasterPass(model, 2, 5, 5)
        >>> walk.mixture(0, 0).means.shape
        torch.Size([2, 1, 5])
        >>> walk.fill(0, 0, torch.zeros(2, 1))
    """

    def __init__(self, model: PixelCNN, count: int, height: int, width: int):
        like, reach = model.hidden.weight, model.reach
        self.model, self.width = model, width
        self.seen = like.new_zeros((count, model.channels + 1, height + reach, width + 2 * reach))
        self.seen[:, -1, reach:, reach : reach + width] = 1
        self.layers = [_Layer.of(layer, count, width) for layer in model.gated_layers]
        self.first = _flat(model.beside.weight)
        self.hidden, self.last = _flat(model.hidden.weight), _flat(model.last.weight)

    def mixture(self, row: int, column: int) -> LogisticMixture:
        """Return a pixel's distribution given all those that were filled in before, (n, ...).

        Pixels are asked for in raster order, each one once, and filled in before the next one is asked for.
        """
        if column == 0:
            self._begin(row)
        model, reach = self.model, self.model.reach
        left = self.seen[:, :, row + reach, column : column + reach].flatten(1)
        beside = torch.addmm(_bias(model.beside), left, self.first)
        for layer in self.layers:
            beside = layer.at(column, beside)
        hidden = functional.elu(torch.addmm(_bias(model.hidden), functional.elu(beside), self.hidden))
        return LogisticMixture.of(torch.addmm(_bias(model.last), hidden, self.last), model.channels, model.levels)

    def fill(self, row: int, column: int, values: Tensor) -> None:
        """Put the values (n, c), from -1 to 1, of the pixel in that was asked for last."""
        self.seen[:, :-1, row + self.model.reach, column + self.model.reach] = values

    def _begin(self, row: int) -> None:
        """Compute what the pixels of a row get to know of those above."""
        above = self.model.above(self.seen[:, :, row : row + self.model.reach])
        for layer in self.layers:
            above = layer.begin(above)


@dataclass
class _Layer:
    """One gated layer with what it remembers."""

    layer: GatedLayer
    weight: Tensor
    out: Tensor
    earlier: Tensor
    """The vertical features (n, w, 2, columns) that came in, of the row above and of this one."""
    joined: Tensor
    """What the row above and the biases give to every pixel of this row, (columns, n, 2 w)."""
    left: Tensor
    """The horizontal features that came in at the pixel to the left, (n, w)."""

    @classmethod
    def of(cls, layer: GatedLayer, count: int, columns: int) -> "_Layer":
        weight, out = _flat(layer.horizontal.weight, columns_first=True), _flat(layer.out.weight)
        width = layer.out.out_channels
        earlier, left = weight.new_zeros((count, width, 2, columns)), weight.new_zeros((count, width))
        return cls(layer, weight, out, earlier, weight, left)

    def begin(self, above: Tensor) -> Tensor:
        """Take in the vertical features of a new row, (n, w, 1, columns), and return those of the next layer."""
        self.earlier = torch.cat([self.earlier[:, :, 1:], above], 2)
        found = self.layer.vertical(functional.pad(self.earlier, (1, 1)))
        self.joined = (self.layer.link(found) + _bias(self.layer.horizontal)[:, None, None])[:, :, 0].permute(2, 0, 1)
        self.left = torch.zeros_like(self.left)
        return above + gated(found)

    def at(self, column: int, beside: Tensor) -> Tensor:
        """Take in the horizontal features at a pixel, (n, w), and return those of the next layer."""
        joined = torch.addmm(self.joined[column], torch.cat([self.left, beside], 1), self.weight)
        self.left = beside
        return beside + torch.addmm(_bias(self.layer.out), gated(joined), self.out)


def _flat(weight: Tensor, *, columns_first: bool = False) -> Tensor:
    """The weights of a convolution one row high as a matrix, inputs x outputs."""
    weight = weight.detach()
    return (weight.permute(3, 1, 2, 0) if columns_first else weight.permute(1, 2, 3, 0)).flatten(0, 2).contiguous()


def _bias(layer: torch.nn.Conv2d) -> Tensor:
    if layer.bias is None:
        raise TypeError("a convolution of a PixelCNN has a bias")
    return layer.bias.detach()
