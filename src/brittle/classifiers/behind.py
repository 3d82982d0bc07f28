"""A network behind a stage that changes its images."""

from collections.abc import Callable

from torch import Tensor, nn

from brittle.base.bounds import Bounds


class Behind(nn.Module):
    """A network behind a stage that takes images from 0 to 1, whatever the bounds of the network's own images.

    Args:
        stage: what images go through first.
        module: the network.
        bounds: of the network's images.
        models: further networks that the stage asks, by whose weights a run is known too. They are shared with others:
            they keep their device and mode, and are no weights of this network.

    Example:
        >>> import torch
        >>> inverted = Behind(lambda images: 1 - images, nn.Flatten(), Bounds(0, 255))
        >>> inverted(torch.full((1, 1, 1, 1), 255.0))
        tensor([[0.]])
    """

    def __init__(
        self,
        stage: Callable[[Tensor], Tensor],
        module: nn.Module,
        bounds: Bounds,
        models: tuple[nn.Module, ...] = (),
    ):
        super().__init__()
        self.stage, self.module, self.lower, self.span = stage, module, bounds.lower, bounds.span
        self.models = models  # not registered

    def forward(self, images: Tensor) -> object:
        """Return what the network says of the changed images."""
        if (self.lower, self.span) == (0, 1):
            return self.module(self.stage(images))
        return self.module(self.stage((images - self.lower) / self.span) * self.span + self.lower)
