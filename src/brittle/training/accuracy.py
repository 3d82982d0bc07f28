"""How many images a module classifies rightly."""

import torch
from torch import nn

from brittle.errors import InputError
from brittle.training.outputs import device_of, logits_of
from brittle.types import Images, Labels


def accuracy(module: nn.Module, images: Images, labels: Labels, batch: int = 500) -> float:
    """The fraction of images that a module classifies rightly, in eval mode; the module's mode is then restored.

    Args:
        module: from images to logits.
        images: n x c x h x w.
        labels: int64, n.
        batch: images a pass.

    Returns:
        Between 0 and 1.

    Raises:
        InputError: no images.

    Example:
        >>> accuracy(nn.Flatten(), torch.eye(3).reshape(3, 1, 1, 3), torch.arange(3))
        1.0
    """
    if not len(images):
        raise InputError("there are no images to measure the accuracy on")
    modes = {part: part.training for part in module.modules()}
    device = device_of(module)
    try:
        module.eval()
        with torch.no_grad():
            right = sum(
                int((logits_of(module, some.to(device)).argmax(1) == truth.to(device)).sum())
                for some, truth in zip(images.split(batch), labels.split(batch), strict=True)
            )
    finally:
        for part, mode in modes.items():
            part.training = mode
    return right / len(images)
