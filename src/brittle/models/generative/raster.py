"""One pass over images in raster order, at whose pixels a PixelCNN is asked before they are filled in."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from brittle.models.generative.logistic_mixture import LogisticMixture
from brittle.models.generative.pixelcnn import GatedLayer, PixelCNN


class RasterPass:
    """What a PixelCNN says of one pixel after the other, with every layer's features computed once.

    The stack that sees the rows above is computed once a row, for the whole row; the one that sees the pixels to the
    left once a pixel, from the two columns that a layer reaches. A whole pass thus costs about as much as one ordinary
    forward pass, in place of one forward pass a pixel. All images go together.

    Features lie as (columns, n, channels), so that the images of a pixel, and those of neighbouring ones, are the rows
    of a matrix as they are, and every convolution is a matrix product.

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
        self.seen = like.new_zeros((height + reach, width + 2 * reach, count, model.channels + 1))
        self.seen[reach:, reach : reach + width, :, -1] = 1
        self.layers = [_Layer.of(layer) for layer in model.gated_layers]
        self.above, self.beside, self.hidden, self.last = (
            _Flat.of(layer) for layer in (model.above, model.beside, model.hidden, model.last)
        )
        features, depth = model.width, len(self.layers)
        self.rows = like.new_zeros((depth, width + 2, count, 2 * features))
        """What came into a layer's vertical stack: of the row above, then of this one, between columns of zeros."""
        self.left = like.new_zeros((depth + 1, count, features))
        """The horizontal features that came into a layer at the last pixel; the last ones came out of all of them."""
        self.stack = self.left.unbind()
        self.joined = like.new_zeros((depth, width, count, 2 * features))
        """What the rows above and the biases give to every pixel of this row in a layer."""
        self.found = like.new_zeros((width * count, 2 * features))
        """Room for the vertical features of one layer."""
        self.of_left = torch.stack([layer.left for layer in self.layers]) if depth else like.new_zeros((0, 1, 1))

    def mixture(self, row: int, column: int) -> LogisticMixture:
        """Return a pixel's distribution given all those that were filled in before, (n, ...).

        Pixels are asked for in raster order, each one once, and filled in before the next one is asked for.
        """
        if column == 0:
            self._begin(row)
        model, reach, stack = self.model, self.model.reach, self.stack
        joined = torch.baddbmm(self.joined[:, column], self.left[:-1], self.of_left).unbind()
        near = self.seen[row + reach, column : column + reach].transpose(0, 1).flatten(1)
        torch.addmm(self.beside.bias, near, self.beside.weight, out=stack[0])
        for number, layer in enumerate(self.layers):
            both = joined[number].addmm_(stack[number], layer.here).sigmoid_()
            both[:, : model.width].mul_(both[:, model.width :])
            torch.addmm(layer.out.bias, both, layer.out.weight, out=stack[number + 1]).add_(stack[number])
        hidden = torch.addmm(self.hidden.bias, functional.elu(stack[-1]), self.hidden.weight)
        last = torch.addmm(self.last.bias, functional.elu_(hidden), self.last.weight)
        return LogisticMixture.of(last, model.channels, model.levels)

    def fill(self, row: int, column: int, values: Tensor) -> None:
        """Put the values (n, c), from -1 to 1, of the pixel in that was asked for last."""
        self.seen[row + self.model.reach, column + self.model.reach, :, :-1] = values

    def _begin(self, row: int) -> None:
        """Compute what the pixels of a row get to know of those above."""
        reach, width, features = self.model.reach, self.width, self.model.width
        window = self.seen[row : row + reach].unfold(1, 2 * reach + 1, 1)  # (rows, columns, n, c + 1, across)
        above = torch.addmm(self.above.bias, window.permute(1, 2, 0, 4, 3).flatten(2).flatten(0, 1), self.above.weight)
        for number, layer in enumerate(self.layers):
            rows = self.rows[number]
            rows[..., :features] = rows[..., features:]
            rows[1:-1, :, features:] = above.view(width, -1, features)
            found = self.found.copy_(layer.above.bias)
            for shift, weight in enumerate(layer.above.weight.unbind()):
                found.addmm_(rows[shift : shift + width].flatten(0, 1), weight)
            torch.addmm(layer.link.bias, found, layer.link.weight, out=self.joined[number].flatten(0, 1))
            signal, gate = found.sigmoid_().chunk(2, 1)
            above = above.addcmul_(signal, gate, value=2).sub_(gate)
        self.left.zero_()


@dataclass
class _Flat:
    """A convolution as a matrix product: inputs (..., rows, columns, channels) x outputs."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, layer: torch.nn.Conv2d) -> "_Flat":
        if layer.bias is None:
            raise TypeError("a convolution of a PixelCNN has a bias")
        return cls(layer.weight.detach().permute(2, 3, 1, 0).flatten(0, 2).contiguous(), layer.bias.detach())

    def gate(self) -> "_Flat":
        """Double what becomes the signal of a gate, a factor that rounds nothing: one function then does for both.

        tanh(a) s(b) is 2 s(2 a) s(b) - s(b), where s is the logistic function.
        """
        factor = torch.ones_like(self.bias)
        factor[: len(factor) // 2] = 2
        return _Flat(self.weight * factor, self.bias * factor)


@dataclass
class _Layer:
    """The weights of one gated layer."""

    above: _Flat
    """Of the vertical convolution, one matrix for each of its three columns."""
    link: _Flat
    """From the vertical features to the horizontal ones, with the biases of both."""
    left: Tensor
    here: Tensor
    """Of the horizontal convolution: for the pixel to the left, and for this one."""
    out: _Flat
    """Of what passes the gate: its inputs are s(2 a) s(b) and s(b)."""

    @classmethod
    def of(cls, layer: GatedLayer) -> "_Layer":
        above, beside, link = _Flat.of(layer.vertical).gate(), _Flat.of(layer.horizontal).gate(), _Flat.of(layer.link)
        link = link.gate()
        halves = torch.ones_like(link.bias)
        halves[: len(halves) // 2] = 0.5  # the vertical features come in with their first half doubled
        link = _Flat(link.weight * halves[:, None], link.bias + beside.bias)
        left, here = (part.contiguous() for part in beside.weight.chunk(2))
        columns = above.weight.unflatten(0, (2, 3, -1)).transpose(0, 1).flatten(1, 2).contiguous()
        out = _Flat.of(layer.out)
        out = _Flat(torch.cat([2 * out.weight, -out.weight]), out.bias)
        return cls(_Flat(columns, above.bias), link, left, here, out)
