"""Networks with a depth for every pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from brittle.dense.network import DenseNetwork
from brittle.errors import ModelError


@dataclass(frozen=True, init=False)
class DepthEstimator(DenseNetwork):
    """A network from images to one positive number for every pixel, (n, h, w) or (n, 1, h, w), a row of h w an image.

    Depths are compared by their ratios, so that their unit does not matter, nor whether they are depths or inverse
    ones (disparities).

    Example:
        >>> import torch
        >>> from torch import nn
        >>> network = DepthEstimator(nn.Sequential(nn.Conv2d(3, 1, 1), nn.Softplus()))
        >>> network.maps(torch.rand(2, 3, 4, 6)).shape, network.logits(torch.rand(2, 3, 4, 6)).shape
        (torch.Size([2, 1, 4, 6]), torch.Size([2, 24]))
    """

    expected: ClassVar[str] = "a depth above 0 for every pixel, (n, height, width) or (n, 1, height, width)"
    fewest: ClassVar[int] = 1

    @classmethod
    def switches(cls) -> Sequence[str]:
        """Those of any dense network, and probabilities: a depth is none."""
        return (*super().switches(), "probabilities")

    def shaped(self, outputs: Tensor, count: int) -> Tensor:
        """Return depths as (n, 1, h, w)."""
        maps = outputs[:, None] if outputs.ndim == 3 else outputs
        if maps.ndim != 4 or len(maps) != count or maps.shape[1] != 1:
            mends = {
                2: "; for one class per image there are brittle.run and --task classification",
                4: "; for one class per pixel there are run_dense(..., task='segmentation') and --task segmentation",
            }
            raise ModelError(
                f"the network returns shape {tuple(outputs.shape)} for {count} images; expected "
                f"({count}, height, width) or ({count}, 1, height, width){mends.get(outputs.ndim, '')}"
            )
        return maps

    def check_maps(self, maps: Tensor) -> None:
        """Refuse depths below 0; a pixel of depth 0 has none, and does not count."""
        below = (maps < 0).flatten(1).any(1)
        if bool(below.any()):
            raise ModelError(
                f"the network's depths reach down to {float(maps.min()):.4g}, for {int(below.sum())} of {len(maps)} "
                "images below 0; expected depths above 0: of a network that says their logarithm return "
                "torch.exp(output), of a relative depth shift it above 0"
            )

    def answers(self, maps: Tensor) -> Tensor:
        """Return each pixel's depth."""
        return maps[:, 0]
