"""The network with a counter before it, and a witness of every point that an attack shows to it."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from torch import Tensor, nn

from brittle.classifiers.classifier import Classifier
from brittle.types import Images

Listener = Callable[[Tensor, Tensor], None]
"""Is told of every forward pass: images and logits, detached."""


class CountingClassifier(nn.Module):
    """A classifier's module that counts the passes made through it, one for each image, forward and backward.

    Args:
        classifier: as the audit attacked it; what it promises of its outputs is kept.

    Attributes:
        classifier: as given.
        passes: forward plus backward passes so far.

    Example:
        >>> import torch
        >>> meter = CountingClassifier(Classifier(nn.Sequential(nn.Flatten(), nn.Linear(4, 2))))
        >>> meter.metered().logits(torch.zeros(3, 1, 2, 2)).shape, meter.passes
        (torch.Size([3, 2]), 3)
    """

    def __init__(self, classifier: Classifier):
        super().__init__()
        self.module = classifier.module  # registered, so that modes and devices are seen through the meter
        self.classifier = classifier
        self.passes = 0
        self._listeners: list[Listener] = []

    def metered(self) -> Classifier:
        """The classifier that is counted; its outputs are logits already."""
        known = self.classifier
        return Classifier(self, known.bounds, rejects=known.rejects, oblivious=known.oblivious)

    def forward(self, images: Images) -> Tensor:
        """Ask the classifier, count, and tell who listens."""
        logits = self.classifier.logits(images)
        self.passes += len(images)
        if logits.requires_grad:
            logits.register_hook(self._backward)
        for listener in self._listeners:
            listener(images.detach(), logits.detach())
        return logits

    def _backward(self, gradient: Tensor) -> None:
        self.passes += len(gradient)

    @contextmanager
    def heard(self, listener: Listener) -> Generator[None]:
        """Tell a listener of every pass within the block."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)
