"""A part of a network that cannot be differentiated, with another one to differentiate in its place (BPDA)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from brittle.errors import ModelError


class Surrogate(nn.Module):
    """Compute one function, and go back through another at the same input.

    Backward pass differentiable approximation, Athalye, Carlini & Wagner, ICML 2018, section 4.1 (arXiv:1802.00420):
    the forward pass is exact, bit for bit; on the way back the stage counts as `surrogate`, taken at what came into the
    stage and not at the image. Put it into the network in place of the stage, as often as there are such stages;
    attacks then need to know nothing of it.

    Args:
        stage: what the network does; need not be differentiable.
        surrogate: what resembles it and is differentiable, from the same input to an output of the same shape; by
            default the identity.

    Raises:
        ModelError: in the forward pass, where the two outputs have different shapes.

    Example:
        >>> rounding = Surrogate(lambda x: (x * 7).round() / 7)
        >>> x = torch.tensor([0.2], requires_grad=True)
        >>> rounding(x).backward()
        >>> x.grad
        tensor([1.])
    """

    def __init__(self, stage: Callable[[Tensor], Tensor], surrogate: Callable[[Tensor], Tensor] | None = None):
        super().__init__()
        self.stage = stage
        self.surrogate = nn.Identity() if surrogate is None else surrogate

    def forward(self, x: Tensor) -> Tensor:
        """Return the stage's output, with the surrogate's way back."""
        with torch.no_grad():
            exact = self.stage(x.clone())  # it may write into what it is given
        if not (torch.is_grad_enabled() and x.requires_grad):
            return exact
        stand_in = self.surrogate(x.clone())
        if stand_in.shape != exact.shape:
            raise ModelError(
                f"the stage returns shape {tuple(exact.shape)} and its surrogate {tuple(stand_in.shape)}; "
                "give a surrogate with an output of the stage's shape"
            )
        return _Exact.apply(exact, stand_in)  # pyright: ignore[reportReturnType]  # torch does not type `apply`


class _Exact(torch.autograd.Function):
    """The first argument forwards, the second one's gradient backwards."""

    @staticmethod
    def forward(ctx: object, exact: Tensor, stand_in: Tensor) -> Tensor:
        return exact.clone()

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, gradients[0]


def without_gradient(stage: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return a stage whose gradient is 0 everywhere, as that of a function with steps is.

    It is what automatic differentiation gives through rounding, and what one gets who knows nothing of the stage.

    Example:
        >>> x = torch.tensor([0.2], requires_grad=True)
        >>> without_gradient(lambda x: (x * 7).round() / 7)(x).backward()
        >>> x.grad
        tensor([0.])
    """

    def flat(x: Tensor) -> Tensor:
        with torch.no_grad():
            exact = stage(x.clone())
        return _Flat.apply(x, exact) if torch.is_grad_enabled() and x.requires_grad else exact  # pyright: ignore[reportReturnType]

    return flat


class _Flat(torch.autograd.Function):
    """The second argument forwards, zeros for the first one backwards."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, exact: Tensor) -> Tensor:
        ctx.kind = x.shape, x.dtype, x.device
        return exact.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        shape, dtype, device = ctx.kind
        return torch.zeros(shape, dtype=dtype, device=device), None
