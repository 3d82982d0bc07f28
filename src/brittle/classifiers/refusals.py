"""Networks with a detector: one output more than there are classes, and how verdicts and losses take it in."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from brittle.types import Labels, Logits, Mask

if TYPE_CHECKING:  # a classifier looks at its own outputs
    from brittle.classifiers.classifier import Classifier


def of_classes(classifier: "Classifier", outputs: Tensor) -> Logits:
    """Return the logits of the classes alone, (..., k), of outputs (..., k + 1) of a classifier that may refuse.

    Those of another classifier are returned as they are.
    """
    return outputs[..., :-1] if classifier.rejects else outputs


def refused(classifier: "Classifier", outputs: Tensor) -> Mask:
    """Say which images are refused: no class scores higher than the last column; none by other classifiers.

    Example:
        >>> from brittle import Classifier
        >>> guarded = Classifier(lambda images: images.flatten(1), rejects=True)
        >>> refused(guarded, torch.tensor([[3.0, 1.0, 2.0], [2.0, 1.0, 3.0]]))
        tensor([False,  True])
    """
    if not classifier.rejects:
        return torch.zeros(outputs.shape[:-1], dtype=torch.bool, device=outputs.device)
    return outputs[..., -1] >= outputs[..., :-1].amax(-1)


def folded(classifier: "Classifier", outputs: Tensor, homes: Labels) -> Logits:
    """Count the score of being refused as one for a class that does not help: the label, wherever it scores less.

    Another class is predicted by what this returns exactly where it is predicted and the image is not refused, so that
    losses, margins and goals that know nothing of detectors mean what they say: G(x)_(N+1) of Carlini & Wagner, AISec
    2017, section 3 (arXiv:1705.07263), is a class that cannot be reached by mistake.

    Args:
        classifier: whose outputs these are; those of one that refuses nothing are returned as they are.
        outputs: (n, k + 1), or (draws, n, k + 1).
        homes: the class that refusals are counted for, (n,).

    Returns:
        The logits of the classes, (..., k), with their way back.

    Example:
        >>> from brittle import Classifier
        >>> guarded = Classifier(lambda images: images.flatten(1), rejects=True)
        >>> folded(guarded, torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 0.0]]), torch.tensor([0, 0]))
        tensor([[3., 2.],
                [1., 2.]])
    """
    if not classifier.rejects:
        return outputs
    classes, place = outputs[..., :-1], homes[:, None].expand(*outputs.shape[:-1], 1)
    return classes.scatter(-1, place, torch.maximum(classes.gather(-1, place), outputs[..., -1:]))


def widened(classifier: "Classifier", logits: Logits) -> Tensor:
    """Put a column beside the logits of classes that refuses nothing, for a classifier that may refuse."""
    return torch.cat([logits, logits.amin(-1, keepdim=True)], -1) if classifier.rejects else logits
