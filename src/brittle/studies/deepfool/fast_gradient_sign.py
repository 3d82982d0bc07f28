"""Fast gradient sign as the DeepFool paper uses it: one eps for all images, the smallest that fools 90 % of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.maths import losses, norms
from brittle.studies.shared.subject import Benchmark
from brittle.threats import Lp
from brittle.types import Images, Labels

FRACTION = 0.9
"""Fraction of the images that must be fooled (Moosavi-Dezfooli et al. 2016, section 4.1)."""
DOUBLINGS = 10
"""The scan goes from 2 to the power of -10, a quarter of a level of 8 bits, to 1, the whole range of a pixel."""
BISECTIONS = 8
"""Halvings of the interval in which the fraction is crossed: eps is then known to 1/512 of itself or better."""


@dataclass(frozen=True)
class Found:
    """What the search came to.

    Attributes:
        eps: the smallest at which the fraction is reached; where it never is, that of the largest rate.
        rate: fraction fooled at `eps`.
        reached: whether the fraction is reached.
    """

    eps: float
    rate: float
    reached: bool


def smallest_eps(rate: Callable[[float], float], fraction: float = FRACTION) -> Found:
    """Find the smallest eps at which a fraction of the images is fooled.

    Doubled until the fraction is reached, then bisected; where no doubling reaches it, the values half-way between them
    (on a logarithmic scale) are tried too, because the rate of a single step can fall again as the step grows.

    Args:
        rate: fraction fooled at an eps.
        fraction: wanted.

    Returns:
        Where the fraction is reached, or the largest rate seen where it is not.

    Example:
        >>> found = smallest_eps(lambda eps: float(eps >= 0.3))
        >>> found.reached, abs(found.eps - 0.3) < 0.001
        (True, True)
    """
    doublings = [2.0**-power for power in range(DOUBLINGS, -1, -1)]
    seen: dict[float, float] = {}
    for eps in [*doublings, *(eps / 2**0.5 for eps in doublings[1:])]:
        seen[eps] = rate(eps)
        if seen[eps] >= fraction:
            return _bisected(rate, fraction, max((less for less in seen if less < eps), default=0.0), eps, seen)
    best = max(seen, key=lambda eps: (seen[eps], -eps))
    return Found(best, seen[best], reached=False)


def _bisected(
    rate: Callable[[float], float], fraction: float, low: float, high: float, seen: dict[float, float]
) -> Found:
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        seen[middle] = rate(middle)
        low, high = (low, middle) if seen[middle] >= fraction else (middle, high)
    return Found(high, seen[high], reached=True)


class SignSteps:
    """The single gradient-sign step of every image, of any length: the direction does not depend on the length.

    Only the signs are kept (one byte a value); the images are streamed again for each length.

    Args:
        subject: its images.
        classifier: the network, with the bounds that changed images are kept in.
    """

    def __init__(self, subject: Benchmark, classifier: Classifier):
        self._subject, self._classifier = subject, classifier
        self._steps: list[tuple[Tensor, Labels]] = []
        for block in subject.blocks("direction of fast gradient sign"):
            signs, predicted = signs_of(classifier, block.images.to(classifier.device))
            self._steps.append((signs.to(torch.int8), predicted))

    def rate(self, eps: float) -> float:
        """Return the fraction of images whose predicted class changes at a step of `eps`."""
        classifier, changed, count = self._classifier, 0, 0
        with preserving_state(classifier.module), torch.no_grad():
            for images, moved, predicted in self._moved(eps, f"fast gradient sign at {eps:.4g}"):
                changed += int((classifier.logits(moved).argmax(1) != predicted).sum())
                count += len(images)
        return changed / count

    def relative(self, eps: float, p: float = 2) -> Tensor:
        """Return ||r||_p / ||x||_p of every image (n,) for the change that the box leaves of a step of `eps`."""
        parts = [
            norms.size(moved - images, p) / norms.size(images, p)
            for images, moved, _ in self._moved(eps, "size of the steps")
        ]
        return torch.cat(parts).double().cpu()

    def _moved(self, eps: float, doing: str) -> Iterator[tuple[Images, Images, Labels]]:
        classifier = self._classifier
        for block, (signs, predicted) in zip(self._subject.blocks(doing), self._steps, strict=True):
            images = block.images.to(classifier.device, classifier.dtype)
            yield images, classifier.bounds.clamp(images + eps * signs), predicted


def signs_of(classifier: Classifier, images: Images) -> tuple[Images, Labels]:
    """Return the direction that FGSM takes from each image, away from the class predicted, and that class.

    Args:
        classifier: the network, left as it was found.
        images: (n, c, h, w) within its bounds.
    """
    with preserving_state(classifier.module):
        leaf = images.detach().to(classifier.dtype).requires_grad_()
        logits = classifier.logits(leaf)
        predicted = logits.argmax(1)
        (gradient,) = torch.autograd.grad(losses.cross_entropy(logits, predicted).sum(), leaf)
    return Lp("inf").steepest(gradient), predicted
