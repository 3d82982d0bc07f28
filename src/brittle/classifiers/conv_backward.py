"""The way back through a convolution of few channels, on a CPU: where most of an image's gradient is paid for."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from brittle.types import Images

FEW = 3
"""Most channels that count as few: those of images."""
FILTERS = 6
"""Fewest filters for each of these channels; with fewer of them a library's kernel is as fast."""
LEAST = 4096
"""Fewest values in the images that are seen at once; with fewer of them there is nothing to gain."""
VALUES = 2**22
"""Most products held at a time, 16 MiB of them, so that they stay near the processor."""
_CONVOLUTIONS = frozenset({torch.conv2d, torch.ops.aten.conv2d.default})


def fast_conv_backward(images: Images) -> "AbstractContextManager[Shortened | None]":
    """Return a context in which a network's convolutions of few channels differentiate by the images at less cost.

    A library's kernels work on channels by the sixteen, and the first layer's way back has one or three of them: on 64
    images of MNIST and 20 filters of 5 x 5 it takes 7 ms where this takes 2.5, of 22 ms for LeNet's whole pass forward
    and back. The same sums in another order: gradients agree to the last digits of float32.

    What it is entered as says afterwards whether the network has called a convolution.

    Args:
        images: that the network is about to see, (n, c, h, w); nothing changes for images that ask for no gradient,
            have many channels or are few, lie elsewhere than on the CPU, or are not float32.

    Example:
        >>> images, layer = torch.rand(128, 1, 6, 6, requires_grad=True), nn.Conv2d(1, 8, 3).requires_grad_(False)
        >>> with fast_conv_backward(images):
        ...     outputs = layer(images)
        >>> torch.autograd.grad(outputs.sum(), images)[0].shape
        torch.Size([128, 1, 6, 6])
    """
    gains = images.ndim == 4 and images.shape[1] <= FEW and images.numel() >= LEAST
    return Shortened() if gains and _is_plain(images) and images.requires_grad else nullcontext()


class Shortened(TorchFunctionMode):
    """Takes the place of convolutions that it fits, and lets everything else be.

    Attributes:
        convolves: whether it has met a convolution.
    """

    def __init__(self):
        super().__init__()
        self.convolves = False

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Compute as asked."""
        given = kwargs or {}
        if func not in _CONVOLUTIONS:
            return func(*args, **given)
        self.convolves = True
        known = not torch.compiler.is_compiling()  # torch compiles the way back itself
        if known and (plan := _fitting(*args, **given)) is not None:
            return _Convolution.apply(*plan)
        return func(*args, **given)


def _fitting(
    input: Tensor,  # torch's own name, by which it may be given
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> tuple[Any, ...] | None:
    """Return the arguments of `_Convolution`, or None where torch's own way back is to be taken."""
    fixed = not (weight.requires_grad or (bias is not None and bias.requires_grad))
    channels = weight.shape[1]
    gains = input.ndim == 4 and channels <= FEW and len(weight) >= FILTERS * channels and input.numel() >= LEAST
    whole = groups == 1 and _pair(dilation) == (1, 1) and not isinstance(padding, str)
    if not (gains and whole and fixed and input.requires_grad and _is_plain(input) and _is_plain(weight)):
        return None
    return input, weight, bias, _pair(stride), _pair(padding)


def _is_plain(tensor: Tensor) -> bool:
    """Say whether a tensor is of float32 on the CPU, with nothing of torch's between it and its values."""
    transformed = torch._C._are_functorch_transforms_active()  # pyright: ignore[reportPrivateUsage]
    plain = type(tensor) in (Tensor, nn.Parameter) and tensor.device.type == "cpu" and tensor.dtype == torch.float32
    return plain and not transformed and not torch.is_autocast_enabled("cpu")


def _pair(value: Any) -> tuple[int, int]:
    """Write one number for both directions twice."""
    numbers = tuple(value) if isinstance(value, list | tuple) else (value,)
    return (numbers[0], numbers[-1])


class _Convolution(torch.autograd.Function):
    """A convolution that is differentiated by its input alone."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        """Convolve as torch does, and keep the same tensors: checkpoints compare them with torch's own."""
        images, weight, bias, ctx.stride, ctx.padding = given
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(images, weight)
        return torch.conv2d(images, weight, bias, ctx.stride, ctx.padding)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor | None) -> tuple[Tensor | None, ...]:
        """Carry slopes by the outputs back to the images; none where a layer after it passes none on."""
        images, weight = ctx.saved_tensors
        back = None if slopes[0] is None else conv_backward(slopes[0], weight, images.shape, ctx.stride, ctx.padding)
        return back, None, None, None, None


def conv_backward(
    slopes: Tensor, weight: Tensor, shape: tuple[int, ...], stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    """Return the derivatives by the images of a convolution, given those by its outputs.

    One product of matrices gives what every output owes to every place of the kernel; each place is then added where it
    lies in the image.

    Args:
        slopes: (n, filters, rows, columns).
        weight: (filters, channels, height, width).
        shape: of the images, (n, c, h, w).
        stride: down and across.
        padding: zeros around the images, above and below, and left and right.

    Returns:
        Like the images.
    """
    count, channels, height, width = shape
    filters, across = weight.shape[0], weight.shape[3]
    rows, columns = slopes.shape[2:]
    matrix = weight.permute(2, 3, 1, 0).reshape(-1, filters)
    canvas = slopes.new_zeros(count, channels, height + 2 * padding[0], width + 2 * padding[1])
    image, channel, line, _ = canvas.stride()
    strides = (channel, image, stride[0] * line, stride[1])
    step = max(VALUES // (len(matrix) * rows * columns), 1)
    for number, part in enumerate(slopes.split(step)):
        for place, owed in enumerate(_products(matrix, part, channels).unbind(0)):
            top, left = divmod(place, across)
            begins = number * step * image + top * line + left
            canvas.as_strided(owed.shape, strides, begins).add_(owed)
    return canvas[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width]


def _products(matrix: Tensor, slopes: Tensor, channels: int) -> Tensor:
    """Say what each output owes to each place of the kernel, (places, channels, n, rows, columns).

    The slopes are taken in the order in memory in which they come.
    """
    count, filters, rows, columns = slopes.shape
    if slopes.stride(1) == 1:
        owed = matrix @ slopes.permute(0, 2, 3, 1).reshape(-1, filters).T
        return owed.reshape(-1, channels, count, rows, columns)
    owed = matrix @ slopes.reshape(count, filters, -1)
    return owed.reshape(count, -1, channels, rows, columns).permute(1, 2, 0, 3, 4)
