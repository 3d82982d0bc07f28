"""What happens to an image on its way to a network: a seeded transformation of a batch."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from brittle.arguments import Seed, check_fields, fitted
from brittle.base.seeds import Streams
from brittle.classifiers.behind import Behind
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.surrogate import Surrogate
from brittle.errors import InputError
from brittle.tolerance import in_range
from brittle.types import Images

WIDEST_SEED = 2**62
"""Seeds of single passes are drawn below it."""
FEW = 2**18
"""Values of the images that are sent through together: 85 images of CIFAR-10, one of 224 x 224."""


@dataclass(frozen=True)
class Channel(ABC):
    """A transformation of images: its strengths are its fields, all with defaults.

    Subclasses give `transform`. What it does to an image depends on the seed and that image's id alone: not on its
    neighbours, its place, or the size of the batch; the bits are the same on every run.

    Attributes:
        title: in tables, such as "Gaussian blur".
        random: whether it draws random numbers. A channel with a field `spread` does where that is not 0; where it
            depends on other settings, `__post_init__` says so.
        differentiable: whether automatic differentiation goes through `transform`; otherwise an attack goes back
            through the identity in its place (BPDA).

    Example:
        >>> @dataclass(frozen=True)
        ... class Darker(Channel):
        ...     factor: float = 0.5
        ...     def transform(self, images: Images, streams: Streams) -> Images:
        ...         return images * self.factor
        >>> Darker()(torch.ones(1, 1, 1, 2))
        tensor([[[[0.5000, 0.5000]]]])
    """

    title: ClassVar[str] = ""
    random: ClassVar[bool] = False
    differentiable: ClassVar[bool] = True

    def __post_init__(self):
        check_fields(self)
        if getattr(self, "spread", 0):
            object.__setattr__(self, "random", True)

    @abstractmethod
    def transform(self, images: Images, streams: Streams) -> Images:
        """Return what becomes of images.

        Args:
            images: (n, c, h, w), float, from 0 to 1, of any number of channels and any size; not to be written into.
            streams: random numbers, one stream per image in their order.

        Returns:
            New images of the same shape and type, from 0 to 1.
        """

    def __call__(self, images: Images, *, seed: int = 0, ids: Tensor | None = None) -> Images:
        """Send images through.

        Args:
            images: (n, c, h, w), float, from 0 to 1.
            seed: of its random numbers.
            ids: which image is which, int64 (n,), such as positions in a data set; 0 to n - 1 by default. An image of
                the same id gets the same numbers, in any batch.

        Raises:
            InputError: anything but a batch of float images from 0 to 1, another number of ids, or a seed that is none.
        """
        _check(fitted("images", images, Tensor))
        seed = fitted("seed", seed, Seed)
        places = torch.arange(len(images)) if ids is None else fitted("ids", ids, Tensor)
        if places.shape != (len(images),) or places.dtype != torch.int64:
            raise InputError(
                f"ids are {places.dtype} {tuple(places.shape)}; expected int64 ({len(images)},), one for each image"
            )
        return self._sent(images, seed, places.to(images.device))

    def before(self, classifier: Classifier) -> Classifier:
        """Return a classifier that sees images only through this channel.

        A random channel becomes a randomised classifier: every pass draws anew, from torch's global random state, and
        the same for all images of the pass. So the draws of an attack (`eot_samples`) are expectation over
        transformation (Athalye, Engstrom, Ilyas & Kwok, ICML 2018, arXiv:1707.07397), and what it finds is robust to
        the channel. The module of the given classifier is called by the new one, and stays as it is.
        """
        classifier = fitted("classifier", classifier, Classifier)
        return classifier.around(Behind(self._pass_through, classifier.module, classifier.bounds))

    def stage(self, images: Images, streams: Streams) -> Images:
        """Return what `transform` returns, with a way back: the identity's where it has none of its own (BPDA)."""
        if self.differentiable or not (torch.is_grad_enabled() and images.requires_grad):
            return self.transform(images, streams)
        return Surrogate(lambda given: self.transform(given, streams))(images)

    def _pass_through(self, images: Images) -> Images:
        seed = int(torch.randint(WIDEST_SEED, ())) if self.random else 0
        ids = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        return self._sent(images, seed, ids)

    def _sent(self, images: Images, seed: int, ids: Tensor) -> Images:
        """Send images through by the few, so that what is computed on the way stays in a processor's cache."""
        few = max(FEW // max(images[:1].numel(), 1), 1) if images.device.type == "cpu" else len(images)
        parts = zip(images.split(max(few, 1)), ids.split(max(few, 1)), strict=True)
        return torch.cat([self.stage(part, Streams(seed, those, part.dtype)) for part, those in parts])


def drawn(images: Images, streams: Streams, middle: float, spread: float) -> Tensor:
    """Draw a strength for each image, uniformly from middle - spread to middle + spread, (n, 1, 1, 1).

    Without a spread nothing is drawn.

    Example:
        >>> drawn(torch.zeros(2, 1, 1, 1), Streams(0, torch.arange(2)), 3, 0).flatten()
        tensor([3., 3.])
    """
    if not spread:
        return images.new_full((len(images), 1, 1, 1), middle)
    return middle + spread * (2 * streams.uniform(everyone(images), (1, 1, 1)) - 1)


def everyone(images: Images) -> Tensor:
    """Return the positions of all images of a batch: all take part in a draw."""
    return torch.arange(len(images), device=images.device)


def _check(images: Images) -> None:
    if images.ndim != 4 or not images.is_floating_point():
        raise InputError(f"images are {images.dtype} {tuple(images.shape)}; expected float (n, c, h, w)")
    if images.numel():
        low, high = (float(end) for end in images.detach().aminmax())
        if not in_range(low, high):
            raise InputError(f"images range from {low:.4g} to {high:.4g}; expected values from 0 to 1")
