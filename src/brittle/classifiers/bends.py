"""Where a piecewise linear network bends: the units whose sides say in which linear region an image lies."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

RELU, LEAKY, POOL = ("relu", "relu_"), ("leaky_relu", "leaky_relu_"), ("max_pool2d",)
SLOPE = 0.01
"""What torch's leaky ReLU lets through of negative values by default."""


@dataclass(frozen=True)
class Layer:
    """The units of one layer that bends.

    Attributes:
        values: of each unit what it chooses among, (n, u, w): its input, or the entries of its window.
        outputs: (n, u, ...), as the network went on with them.
        bend: by how much the slope changes at a bend.
    """

    values: Tensor
    outputs: Tensor
    bend: float

    def pattern(self) -> Tensor:
        """Return which side each unit is on: a sign, or the place of the largest entry; (n, u, 1)."""
        if self.values.shape[2] == 1:
            return torch.where(self.values > 0, 1.0, -1.0).to(self.values.dtype)
        return self.values.argmax(2, keepdim=True)

    def slack(self, pattern: Tensor) -> Tensor:
        """Measure how far each unit is from leaving its side, (n, u * w); negative where it has left."""
        if self.values.shape[2] == 1:
            return (pattern * self.values).flatten(1)
        return (self.values.gather(2, pattern) - self.values).flatten(1)


@dataclass
class Bends(TorchFunctionMode):
    """A context in which a network's ReLUs, leaky ReLUs and maximum poolings are noted as it calls them.

    The network calculates as it would without. Noted is what depends on the images in a way that can be
    differentiated; other functions that bend, such as `hardtanh`, are not.

    Attributes:
        layers: in the order in which they were called.

    Example:
        >>> with Bends() as bends:
        ...     outputs = nn.ReLU()(torch.tensor([[[[3.0, -2.0]]]], requires_grad=True))
        >>> bends.slack(bends.patterns()).tolist()
        [[3.0, 2.0]]
    """

    layers: list[Layer] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Compute as asked, and note what bends."""
        given = kwargs or {}
        name = str(getattr(func, "__name__", "")).partition(".")[0]
        inputs = args[0] if args else given.get("input")
        bends = name in (*RELU, *LEAKY, *POOL) and not torch.compiler.is_compiling()
        if not bends or not isinstance(inputs, Tensor) or not inputs.requires_grad:
            return func(*args, **given)
        if name in POOL:
            window = {key: value for key, value in given.items() if key != "input"}
            values, bend = _windows(inputs, *args[1:], **window), 1.0
        else:
            slope = 0.0 if name in RELU else (args[1] if len(args) > 1 else given.get("negative_slope", SLOPE))
            values, bend = inputs.clone().flatten(1)[:, :, None], 1.0 - slope  # it may be written over
        outputs = func(*args, **given)
        if values is None or not isinstance(outputs, Tensor):
            return outputs
        self.layers.append(Layer(values, outputs, bend))
        return outputs.clone()  # which the network may write over, too

    def fits(self, count: int) -> bool:
        """Say whether something bends, and every layer that does has a row for each of so many images."""
        return bool(self.layers) and all(len(one.values) == len(one.outputs) == count for one in self.layers)

    def patterns(self) -> list[Tensor]:
        """Return which side each unit is on, layer by layer; see `Layer.pattern`."""
        return [layer.pattern() for layer in self.layers]

    def slack(self, patterns: list[Tensor]) -> Tensor:
        """Measure how far each unit is from leaving the side that patterns give it, (n, all); one row serves all."""
        count = len(self.layers[0].values)
        both = zip(self.layers, patterns, strict=True)
        return torch.cat([layer.slack(one.expand(count, -1, -1)) for layer, one in both], 1)

    def slopes(self, value: Tensor, leaf: Tensor) -> tuple[Tensor, Tensor]:
        """Differentiate a value by the images, and by what leaves its side; both in one backward pass.

        Args:
            value: one number.
            leaf: the images, (n, c, h, w).

        Returns:
            The gradient (n, c, h, w), and what each unit of negative slack adds to the value, (n, all).
        """
        inputs = [leaf, *(one.outputs for one in self.layers)]
        found = cast("tuple[Tensor | None, ...]", torch.autograd.grad(value, inputs, allow_unused=True))
        gradient, *slopes = found
        parts: list[Tensor] = []
        for layer, slope in zip(self.layers, slopes, strict=True):
            known = torch.zeros_like(layer.outputs) if slope is None else slope
            parts.append((layer.bend * known.flatten(1)[:, :, None]).expand_as(layer.values).flatten(1))
        return torch.zeros_like(leaf) if gradient is None else gradient, torch.cat(parts, 1)


def _windows(
    inputs: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | None:
    """Return the entries of each window of a maximum pooling, (n, u, w); None where it is of an unusual kind."""
    if inputs.ndim != 4 or ceil_mode or return_indices:
        return None
    kernel = (kernel_size,) * 2 if isinstance(kernel_size, int) else tuple(kernel_size)
    sides = (padding,) * 2 if isinstance(padding, int) else tuple(padding)
    least = torch.finfo(inputs.dtype).min / 4
    wide = nn.functional.pad(inputs, (sides[-1], sides[-1], sides[0], sides[0]), value=least) if any(sides) else inputs
    found = nn.functional.unfold(wide, kernel, dilation=dilation, stride=stride or kernel)
    entries = found.unflatten(1, (inputs.shape[1], -1)).transpose(2, 3)
    return entries.flatten(1, 2)
