"""What a network says of images, and nothing else of them."""

import torch
from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state


def said_of(classifier: Classifier, images: Tensor, batch: int, *, checked: bool = True) -> Tensor:
    """Return the outputs of a network for images, on the CPU; it is left as it was.

    Args:
        classifier: the network.
        images: (n, c, h, w) within its bounds, on any device; at least one.
        batch: most images in one forward pass.
        checked: refuse outputs that are no logits, such as NaN; otherwise they are returned.

    Raises:
        ModelError: outputs that are not logits.

    Example:
        >>> said_of(Classifier(torch.nn.Flatten()), torch.full((3, 1, 1, 2), 2.0), 2).shape
        torch.Size([3, 2])
    """
    with preserving_state(classifier.module), torch.no_grad():
        parts = [part.to(classifier.device, classifier.dtype) for part in images.split(batch)]
        ask = classifier.checked if checked else classifier.logits
        return torch.cat([ask(part).cpu() for part in parts])
