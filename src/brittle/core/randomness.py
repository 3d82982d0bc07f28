"""Whether a network draws random numbers when it answers."""

import torch
from torch import Tensor
from torch.nn import functional

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.core.inputs import placed
from brittle.types import Images

LOOKS = 5
"""Passes over the same images (AutoAttack, checks.py: n = 5)."""
DISTANCE = 1e-4
"""Largest distance between logits of length 1 of the same image that counts as the same (AutoAttack, checks.py)."""
DRAWS = 20
"""Draws of a randomised network where none are asked for: AutoAttack's eot_iter of its version rand."""


def disagreement(outputs: Tensor) -> float:
    """Measure the largest distance between logits, brought to length 1, of the same image.

    Args:
        outputs: of several passes over the same images, (looks, n, k).

    Example:
        >>> disagreement(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]))
        1.4142135623730951
    """
    unit = functional.normalize(outputs.double(), dim=2)
    distance = float((unit[:, None] - unit[None]).norm(dim=3).amax()) if unit.numel() else 0.0
    return distance if distance > 1e-6 else 0.0


@torch.no_grad()
def is_randomised(classifier: Classifier, images: Images) -> bool:
    """Say whether a network answers differently when it is asked again, by AutoAttack's rule (A1 of its flags).

    Args:
        classifier: the network; its random state is left as it was found.
        images: (n, c, h, w); a handful will do.

    Raises:
        ModelError: its outputs are no logits.
    """
    x = placed(images, classifier)
    with preserving_state(classifier.module):
        outputs = torch.stack([classifier.checked(x), *(classifier.logits(x) for _ in range(LOOKS - 1))])
    return disagreement(outputs) > DISTANCE
