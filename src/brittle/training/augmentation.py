"""Random changes of training images that keep their label; each image draws its own."""

import torch
from torch import Tensor
from torch.nn import functional

from brittle.training.recipe import PlainTraining
from brittle.types import Images


def shift(images: Images, margin: int, generator: torch.Generator) -> Images:
    """Pads with zeros on all sides and cuts the old size out at a random place.

    Args:
        images: n x c x h x w.
        margin: pixels of padding on each side; also the longest shift.
        generator: on the processor; two draws an image.

    Returns:
        Shifted images of the same shape.

    Example:
        >>> moved = shift(torch.ones(1, 1, 3, 3), 1, torch.Generator().manual_seed(0))
        >>> moved.shape, bool((moved <= 1).all())
        (torch.Size([1, 1, 3, 3]), True)
    """
    count, _, height, width = images.shape
    offsets = torch.randint(2 * margin + 1, (2, count, 1), generator=generator).to(images.device)
    rows = (offsets[0] + torch.arange(height, device=images.device))[:, None, :, None]
    columns = (offsets[1] + torch.arange(width, device=images.device))[:, None, None, :]
    return functional.pad(images, (margin,) * 4)[_along(images, 0), _along(images, 1), rows, columns]


def flip(images: Images, generator: torch.Generator) -> Images:
    """Mirrors each image left to right with probability one half.

    Args:
        images: n x c x h x w.
        generator: on the processor; one draw an image.

    Returns:
        Images of the same shape.

    Example:
        >>> flip(torch.tensor([[[[1.0, 2.0]]]]), torch.Generator().manual_seed(0)).sum().item()
        3.0
    """
    mirrored = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def augmented(images: Images, settings: PlainTraining, generator: torch.Generator) -> Images:
    """Return images as the settings of a training want them changed at random.

    Example:
        >>> augmented(torch.ones(2, 1, 3, 3), PlainTraining(), torch.Generator()).sum().item()
        18.0
    """
    images = shift(images, settings.shift, generator) if settings.shift else images
    return flip(images, generator) if settings.flip else images


def _along(images: Tensor, axis: int) -> Tensor:
    """The positions along one axis, shaped so that they spread over the others."""
    shape = [1] * images.ndim
    shape[axis] = -1
    return torch.arange(images.shape[axis], device=images.device).reshape(shape)
