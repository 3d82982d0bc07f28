"""A forward pass whose backward pass is still to come."""

from dataclasses import dataclass

from torch import Tensor

from brittle.types import Images, Logits, Mask


@dataclass
class Graph:
    """A forward pass with its graph.

    Attributes:
        leaf: the images seen.
        outputs: their logits, (draws, m, k); one draw but for randomised networks.
        shown: which of the images the budget let the network see, (m,); None for all.
        unusable: which points have no finite output, and the clean image's in its place, (m,); None for none.
        spent: whether the backward pass was used up.
    """

    leaf: Images
    outputs: Tensor
    shown: Mask | None = None
    unusable: Mask | None = None
    spent: bool = False

    @property
    def logits(self) -> Logits:
        """The mean over the draws, (m, k), detached."""
        return self.outputs.detach().mean(0)
