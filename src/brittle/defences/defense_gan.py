"""Images replaced by the nearest ones that a generator can make."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from brittle.arguments import Within, check_fields
from brittle.defences.defence import Masking
from brittle.defences.transformation import InputTransformation
from brittle.errors import InputError
from brittle.models.generative.files import wgan_of
from brittle.models.generative.wgan import Generator
from brittle.types import Images

LATE = 0.8
"""Fraction of the steps after which the rate is a tenth (the authors' code)."""


@dataclass(frozen=True)
class DefenseGAN(InputTransformation):
    """Defense-GAN: the network sees the image of a generator that is nearest to the one given.

    Samangouei, Kabkab & Chellappa, ICLR 2018 (arXiv:1805.06605), section 4, equation 3 and figure 2: from `restarts`
    latents, `steps` steps of gradient descent on |G(z) - x|^2, and the image of the best latent. Rate, momentum and
    the decay are those of the authors' code, for the mean over an image's values. The latents to begin with are
    drawn once a pass, for all images alike.

    The loop of the descent takes the gradient away. A careless evaluation gets none at all, as from every program in
    which an optimiser moves a latent of its own: so it is here with `protect`. Automatic differentiation through all
    steps would need the memory of as many passes. Who knows the defence goes back through the identity (BPDA; Athalye,
    Carlini & Wagner, ICML 2018, section 5, where 55 % are left at l2 0.005), or looks for images of the generator
    that the network takes for another class: `brittle.classifiers.reparameterised`, from `latents` on.

    Images go one after the other, so that none changes what is computed for another one.

    Args:
        steps: L, of the descent; 200 by default.
        restarts: R, latents that it begins at; 10 by default.
        rate: of the descent on the mean squared difference of an image.
        momentum: of the descent.
        weights: the generator: wgan-mnist by default, another one that comes with brittle, or the file or folder of
            `brittle train wgan`. It takes images of its own size alone.

    Raises:
        InputError: a number out of range; later, images of another size than the generator's.
        ModelError: no such weights.

    Example:
        >>> import torch
        >>> DefenseGAN(steps=2, restarts=1).transform(torch.zeros(1, 1, 28, 28)).shape
        torch.Size([1, 1, 28, 28])
    """

    title: ClassVar[str] = "Defense-GAN"
    masking: ClassVar[Masking] = Masking.VANISHING
    draws: ClassVar[int] = 2

    steps: Annotated[int, Within(1, 1_000_000)] = 200
    restarts: Annotated[int, Within(1, 10_000)] = 10
    rate: Annotated[float, Within(0.0, 1e6)] = 10.0
    momentum: Annotated[float, Within(0.0, 1.0)] = 0.7
    weights: str = "wgan-mnist"

    def __post_init__(self):
        check_fields(self)
        self.generator()

    def generator(self) -> Generator:
        """Return the generator, which others share: do not alter it."""
        return wgan_of(self.weights).generator

    def image_shape(self, shape: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
        """Return the shape of the generator's images; refuse another one."""
        if shape is not None:
            self._check(shape)
        return self.generator().shape

    def models(self) -> tuple[Generator, ...]:
        """Return the generator."""
        return (self.generator(),)

    def transform(self, images: Images) -> Images:
        """Return the nearest images that the descent finds."""
        return self._nearest(images.detach(), self._drawn())

    def latents(self, images: Images) -> Tensor:
        """Return the latents (n, d) of what `transform` makes of images; to begin a search for others at."""
        self._check(tuple(images.shape[1:]))
        starts, best = self._drawn(), [torch.empty(0, self.generator().latent).to(images)]
        for image in images.detach().split(1):
            latents, _, errors = self._descended(image, starts.to(image))
            best.append(latents[errors.argmin()][None])
        return torch.cat(best)

    def _drawn(self) -> Tensor:
        """The latents that every image's descent begins at, (restarts, d), as the authors draw them."""
        size = self.generator().latent
        return torch.randn(self.restarts, size) / size**0.5

    def _nearest(self, images: Images, starts: Tensor) -> Images:
        """The images of the best latents; one image after the other, so that no neighbour changes a rounding."""
        self._check(tuple(images.shape[1:]))
        found = torch.empty_like(images)
        for number in range(len(images)):
            image = images[number : number + 1]
            _, made, errors = self._descended(image, starts.to(image))
            found[number] = made[errors.argmin()]
        return found

    def _descended(self, image: Images, latents: Tensor) -> tuple[Tensor, Images, Tensor]:
        """Latents after their descent towards one image, their images, and the mean squared differences from it."""
        generator, speed = _fitting(self.generator(), image), torch.zeros_like(latents)
        with torch.enable_grad():
            for step in range(self.steps):
                latents = latents.detach().requires_grad_()
                error = (generator(latents) - image).square().flatten(1).mean(1).sum()
                (slope,) = torch.autograd.grad(error, latents)
                speed = self.momentum * speed + slope
                latents = latents - self.rate * (0.1 if step >= LATE * self.steps else 1.0) * speed
        with torch.no_grad():
            made = generator(latents)
            return latents.detach(), made, (made - image).square().flatten(1).mean(1)

    def _check(self, shape: tuple[int, ...]) -> None:
        takes = self.generator().shape
        if tuple(shape) != takes:
            seen, wanted = ("x".join(map(str, one)) for one in (shape, takes))
            raise InputError(
                f"the generator {self.weights!r} makes images of {wanted} (channels, height, width), and these are "
                f"{seen}; name another one with weights=, made by brittle train wgan"
            )


def _fitting(generator: Generator, like: Tensor) -> Generator:
    """The generator with the type and on the device of a tensor; others share the one given, which stays as it is."""
    weight = generator.first.weight
    if (weight.dtype, weight.device) == (like.dtype, like.device):
        return generator
    return deepcopy(generator).to(like.device, like.dtype)
