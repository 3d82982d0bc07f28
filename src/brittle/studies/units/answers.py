"""What a layer answers to images, and which images a unit or a direction of it answers to most."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.errors import InputError
from brittle.types import Images
from brittle.universal_attacks.layers import layers_of


def answers(
    classifier: Classifier, layer: str, parts: Iterable[Images], tell: Callable[[int], None] | None = None
) -> Tensor:
    """Return what a layer gives for images.

    Args:
        classifier: the network.
        layer: its name, as `brittle.universal_attacks.layers.layers_of` takes it.
        parts: images, a batch at a time.
        tell: told how many images are done.

    Returns:
        (n, d), float32, on the CPU. Of a layer of planes, (n, c, h, w), a unit is a plane's mean over the image.

    Raises:
        InputError: no such layer, or no images.
    """
    found, layers, done = list[Tensor](), None, 0
    with preserving_state(classifier.module), torch.no_grad():
        for part in parts:
            images = part.to(classifier.device, classifier.dtype)
            layers = layers or layers_of(classifier.module, images[:1], (layer,))
            (given,) = layers(images)
            found.append((given.mean((2, 3)) if given.ndim == 4 else given.flatten(1)).float().cpu())
            done += len(part)
            if tell is not None:
                tell(done)
    if not found:
        raise InputError("there are no images to ask the layer about")
    return torch.cat(found)


def largest(answered: Tensor, directions: Tensor, count: int) -> Tensor:
    """Return the images that answer most along directions, x' = argmax <phi(x), v> (section 3, equations 1 and 2).

    Args:
        answered: phi(x) of each image, (n, d).
        directions: v, (m, d); rows of the unit matrix for single units.
        count: images of each.

    Returns:
        Positions (m, count), the largest answer first.

    Example:
        >>> largest(torch.tensor([[0.0, 5.0], [1.0, 0.0], [2.0, 1.0]]), torch.eye(2), 2)
        tensor([[2, 1],
                [0, 2]])
    """
    if count > len(answered):
        raise InputError(f"there are {len(answered)} images; expected at least {count}, the most that are looked at")
    return (directions @ answered.T).topk(count, 1).indices


def living_units(answered: Tensor) -> Tensor:
    """Return the units that do not give all images the same answer: what a dead one answers to says nothing."""
    return (answered.amax(0) > answered.amin(0)).nonzero()[:, 0]
