"""A classifier of latents, so that attacks look for images among those that a generator makes."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor, nn

from brittle.arguments import check_fields
from brittle.base.bounds import Bounds
from brittle.classifiers.classifier import Classifier
from brittle.errors import InputError
from brittle.types import Images


@dataclass(frozen=True)
class Reparameterised:
    """A network behind a generator: x = h(z), with z what is attacked.

    Reparameterisation, Athalye, Carlini & Wagner, ICML 2018, section 4.3 (arXiv:1802.00420): where a defence moves
    images to what a generator can make, images of the generator pass it unchanged, and h can be differentiated. A
    latent takes the place of an image, as d channels of one pixel; so every attack that changes values works on it,
    and the threat limits the latent's change, not the image's.

    Args:
        classifier: of images; usually the network without the defence.
        generator: from latents (n, d) to images (n, c, h, w) from 0 to 1, such as that of a `WGAN`.
        bounds: of the latents; -3 to 3 by default, which holds 99.7 % of normal numbers. A pair of numbers, or Bounds.

    Raises:
        BoundsError: bounds that are none.

    Example:
        >>> import torch
        >>> import brittle
        >>> mirror = Reparameterised(brittle.Classifier(nn.Flatten()), lambda z: z.sigmoid()[:, :, None, None])
        >>> latents, labels = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 1])
        >>> found = brittle.run(brittle.PGD(), mirror.of_latents, mirror.shaped(latents), labels,
        ...                     threat=brittle.Lp("inf", 0.8))
        >>> found.success.tolist(), mirror.images(found.adversarial).shape
        ([True, False], torch.Size([2, 2, 1, 1]))
    """

    classifier: Classifier
    generator: Callable[[Tensor], Images] = field(repr=False)
    bounds: Bounds | tuple[float, float] = (-3.0, 3.0)

    def __post_init__(self):
        check_fields(self)
        if not isinstance(self.bounds, Bounds):
            object.__setattr__(self, "bounds", Bounds(*self.bounds))

    @property
    def of_latents(self) -> Classifier:
        """The classifier of latents (n, d, 1, 1) within the bounds, to be attacked in place of the one of images."""
        given = self.classifier
        behind = _Behind(self.generator, given.module, given.bounds)
        return Classifier(
            behind, self.bounds, binary=given.binary, probabilities=given.probabilities, labels=given.labels
        )

    def shaped(self, latents: Tensor) -> Tensor:
        """Return latents (n, d) as attacks take them, (n, d, 1, 1), moved into the bounds.

        Raises:
            InputError: a tensor of another shape.
        """
        if latents.ndim not in (2, 4) or latents.flatten(1).shape[1] != latents.shape[1]:
            raise InputError(f"the latents have shape {tuple(latents.shape)}; expected (n, d) or (n, d, 1, 1)")
        bounds = self.bounds if isinstance(self.bounds, Bounds) else Bounds(*self.bounds)
        return bounds.clamp(latents.flatten(1)[:, :, None, None])

    def images(self, latents: Tensor) -> Images:
        """Return the images of latents (n, d, 1, 1), within the bounds of the classifier of images."""
        return made_within(self.generator, latents, self.classifier.bounds)


class _Behind(nn.Module):
    """A network behind a generator."""

    def __init__(self, generator: Callable[[Tensor], Images], module: nn.Module, bounds: Bounds):
        super().__init__()
        self.generator, self.module, self.bounds = generator, module, bounds

    def forward(self, latents: Tensor) -> object:
        return self.module(made_within(self.generator, latents, self.bounds))


def made_within(generator: Callable[[Tensor], Images], latents: Tensor, bounds: Bounds) -> Images:
    """Return a generator's images of latents (n, d, 1, 1), brought from 0..1 to other bounds."""
    return generator(latents.flatten(1)) * bounds.span + bounds.lower
