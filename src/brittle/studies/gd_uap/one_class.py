"""A segmentation network as a classifier of whole images: those of whose pixels it takes all for one class."""

import torch
from torch import Tensor, nn

from brittle.classifiers.door import answer
from brittle.types import Images, Logits

CLIP = 2.0
"""Lead of the class over all others, in logits, beyond which a pixel pulls no more."""


class OneClass(nn.Module):
    """Two logits for each image: 0, and by how much one class leads at its pixels on average.

    A universal perturbation towards the second one paints every photograph with the class, as the static target
    segmentations of Metzen et al., "Universal adversarial perturbations against semantic image segmentation", ICCV
    2017, do. They weigh down pixels that have their target with enough confidence; here a pixel's lead is cut off at
    `CLIP`, which comes to the same.

    Args:
        segmenter: images (n, c, h, w) to logits (n, k, h, w).
        target: the class.

    Example:
        >>> OneClass(nn.Conv2d(3, 4, 1), 2)(torch.zeros(5, 3, 6, 6)).shape
        torch.Size([5, 2])
    """

    def __init__(self, segmenter: nn.Module, target: int):
        super().__init__()
        self.segmenter, self.target = segmenter, target

    def forward(self, images: Images) -> Logits:
        """Return 0 and the mean lead of the class, (n, 2)."""
        logits = answer(self.segmenter, images)
        lead = (logits[:, self.target] - _best_other(logits, self.target)).clamp_max(CLIP).mean((1, 2))
        return torch.stack([torch.zeros_like(lead), lead], 1)


def _best_other(logits: Tensor, target: int) -> Tensor:
    others = torch.cat([logits[:, :target], logits[:, target + 1 :]], 1)
    return others.amax(1)
