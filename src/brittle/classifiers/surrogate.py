"""A part of a network that cannot be differentiated, with another one to differentiate in its place (BPDA)."""

from collections.abc import Callable

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
