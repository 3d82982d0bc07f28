"""Images that are dark or bright, and networks whose robustness on them is known in closed form."""

import torch
from torch import Tensor, nn


class Brightness(nn.Module):
    """Goes by the mean: no change of less than 0.39 of every pixel turns an image."""

    def forward(self, images: Tensor) -> Tensor:
        mean = images.mean((1, 2, 3)) - 0.5
        return torch.stack([-mean, mean], 1)


class Corner(nn.Module):
    """Goes by one pixel alone, which a change of 0.02 turns."""

    def forward(self, images: Tensor) -> Tensor:
        corner = images[:, 0, 0, 0] - 0.5
        return torch.stack([-corner, corner], 1)


class Rounded(nn.Module):
    """Goes by the mean of rounded pixels, which have no gradient."""

    def forward(self, images: Tensor) -> Tensor:
        return Brightness()((images * 7).round() / 7)


def two_tones(count: int = 40) -> tuple[Tensor, Tensor]:
    """Return images (count, 1, 4, 4) at 0.1 and 0.9, give or take 0.01, with one pixel at 0.48 and 0.52; and labels."""
    labels = torch.arange(count) % 2
    noise = torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    images = 0.1 + 0.8 * labels[:, None, None, None] + 0.02 * noise - 0.01
    images[:, 0, 0, 0] = 0.48 + 0.04 * labels
    return images, labels
