"""A small Wasserstein GAN: a generator of images from random numbers, and the critic that it is trained against."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from brittle.errors import InputError
from brittle.types import Images


class Generator(nn.Module):
    """Images from latents: transposed convolutions as in DCGAN, with values in [0, 1].

    Radford, Metz & Chintala, ICLR 2016 (arXiv:1511.06434), figure 1, with fewer layers and channels and without
    normalisation, so that an image depends on its latent alone.

    Args:
        shape: channels, height and width of an image, of any size.
        latent: numbers that an image is made from.
        width: channels of the last hidden layer; twice as many in the one before.

    Example:
        >>> Generator((1, 28, 28), latent=8, width=4)(torch.zeros(2, 8)).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(self, shape: tuple[int, int, int], latent: int = 64, width: int = 32):
        super().__init__()
        self.shape, self.latent, self.width = shape, latent, width
        self.coarse = (2 * width, math.ceil(shape[1] / 4), math.ceil(shape[2] / 4))
        self.first = nn.Linear(latent, math.prod(self.coarse))
        self.second = nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1)
        self.third = nn.ConvTranspose2d(width, shape[0], 4, stride=2, padding=1)

    def forward(self, latents: Tensor) -> Images:
        """Return images (n, c, h, w) of latents (n, d), or (n, d, 1, 1)."""
        coarse = self.first(latents.flatten(1)).relu().unflatten(1, self.coarse)
        full = self.third(self.second(coarse).relu())
        return full[:, :, : self.shape[1], : self.shape[2]].sigmoid()


class Critic(nn.Sequential):
    """A number for each image, larger for those that look real; strided convolutions without normalisation.

    Args:
        shape: channels, height and width of an image.
        width: channels of the first hidden layer; twice as many in the second.

    Example:
        >>> Critic((1, 28, 28), width=4)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2])
    """

    def __init__(self, shape: tuple[int, int, int], width: int = 32):
        coarse = (math.ceil(math.ceil(side / 2) / 2) for side in shape[1:])
        super().__init__(
            *(nn.Conv2d(shape[0], width, 5, stride=2, padding=2), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(width, 2 * width, 5, stride=2, padding=2), nn.LeakyReLU(0.2)),
            *(nn.Flatten(), nn.Linear(2 * width * math.prod(coarse), 1), nn.Flatten(0)),
        )


class WGAN(nn.Module):
    """Generator and critic, which are trained together.

    Arjovsky, Chintala & Bottou, ICML 2017 (arXiv:1701.07875); the penalty that keeps the critic's slope near 1
    (Gulrajani et al., NeurIPS 2017, arXiv:1704.00028) belongs to the training.

    Args:
        channels: of an image.
        height: of an image.
        width: of an image.
        latent: numbers that an image is made from.
        features: channels of the generator's last hidden layer and of the critic's first.

    Raises:
        InputError: a number below 1.

    Example:
        >>> WGAN(1, 28, 28, latent=8, features=4).generator.shape
        (1, 28, 28)
    """

    KIND = "wgan"

    def __init__(self, channels: int, height: int, width: int, latent: int = 64, features: int = 32):
        super().__init__()
        sizes = {"channels": channels, "height": height, "width": width, "latent": latent, "features": features}
        for name, value in sizes.items():
            if value < 1:
                raise InputError(f"{name} of a WGAN is {value}; expected at least 1")
        self.generator = Generator((channels, height, width), latent, features)
        self.critic = Critic((channels, height, width), features)

    @property
    def design(self) -> dict[str, Any]:
        """The arguments that such networks are made with."""
        channels, height, width = self.generator.shape
        sizes = {"channels": channels, "height": height, "width": width}
        return {**sizes, "latent": self.generator.latent, "features": self.generator.width}

    def forward(self, latents: Tensor) -> Images:
        """Return the generator's images."""
        return self.generator(latents)


def latents_of(generator: Generator, count: int, random: torch.Generator | None = None) -> Tensor:
    """Draw latents (count, d) from the normal distribution that a generator is trained with."""
    return torch.randn((count, generator.latent), generator=random)
